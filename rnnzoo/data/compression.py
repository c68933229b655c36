"""Compressed input files: gzip, bzip2, xz and Zstandard, recognized by their first bytes."""

import bz2
import gzip
import importlib
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError, first_line

SUFFIXES = (".gz", ".bz2", ".xz", ".zst")


def _open_zstandard(file: Any) -> Any:
    try:
        return importlib.import_module("compression.zstd").ZstdFile(file)  # of Python 3.14
    except ImportError:
        pass
    try:
        return _ZstandardReader(file, importlib.import_module("zstandard").ZstdDecompressor())
    except ImportError:
        raise UserError("files compressed by Zstandard need zstandard: pip install 'rnnzoo[zstd]'") from None


MAGIC: dict[bytes, tuple[str, Callable[[Any], Any]]] = {  # first bytes: name, and the reader
    b"\x1f\x8b": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMAFile),
    b"\x28\xb5\x2f\xfd": ("Zstandard", _open_zstandard),
}
BZIP2_BLOCK = b"\x31\x41\x59\x26\x53\x59"  # after BZh and a digit, so that a text may begin with these letters


def decompress(path: Path, file: io.BufferedReader) -> io.BufferedReader:
    """Returns a reader of the decompressed bytes of a file; of the file itself if it is not compressed.

    Reading raises `UserError` if the file is damaged.
    """
    try:
        head = file.peek(16)
        for magic, (name, reader) in MAGIC.items():
            if head.startswith(magic) and (name != "bzip2" or head[4:10] == BZIP2_BLOCK):
                raw = _DecompressedFile(path, name, reader(file), file)
                return io.BufferedReader(raw, io.DEFAULT_BUFFER_SIZE * 16)
        if path.suffix in SUFFIXES:
            raise UserError(f"{path} is not a {path.suffix} file: it does not begin as one")
    except (OSError, UserError):
        file.close()
        raise
    return file


def plain_suffix(path: Path) -> str:
    """Returns the suffix of a file name without that of its compression: ".tsv" for "pairs.tsv.gz"."""
    return Path(path.stem).suffix if path.suffix in SUFFIXES else path.suffix


class _ZstandardReader:
    """A reader of the package zstandard's frames that, unlike its own, notices a file that was cut off."""

    def __init__(self, file: Any, decompressor: Any):
        self._file, self._decompressor = file, decompressor
        self._frame: Any = None
        self._rest, self._data = b"", b""

    def read(self, count: int) -> bytes:
        while not self._data:
            piece = self._rest or self._file.read(io.DEFAULT_BUFFER_SIZE)
            self._rest = b""
            if not piece:
                if self._frame is not None:
                    raise EOFError("it ends in the middle")
                return b""
            self._frame = self._frame or self._decompressor.decompressobj()
            self._data = self._frame.decompress(piece)
            if self._frame.eof:
                self._rest, self._frame = self._frame.unused_data, None
        data, self._data = self._data[:count], self._data[count:]
        return data


class _DecompressedFile(io.RawIOBase):
    """The decompressed bytes of a file; a damaged file is a `UserError`."""

    def __init__(self, path: Path, name: str, stream: Any, file: io.BufferedReader):
        self._path, self._name, self._stream, self._file = path, name, stream, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except UserError:
            raise
        except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
            raise UserError(f"{self._path} is a damaged {self._name} file: {first_line(error)}") from None
        except Exception as error:  # the error of the library for Zstandard
            if type(error).__name__ != "ZstdError":
                raise
            raise UserError(f"{self._path} is a damaged {self._name} file: {first_line(error)}") from None
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
