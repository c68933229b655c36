"""Tagged sentences, encoded: the words, tags and features of each as numbers."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.bucketing import Example
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.splits import Part
from rnnzoo.data.token_ids import MAX_CHUNKS, Symbols
from rnnzoo.data.vocabulary import find_labels, map_symbols
from rnnzoo.spec import PAD, SPECIAL_TOKENS, UNKNOWN, TaskSpec

NO_BREAK_SPACE = "\u00a0"  # stands for spaces inside a word, as exports divide texts at spaces
EMPTY = -1  # the number of a cell that must not be empty


class _Cells(dict[str, int]):
    """Numbers of cells, whose spaces are normalized first unless they are characters."""

    def __init__(self, are_chars: bool, may_be_empty: bool):
        self.symbols, self._are_chars, self._may_be_empty = Symbols(), are_chars, may_be_empty

    def __missing__(self, cell: str) -> int:
        if self._are_chars:
            return self.symbols[cell]
        value = re.sub(r"\s+", NO_BREAK_SPACE, cell.strip())
        number = self[cell] = self.symbols[value] if value.strip() or self._may_be_empty else EMPTY
        return number

    def encode(self, cells: Sequence[str]) -> np.ndarray:
        if len(self) > MAX_CHUNKS:
            self.clear()
        return np.fromiter(map(self.__getitem__, cells), "int32", len(cells))


class SentenceWriter:
    """Writes sentences as the arrays `words`, `tags`, `feature_0` ..., each with its symbols.

    Args:
        writer: the arrays.
        num_features: the number of features.
        are_chars: whether words are characters, spaces included.
    """

    def __init__(self, writer: ArrayWriter, num_features: int = 0, are_chars: bool = False):
        self._writer = writer
        names = ["words", "tags", *(f"feature_{i}" for i in range(num_features))]
        self._columns = {name: _Cells(are_chars, may_be_empty=i > 1) for i, name in enumerate(names)}
        self._count = self._words = self._end = 0

    def extend(self, cells: Sequence[Sequence[str]], ends: np.ndarray) -> bool:
        """Adds words.

        Args:
            cells: the values of each column at each word.
            ends: after how many of these words a sentence ends; one of no words is no sentence.

        Returns:
            Whether all words and tags are there; if not, nothing is written.
        """
        encoded = [column.encode(values) for column, values in zip(self._columns.values(), cells, strict=True)]
        if any((numbers == EMPTY).any() for numbers in encoded):
            return False
        for name, numbers in zip(self._columns, encoded, strict=True):
            self._writer.extend(name, numbers)
        self._write_ends(self._words + ends.astype("int64"))
        self._words += len(encoded[0])
        return True

    def _write_ends(self, ends: np.ndarray) -> None:
        ends = ends[np.diff(ends, prepend=self._end) > 0]
        for name in self._columns:
            self._writer.extend(f"{name}.ends", ends)
        self._count += len(ends)
        self._end = int(ends[-1]) if len(ends) else self._end

    def close(self) -> dict[str, Any]:
        """Ends the last sentence, writes the symbols, and returns the facts about the arrays."""
        self._write_ends(np.array([self._words], "int64"))
        for name, column in self._columns.items():
            self._writer.extend_strings(f"{name}.symbols", column.symbols)
        return {"count": self._count}


class SentenceReader:
    """The sentences of a file as examples.

    Args:
        arrays: the arrays of a `SentenceWriter`.
        spec: the specification.
    """

    def __init__(self, arrays: ArrayFolder, spec: TaskSpec):
        features = [f"feature_{i}" for i in range(len(spec.feature_vocabularies))]
        tables = zip(("words", *features), (spec.vocabulary, *spec.feature_vocabularies), strict=True)
        self._columns = [
            (arrays.sequences(name), map_symbols(arrays.strings(f"{name}.symbols"), table)) for name, table in tables
        ]
        self._tags = arrays.sequences("tags")
        self._labels = find_labels(arrays.strings("tags.symbols"), spec)
        self._letters = spell(arrays.strings("words.symbols"), spec) if spec.word_length else None

    def __call__(self, i: int) -> Example:
        """Returns ids of words `[time]`, or with the ids of features and characters `[time, columns]`, and labels."""
        numbers = [sequences[i] for sequences, _ in self._columns]
        columns = [table(part) for part, (_, table) in zip(numbers, self._columns, strict=True)]
        targets = self._labels[self._tags[i]]
        if len(columns) == 1 and self._letters is None:
            return Example(columns[0], targets)
        letters = [] if self._letters is None else [self._letters[numbers[0]].astype("int32")]
        return Example(np.concatenate([np.stack(columns, 1), *letters], 1), targets)

    def targets(self, part: Part) -> Iterator[np.ndarray]:
        """Yields the labels of the sentences of a split, some at a time."""
        return (self._labels[tags] for (tags,) in part.blocks("tags"))


def spell(words: Sequence[str], spec: TaskSpec) -> np.ndarray:
    """Returns the ids of the characters of words, `[words, word_length]`."""
    chars = {c: i for i, c in enumerate(spec.char_vocabulary) if i >= len(SPECIAL_TOKENS)}
    ids = np.full((len(words), spec.word_length), PAD, np.min_scalar_type(len(spec.char_vocabulary)))
    for row, word in zip(ids, words, strict=True):
        row[: len(word)] = [chars.get(c, UNKNOWN) for c in word[: spec.word_length]]
    return ids
