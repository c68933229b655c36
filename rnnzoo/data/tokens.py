"""Tokens of text, characters or words: counted for a vocabulary, and encoded into a memory-mapped file."""

import collections
import re
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np

from rnnzoo.data.corpus import Document
from rnnzoo.spec import BOS, SPECIAL_TOKENS, UNKNOWN

TokenCounts = collections.Counter[str]
CODE_POINTS = 0x110000


class CharTokens:
    """Tokens that are characters (Unicode code points)."""

    def count(self, documents: Iterable[Document]) -> TokenCounts:
        """Counts the occurrences of each character."""
        total = np.zeros(CODE_POINTS, "int64")
        for document in documents:
            for piece in document.pieces():
                total += np.bincount(code_points(piece), minlength=len(total))
        return collections.Counter({chr(point): int(total[point]) for point in np.flatnonzero(total)})

    def encode(self, document: Document, vocabulary: tuple[str, ...]) -> Iterator[np.ndarray]:
        """Yields the ids of a document, one piece at a time."""
        table = np.full(CODE_POINTS, UNKNOWN, "int32")
        first = len(SPECIAL_TOKENS)
        table[[ord(token) for token in vocabulary[first:]]] = np.arange(first, len(vocabulary))
        return (table[code_points(piece)] for piece in document.pieces())


class WordTokens:
    """Tokens that are words, separated by spaces; a newline is a token of its own."""

    def count(self, documents: Iterable[Document]) -> TokenCounts:
        """Counts the occurrences of each word."""
        total: TokenCounts = collections.Counter()
        for document in documents:
            for words in self._split(document):
                total.update(words)
        return total

    def encode(self, document: Document, vocabulary: tuple[str, ...]) -> Iterator[np.ndarray]:
        """Yields the ids of a document, one piece at a time."""
        table = {token: i for i, token in enumerate(vocabulary) if i >= len(SPECIAL_TOKENS)}
        return (np.array([table.get(w, UNKNOWN) for w in words], "int32") for words in self._split(document))

    def _split(self, document: Document) -> Iterator[list[str]]:
        rest = ""
        for piece in document.pieces():
            text = rest + piece
            end = max(text.rfind(" "), text.rfind("\n")) + 1  # the last word may continue in the next piece
            rest = text[end:]
            yield split_words(text[:end])
        yield split_words(rest)


def split_words(text: str) -> list[str]:
    """Splits text at spaces; newlines are tokens. Exported graphs follow the same rule."""
    return [word for word in re.sub(r"[ \t\r\f\v]+", " ", text).replace("\n", " \n ").split(" ") if word]


PUNCTUATION = "[^A-Za-z0-9_ \t\n\r\f\v\u0080-\U0010ffff]"


def split_words_and_punctuation(text: str) -> list[str]:
    """Splits text into words and single punctuation marks. Exported graphs follow the same rule.

    A word consists of ASCII letters, digits, underscores and all characters that are not ASCII.
    """
    return [t for t in re.split("[ \t\n\r\f\v]+", re.sub(f"({PUNCTUATION})", r" \1 ", text)) if t]


class EncodedCorpus:
    """The documents of a split as ids in a temporary memory-mapped file; each document begins with BOS.

    Documents are cut into windows of `size` inputs, numbered through all documents; no window crosses the end of a
    document.

    Attributes:
        counts: occurrences of each id.
        num_windows: number of windows.
        first_windows: number of the first window of each document, followed by `num_windows`.
    """

    def __init__(
        self, documents: list[Document], tokens: CharTokens | WordTokens, vocabulary: tuple[str, ...], size: int
    ):
        width = np.min_scalar_type(len(vocabulary))
        self.counts = np.zeros(len(vocabulary), "int64")
        self.size = size
        lengths = []
        with tempfile.TemporaryFile() as file:
            for document in documents:
                np.array([BOS], width).tofile(file)
                length = 0
                for ids in tokens.encode(document, vocabulary):
                    ids.astype(width).tofile(file)
                    self.counts += np.bincount(ids, minlength=len(vocabulary))
                    length += len(ids)
                lengths.append(length)
            file.flush()
            self.ids = np.memmap(file, width, "r")
        document_lengths = np.array(lengths, "int64")
        self._last = np.cumsum(document_lengths + 1) - 1
        self._begin = self._last - document_lengths
        self.first_windows = np.concatenate([[0], np.cumsum(-(-document_lengths // size))])
        self.num_windows = int(self.first_windows[-1])

    def read_windows(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Reads windows by number.

        Returns:
            The ids `[n, size + 1]`, a mask of the same shape that is False beyond the end of a document, and `[n]`
            whether a window begins a document.
        """
        document = np.searchsorted(self.first_windows, windows, "right") - 1
        begin = self._begin[document] + (windows - self.first_windows[document]) * self.size
        last = self._last[document]
        positions = begin[:, None] + np.arange(self.size + 1)
        ids = self.ids[np.minimum(positions, last[:, None])].astype("int32")
        return ids, positions <= last[:, None], windows == self.first_windows[document]


def code_points(text: str) -> np.ndarray:
    """Returns the Unicode code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "uint32")
