"""Text as units, characters or words: counted for a vocabulary, and as ids that a file holds, not the memory."""

import collections
import re
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np

from rnnzoo.spec import BOUNDARY, SPECIAL, UNKNOWN
from rnnzoo.tasks.corpus import Document

Counts = collections.Counter[str]


class Characters:
    """Every code point is a unit."""

    def count(self, documents: Iterable[Document]) -> Counts:
        """How often each character occurs."""
        total = np.zeros(0x110000, "int64")
        for document in documents:
            for piece in document.pieces():
                total += np.bincount(_points(piece), minlength=len(total))
        return collections.Counter({chr(point): int(total[point]) for point in np.flatnonzero(total)})

    def ids(self, document: Document, symbols: tuple[str, ...]) -> Iterator[np.ndarray]:
        """Ids of a document, a piece at a time."""
        table = np.full(0x110000, UNKNOWN, "int32")
        table[[ord(symbol) for symbol in symbols[len(SPECIAL) :]]] = np.arange(len(SPECIAL), len(symbols))
        return (table[_points(piece)] for piece in document.pieces())


class Words:
    """What spaces separate, and each newline, is a unit."""

    def count(self, documents: Iterable[Document]) -> Counts:
        """How often each word occurs."""
        total: Counts = collections.Counter()
        for document in documents:
            for words in self._split(document):
                total.update(words)
        return total

    def ids(self, document: Document, symbols: tuple[str, ...]) -> Iterator[np.ndarray]:
        """Ids of a document, a piece at a time."""
        table = {symbol: i for i, symbol in enumerate(symbols) if i >= len(SPECIAL)}
        return (np.array([table.get(w, UNKNOWN) for w in words], "int32") for words in self._split(document))

    def _split(self, document: Document) -> Iterator[list[str]]:
        held = ""
        for piece in document.pieces():
            text = held + piece
            cut = max(text.rfind(" "), text.rfind("\n")) + 1  # the last word may go on in the next piece
            held = text[cut:]
            yield split_words(text[:cut])
        yield split_words(held)


def split_words(text: str) -> list[str]:
    """Words and newlines; the same rule as in an exported graph."""
    return [word for word in re.sub(r"[ \t\r\f\v]+", " ", text).replace("\n", " \n ").split(" ") if word]


SIGN = "[^A-Za-z0-9_ \t\n\r\f\v\u0080-\U0010ffff]"  # neither of a word nor space


def split_tokens(text: str) -> list[str]:
    """Words (letters, digits, underscores, all that is not ASCII) and single signs; as in an exported graph."""
    return [token for token in re.split("[ \t\n\r\f\v]+", re.sub(f"({SIGN})", r" \1 ", text)) if token]


class Encoded:
    """The documents of a split as ids in a temporary file that goes with the process; a boundary begins each.

    `cut` gives windows of `size` inputs each, numbered through all documents, none across a document's end; `first` are
    the numbers of those with which documents begin, and that of all windows.
    """

    def __init__(self, documents: list[Document], units: Characters | Words, symbols: tuple[str, ...], size: int):
        width = np.min_scalar_type(len(symbols))
        self.counts = np.zeros(len(symbols), "int64")
        self.size = size
        lengths = []
        with tempfile.TemporaryFile() as file:
            for document in documents:
                np.array([BOUNDARY], width).tofile(file)
                length = 0
                for ids in units.ids(document, symbols):
                    ids.astype(width).tofile(file)
                    self.counts += np.bincount(ids, minlength=len(symbols))
                    length += len(ids)
                lengths.append(length)
            file.flush()
            self.ids = np.memmap(file, width, "r")
        units_of = np.array(lengths, "int64")
        self._last = np.cumsum(units_of + 1) - 1
        self._begin = self._last - units_of
        self.first = np.concatenate([[0], np.cumsum(-(-units_of // size))])
        self.windows = int(self.first[-1])

    def cut(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`(ids [n, size + 1], which of them are there, which windows begin a document)`."""
        document = np.searchsorted(self.first, windows, "right") - 1
        begin = self._begin[document] + (windows - self.first[document]) * self.size
        last = self._last[document]
        at = begin[:, None] + np.arange(self.size + 1)
        ids = self.ids[np.minimum(at, last[:, None])].astype("int32")
        return ids, at <= last[:, None], windows == self.first[document]


def _points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "uint32")
