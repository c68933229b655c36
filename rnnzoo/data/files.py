"""Input files: checks before they are read, and their encodings."""

import atexit
import codecs
import functools
import io
import os
import re
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

from rnnzoo.data.compression import decompress
from rnnzoo.data.file_recorder import current_recorder
from rnnzoo.errors import UserError

BUFFER_BYTES = 1 << 20  # bytes read at a time
HEAD_BYTES = 4096  # read to guess an encoding
BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is a prefix of this one
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SURROGATES = re.compile("[\ud800-\udfff]")
STDIN = "-"  # name of standard input
WIDE = ("utf-16", "utf-32")


def check_file(name: str, flag: str = "data", passes: int = 1) -> Path:
    """Checks that a file exists, is regular and not empty, and returns its path.

    Args:
        name: the name as the user gave it.
        flag: the flag that named it, for error messages.
        passes: how many times the file will be read, for the progress.

    Raises:
        UserError: there is no such file, or it cannot be read.
    """
    path = expand_path(name, flag)
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"--{flag}: there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"--{flag}: cannot read {name!r}: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(status.st_mode):
        raise UserError(f"--{flag}: {path} is a folder; name a file")
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"--{flag}: {path} is a pipe or a device, not a file; send it to standard input: --{flag}=-")
    if not status.st_size:
        raise UserError(f"--{flag}: {path} is empty")
    record_file(path, flag, passes)
    return path


def record_file(path: Path, flag: str = "data", passes: int = 1, name: str = "") -> None:
    """Records a file that a task reads, under `name` or its file name. Raises `UserError` if it cannot be read."""
    recorder = current_recorder()
    try:
        if recorder is not None:
            recorder.add(path, name or path.name, passes)
        else:
            path.open("rb").close()
    except OSError as error:
        raise UserError(f"--{flag}: cannot read {path}: {error.strerror}") from None


def expand_path(name: str, flag: str) -> Path:
    """Returns a path with `~` expanded. Raises `UserError`."""
    if not name.strip():
        raise UserError(f"--{flag} names no file")
    if name == STDIN:
        return copy_standard_input()
    try:
        return Path(name).expanduser()
    except RuntimeError:
        user = name.partition("/")[0]
        raise UserError(f"--{flag}={name}: there is no home folder {user}") from None


@functools.cache
def copy_standard_input() -> Path:
    """Copies standard input, which can be read once only, to a temporary file, and returns its path."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UserError("the data are to be read from standard input (-), and nothing is sent there")
    folder = Path(tempfile.mkdtemp(prefix="rnnzoo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with (folder / "stdin").open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, BUFFER_BYTES)
    return folder / "stdin"


def check_encoding(name: str, flag: str = "encoding") -> str:
    """Returns the normalized name of a text encoding. Raises `UserError` if it is unknown."""
    try:
        codec = codecs.lookup(name).name
        if "a\n".encode(codec).decode(codec) != "a\n":  # refuses codecs that are not text encodings, such as hex
            raise LookupError
    except (LookupError, ValueError, UnicodeError):
        raise UserError(f"--{flag}={name}: there is no such encoding; try utf-8, latin-1, utf-16, gb18030") from None
    return codec


def open_binary(path: Path) -> io.BufferedReader:
    """Opens a file for reading, decompressed if it is compressed; the bytes read count as progress."""
    return decompress(path, io.BufferedReader(_CountingFile(path), BUFFER_BYTES))


def open_text(path: Path, encoding: str, newline: str | None = None) -> io.TextIOWrapper:
    """Opens a text file for reading, without its byte-order mark.

    Raises:
        UserError: the encoding is unknown, or the file is in UTF-16 or UTF-32 and the encoding is not.
    """
    name = check_encoding(encoding)
    refuse_wide_text(path, name)
    return io.TextIOWrapper(open_binary(path), "utf-8-sig" if name == "utf-8" else name, newline=newline)


def refuse_wide_text(path: Path, encoding: str) -> None:
    """Raises `UserError` for a UTF-16 or UTF-32 file that is to be read in another encoding."""
    if encoding.replace("_", "-").startswith(WIDE):
        return
    likely = guess_encoding(path)
    if likely.startswith(WIDE):
        raise UserError(f"{path} is not {encoding.removesuffix('-sig')} text but {likely}: give --encoding={likely}")


def refuse_surrogates(text: str, where: str) -> None:
    """Raises `UserError` for unpaired surrogates, which neither UTF-8 nor a string tensor can hold."""
    if not text.isascii() and (match := SURROGATES.search(text)):
        raise UserError(
            f"{where}: U+{ord(match[0]):04X} is an unpaired surrogate; the text is damaged or --encoding is wrong"
        )


def decoding_error(path: Path, encoding: str, where: str = "") -> UserError:
    """Creates the error for bytes that are not valid in an encoding; it names the likely encoding."""
    encoding, likely = encoding.removesuffix("-sig"), guess_encoding(path)
    if likely.startswith(encoding.replace("_", "-").lower()):
        return UserError(f"{path} is damaged: not all of it is {encoding} text{where}")
    return UserError(f"{path} is not {encoding} text{where}; name its encoding, such as --encoding={likely}")


def guess_encoding(path: Path) -> str:
    """Guesses the encoding of a file from its byte-order mark, or from the positions of the high bytes of UTF-16."""
    with decompress(path, path.open("rb")) as file:
        head = file.read(HEAD_BYTES)
    for mark, name in BOMS.items():
        if head.startswith(mark):
            return name
    # the high bytes of a script's characters are nearly constant: 0 for Latin, 4 for Cyrillic ...
    even, odd = (max(head[i::2].count(value) for value in range(9)) / max(1, len(head) // 2) for i in (0, 1))
    if max(even, odd) > 0.4 and min(even, odd) < 0.1:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "latin-1"


class _CountingFile(io.FileIO):
    """A file that reports the number of bytes read to the recorder."""

    def __init__(self, path: Path):
        super().__init__(os.fspath(path), "rb")
        self._recorder = current_recorder()

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        if self._recorder is not None:
            self._recorder.advance(count)
        return count
