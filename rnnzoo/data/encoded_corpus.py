"""Corpora as numbers of tokens in memory-mapped arrays."""

import collections
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.cache import encode_files, write_arrays
from rnnzoo.data.corpus import PASSES, Splits
from rnnzoo.data.documents import Document, read_documents
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.token_ids import Symbols, TokenEncoder
from rnnzoo.data.vocabulary import map_symbols
from rnnzoo.spec import BOS

TokenCounts = collections.Counter[str]
BEGIN = " begin "  # symbol 0: the begin of a document, which is no character and no word of a text
COUNTED_VALUES = 1 << 22  # counted at a time


def encode_documents(documents: Splits, level: str) -> ArrayFolder:
    """Returns the tokens of documents as numbers, in temporary files.

    Args:
        documents: the documents of each split.
        level: the kind of tokens: char or word.
    """
    return write_arrays(functools.partial(_write, documents, level))


def encode_texts(
    paths: Sequence[Path], split: Callable[[], Splits], key: Any, level: str, cache_dir: str | None
) -> tuple[ArrayFolder, Splits]:
    """Returns the tokens of files as numbers, from the cache folder if they are there, and the documents.

    Args:
        paths: the files.
        split: returns the documents of each split.
        key: what the documents depend on besides the files, as JSON.
        level: the kind of tokens: char or word.
        cache_dir: the cache folder.
    """

    def write(writer: ArrayWriter) -> dict[str, Any]:
        documents = split()
        numbers = {path: i for i, path in enumerate(paths)}
        spans = {s: [[numbers[d.path], d.encoding, d.begin, d.end] for d in documents[s]] for s in SPLITS}
        return {**_write(documents, level, writer, paths), "documents": spans}

    arrays = encode_files(paths, ["text", level, key], write, cache_dir, PASSES)
    spans = arrays.facts["documents"]
    return arrays, {s: [Document(paths[i], *rest) for i, *rest in spans[s]] for s in SPLITS}


def _write(documents: Splits, level: str, writer: ArrayWriter, paths: Sequence[Path] = ()) -> dict[str, Any]:
    """Writes the numbers of the tokens of each split, their occurrences, and the lengths of documents."""
    symbols = Symbols({BEGIN: 0})
    encoder = TokenEncoder(level, symbols)
    splits = [s for s in SPLITS if s == SPLITS[0] or documents[s] is not documents[SPLITS[0]]]
    counts = {split: _Counts() for split in splits}
    for split in splits:
        writer.extend(f"{split}.lengths", np.zeros(0, "int64"))
    for split, pieces in _read_in_order(documents, splits, paths):
        writer.extend_numbers(split, np.zeros(1, "uint8"))
        length = 0
        for text in _cut_between_words(pieces) if level == "word" else pieces:
            numbers, _ = encoder.encode([text])
            writer.extend_numbers(split, numbers)
            counts[split].add(numbers)
            length += len(numbers)
        writer.extend(f"{split}.lengths", np.array([length], "int64"))
    for split in splits:
        writer.extend(f"{split}.counts", counts[split].total(len(symbols)))
    writer.extend_strings("symbols", symbols)
    return {"whole": len(splits) == 1}


def _read_in_order(
    documents: Splits, splits: Sequence[str], paths: Sequence[Path]
) -> Iterator[tuple[str, Iterator[str]]]:
    """Yields the split of each document, and the pieces of its text. Files are read once, in the order of `paths`."""
    by_path: dict[Path, list[tuple[str, Document]]] = {path: [] for path in paths}
    for split in splits:
        for document in documents[split]:
            by_path.setdefault(document.path, []).append((split, document))
    for parts in filter(None, by_path.values()):
        pieces = read_documents([document for _, document in parts])
        for number, group in itertools.groupby(pieces, lambda piece: piece[0]):
            yield parts[number][0], (piece for _, piece in group)


def _cut_between_words(pieces: Iterable[str]) -> Iterator[str]:
    rest = ""
    for piece in pieces:
        text = rest + piece
        end = max(text.rfind(" "), text.rfind("\n")) + 1  # the last word may continue in the next piece
        rest = text[end:]
        yield text[:end]
    yield rest


class _Counts:
    """Occurrences of numbers."""

    def __init__(self) -> None:
        self._total, self._pending, self._size = np.zeros(0, "int64"), list[np.ndarray](), 0

    def add(self, numbers: np.ndarray) -> None:
        self._pending.append(numbers)
        self._size += len(numbers)
        if self._size >= COUNTED_VALUES:
            self._total, self._pending, self._size = self.total(len(self._total)), [], 0

    def total(self, size: int) -> np.ndarray:
        """Returns the occurrences of each number, at least those below `size`."""
        part = np.bincount(np.concatenate([np.zeros(0, "int32"), *self._pending]), minlength=size)
        part[: len(self._total)] += self._total
        return part


class EncodedCorpus:
    """The documents of a split as ids; each document begins with BOS.

    Documents are cut into windows of `size` inputs, numbered through all documents; no window crosses the end of a
    document.

    Args:
        arrays: what `encode_documents` or `encode_texts` returned.
        split: the split.
        vocabulary: the tokens; others are UNKNOWN.
        size: inputs of a window.

    Attributes:
        counts: occurrences of each id.
        num_windows: number of windows.
        first_windows: number of the first window of each document, followed by `num_windows`.
    """

    def __init__(self, arrays: ArrayFolder, split: str, vocabulary: tuple[str, ...], size: int):
        name = SPLITS[0] if arrays.facts["whole"] else split
        self.size = size
        symbol_counts = arrays.array(f"{name}.counts")[:]
        self._ids = map_symbols(arrays.strings("symbols"), vocabulary)(np.arange(len(symbol_counts)))
        self.counts = np.bincount(self._ids, symbol_counts, len(vocabulary)).astype("int64")
        self._ids[0] = BOS
        lengths = arrays.array(f"{name}.lengths")[:]
        self._numbers = arrays.array(name) if len(lengths) else np.zeros(0, "uint8")
        self._last = np.cumsum(lengths + 1) - 1
        self._begin = self._last - lengths
        self.first_windows = np.concatenate([[0], np.cumsum(-(-lengths // size))])
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
        ids = self._ids[self._numbers[np.minimum(positions, last[:, None])]]
        return ids, positions <= last[:, None], windows == self.first_windows[document]


def count_tokens(arrays: ArrayFolder, split: str) -> TokenCounts:
    """Returns the occurrences of each token of a split."""
    counts = arrays.array(f"{SPLITS[0] if arrays.facts['whole'] else split}.counts")[:].tolist()
    return collections.Counter({s: n for s, n in zip(arrays.strings("symbols"), counts, strict=True) if n})
