"""Arrays that are written to files piece by piece."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

INDEX = "arrays.json"
VERSION = 1  # of the format
COPIED_VALUES = 1 << 20  # copied at a time


class ArrayWriter:
    """Writes arrays to the files of a folder, piece by piece.

    An array of sequences is two files: its values, and at `NAME.ends` where each sequence ends.

    Attributes:
        folder: the folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._files: dict[str, Any] = {}
        self._kinds: dict[str, tuple[str, list[int]]] = {}
        self._totals: dict[str, int] = {}

    def extend(self, name: str, values: np.ndarray) -> None:
        """Appends values, `[n, ...]`; later pieces have the type and shape of the first."""
        if name not in self._files:
            self._files[name] = (self.folder / name).open("wb")
            self._kinds[name] = values.dtype.str, list(values.shape[1:])
        dtype, _ = self._kinds[name]
        self._files[name].write(np.ascontiguousarray(values, dtype).data)
        self._totals[name] = self._totals.get(name, 0) + len(values)

    def extend_numbers(self, name: str, numbers: np.ndarray) -> None:
        """Appends whole numbers of at least 0; the type of the array is the narrowest that holds them all."""
        dtype = np.min_scalar_type(int(numbers.max(initial=0)))
        if name in self._kinds and dtype.itemsize > np.dtype(self._kinds[name][0]).itemsize:
            self._widen(name, dtype)
        self.extend(name, numbers.astype(dtype))

    def _widen(self, name: str, dtype: np.dtype) -> None:
        """Writes an array anew in a wider type."""
        self._files[name].close()
        path, wide = self.folder / name, self.folder / f"{name}.wide"
        narrow, shape = self._kinds[name]
        with path.open("rb") as source, wide.open("wb") as target:
            while data := source.read(COPIED_VALUES * np.dtype(narrow).itemsize):
                target.write(np.frombuffer(data, narrow).astype(dtype).data)
        wide.replace(path)
        self._files[name], self._kinds[name] = path.open("ab"), (dtype.str, shape)

    def extend_sequences(self, name: str, values: np.ndarray, lengths: np.ndarray) -> None:
        """Appends sequences: their values one after another, and their lengths."""
        ends = self._totals.get(name, 0) + np.cumsum(lengths, dtype="int64")
        self.extend(name, values)
        self.extend(f"{name}.ends", ends)

    def extend_strings(self, name: str, strings: Iterable[str]) -> None:
        """Appends strings, as the sequences of their bytes."""
        encoded = [string.encode() for string in strings]
        lengths = np.fromiter(map(len, encoded), "int64", len(encoded))
        self.extend_sequences(name, np.frombuffer(b"".join(encoded), "uint8"), lengths)

    def clear(self) -> None:
        """Removes what was written."""
        for name, file in self._files.items():
            file.close()
            (self.folder / name).unlink()
        self._files, self._kinds, self._totals = {}, {}, {}

    def close(self, **facts: Any) -> None:
        """Closes the files, and writes the index that `ArrayFolder` reads, with facts about the arrays."""
        for file in self._files.values():
            file.close()
        arrays = {name: [*kind, self._totals[name]] for name, kind in self._kinds.items()}
        text = json.dumps({"version": VERSION, "arrays": arrays, "facts": facts})
        (self.folder / INDEX).write_text(text, encoding="utf-8")
