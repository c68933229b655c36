"""Examples in memory, or read from encoded files one at a time."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from rnnzoo.data.bucketing import Example
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.splits import Part


class StoredExamples(Sequence):
    """The examples of a split, which are read when they are needed.

    Args:
        index: the number of each example in its file.
        lengths: the length of each example.
        read: reads the example of a number.
        targets: yields the targets of the examples in the file's order, some at a time.

    Attributes:
        lengths: the length of each example.
    """

    def __init__(
        self,
        index: np.ndarray,
        lengths: np.ndarray,
        read: Callable[[int], Any],
        targets: Callable[[], Iterator[np.ndarray]] | None = None,
    ):
        self.lengths = lengths
        self._index, self._read, self._targets = index, read, targets

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, i: Any) -> Any:
        chosen = self._index[i]
        return [self._read(int(n)) for n in chosen] if isinstance(i, slice) else self._read(int(chosen))

    def targets(self) -> Iterator[np.ndarray]:
        """Yields the targets of all examples, some at a time."""
        if self._targets is not None:
            yield from self._targets()
        else:
            yield from iterate_targets(list(self))


class Reader(Protocol):
    """Reads the examples of a file."""

    def __call__(self, i: int) -> Example:
        """Returns the example of a number."""

    def targets(self, part: Part) -> Iterator[np.ndarray]:
        """Yields the targets of the examples of a split, some at a time."""


def open_examples(
    parts: Mapping[str, Part], open_file: Callable[[ArrayFolder], Reader], lengths: str
) -> dict[str, StoredExamples]:
    """Returns the examples of each split.

    Args:
        parts: the splits.
        open_file: returns the reader of a file.
        lengths: name of the sequences whose lengths are those of the examples.
    """
    readers: dict[int, Reader] = {}
    examples = {}
    for split, part in parts.items():
        if id(part.arrays) not in readers:
            readers[id(part.arrays)] = open_file(part.arrays)
        reader = readers[id(part.arrays)]
        targets = functools.partial(reader.targets, part)
        examples[split] = StoredExamples(part.index, part.lengths(lengths), reader, targets)
    return examples


def iterate_targets(examples: Sequence[Example]) -> Iterator[np.ndarray]:
    """Yields the targets of all examples, some at a time."""
    if isinstance(examples, StoredExamples):
        yield from examples.targets()
    else:
        yield np.concatenate([np.ravel(example.targets) for example in examples])
