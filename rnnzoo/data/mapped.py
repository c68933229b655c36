"""Arrays in files that an `ArrayWriter` wrote, mapped into memory."""

import json
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.data.array_writer import INDEX, VERSION

BLOCK_VALUES = 1 << 20  # values of a sequence array that are read at a time
PIECE_BYTES = 1 << 16  # that the system may map for one value that is read
RELEASE_BYTES = 1 << 24  # mapped pages that are given back


class MappedArray:
    """An array in a file, mapped into memory. What was read is a copy, so that its pages can be given back."""

    def __init__(self, path: Path, dtype: str, shape: Sequence[int], count: int):
        self._map: Any = None
        self._touched = 0
        if count:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._array = np.frombuffer(self._map or b"", dtype).reshape(count, *shape)

    def __len__(self) -> int:
        return len(self._array)

    @property
    def dtype(self) -> np.dtype:
        """The type of the values."""
        return self._array.dtype

    @property
    def width(self) -> int:
        """The number of values of an entry."""
        return int(np.prod(self._array.shape[1:]))

    def __getitem__(self, key: Any) -> Any:
        values = self._array[key]
        values = values.copy() if isinstance(values, np.ndarray) else values
        pieces = len(key) if isinstance(key, np.ndarray) else 1
        self._touched += pieces * PIECE_BYTES + getattr(values, "nbytes", 0)
        if self._touched >= RELEASE_BYTES:
            self.release()
        return values

    def release(self) -> None:
        """Gives back the pages that were read: else they count as memory of the process."""
        self._touched = 0
        if self._map is not None and hasattr(self._map, "madvise"):
            self._map.madvise(mmap.MADV_DONTNEED)


class SequenceArray(Sequence):
    """Sequences of different lengths in one array: `[i]` is a sequence `[length, ...]`."""

    def __init__(self, values: MappedArray, ends: MappedArray):
        self.values, self._ends = values, ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, i: Any) -> Any:
        begin = int(self._ends[i - 1]) if i else 0
        return self.values[begin : int(self._ends[i])]

    def lengths(self) -> np.ndarray:
        """Returns the length of each sequence."""
        lengths = np.empty(len(self), "int32")
        for first in range(0, len(self), BLOCK_VALUES):
            ends = self._ends[first : first + BLOCK_VALUES]
            before = self._ends[first - 1] if first else 0
            lengths[first : first + len(ends)] = np.diff(ends, prepend=before)
        return lengths

    def blocks(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yields some sequences at a time: the number of the first, their values, and their lengths."""
        lengths, size = self.lengths(), max(1, BLOCK_VALUES // self.values.width)
        first = begin = 0
        while first < len(self):
            last = first + 1 + int(np.searchsorted(np.cumsum(lengths[first + 1 : first + size]), size))
            part = lengths[first : min(last, len(self))]
            end = begin + int(part.sum(dtype="int64"))
            yield first, self.values[begin:end], part
            first, begin = first + len(part), end


class StringArray(Sequence):
    """Strings as the sequences of their bytes."""

    def __init__(self, sequences: SequenceArray):
        self._sequences = sequences

    def __len__(self) -> int:
        return len(self._sequences)

    def __getitem__(self, i: Any) -> Any:
        return self._sequences[i].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        for _, values, lengths in self._sequences.blocks():
            data, ends = values.tobytes(), np.cumsum(lengths).tolist()
            for begin, end in zip([0, *ends], ends, strict=False):
                yield data[begin:end].decode()


class ArrayFolder:
    """The arrays that an `ArrayWriter` wrote to a folder.

    Raises:
        ValueError: the folder is not complete.
    """

    def __init__(self, folder: Path):
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            if index["version"] != VERSION:
                raise ValueError("another version")
            self.facts = index["facts"]
            self._arrays = {name: _open(folder / name, *kind) for name, kind in index["arrays"].items()}
        except (OSError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(str(error)) from None

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def array(self, name: str) -> MappedArray:
        """Returns an array of one value for each record."""
        return self._arrays[name]

    def sequences(self, name: str) -> SequenceArray:
        """Returns an array of sequences."""
        return SequenceArray(self._arrays[name], self._arrays[f"{name}.ends"])

    def strings(self, name: str) -> StringArray:
        """Returns an array of strings."""
        return StringArray(self.sequences(name))


def _open(path: Path, dtype: str, shape: list[int], count: int) -> MappedArray:
    if path.stat().st_size != count * int(np.prod(shape)) * np.dtype(dtype).itemsize:
        raise ValueError(f"{path} has another size")
    return MappedArray(path, dtype, shape, count)
