"""Arrays in `.npz` files, read many rows at a time."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rnnzoo.data.file_recorder import count_as_read
from rnnzoo.errors import UserError

BLOCK_BYTES = 1 << 22  # that are read at a time


def open_array(path: Path, name: str) -> tuple[tuple[int, ...], Iterator[np.ndarray]]:
    """Returns the shape of an array in an `.npz` file, and its rows, many at a time.

    Reading the rows raises `UserError` if the file is damaged.

    Raises:
        Exception: the file holds no such array of numbers.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read_header(file)
        start, size = file.tell(), archive.getinfo(f"{name}.npy").file_size
    if dtype.kind not in "fiub":
        raise ValueError(f"{name} is of type {dtype}, not numeric")
    if is_fortran or not shape:
        with np.load(path, allow_pickle=False) as stored:
            count_as_read(archive.getinfo(f"{name}.npy").compress_size)
            return shape, iter([stored[name]])
    row_bytes = math.prod(shape[1:]) * dtype.itemsize
    if size - start < shape[0] * row_bytes:
        raise ValueError(f"{name}.npy is shorter than its shape {shape}")
    return shape, _read_rows(path, name, shape, dtype, start)


def _read_rows(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype, start: int) -> Iterator[np.ndarray]:
    row_bytes = math.prod(shape[1:]) * dtype.itemsize
    rows = max(1, BLOCK_BYTES // max(1, row_bytes))
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            file.read(start)  # the header
            stored = archive.getinfo(f"{name}.npy").compress_size
            for first in range(0, shape[0], rows):
                count = min(rows, shape[0] - first)
                data = file.read(count * row_bytes)
                count_as_read(stored * (first + count) // shape[0] - stored * first // shape[0])
                yield np.frombuffer(data, dtype).reshape(count, *shape[1:])
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged: {str(error)[:200]}") from None
