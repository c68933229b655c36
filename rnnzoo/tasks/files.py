"""The files that users name, checked before they are read; encodings, by their name and as they look."""

import codecs
import io
import os
import re
import stat
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.tasks.recording import current_recorder

BUFFER = 1 << 20  # bytes read at a time
SNIFFED = 4096  # bytes from which an encoding is guessed
BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before that of UTF-16, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SURROGATES = re.compile("[\ud800-\udfff]")
WIDE = ("utf-16", "utf-32")


def check_file(name: str, flag: str = "data", passes: int = 1) -> Path:
    """The path of a regular file that is not empty; it will be read `passes` times. Raises `UserError`."""
    path = expand_path(name, flag)
    try:
        mode = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"--{flag}: there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"--{flag}: cannot read {name!r}: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(mode.st_mode):
        raise UserError(f"--{flag}: {path} is a folder; name a file")
    if not stat.S_ISREG(mode.st_mode):
        raise UserError(f"--{flag}: {path} is a pipe or a device, not a file; write what it gives to a file first")
    if not mode.st_size:
        raise UserError(f"--{flag}: {path} is empty")
    record_file(path, flag, passes)
    return path


def record_file(path: Path, flag: str = "data", passes: int = 1, name: str = "") -> None:
    """Records a file that a task reads, by its name. Raises `UserError` if it cannot be read."""
    recorder = current_recorder()
    try:
        if recorder is not None:
            recorder.add(path, name or path.name, passes)
        else:
            path.open("rb").close()
    except OSError as error:
        raise UserError(f"--{flag}: cannot read {path}: {error.strerror}") from None


def expand_path(name: str, flag: str) -> Path:
    """A path as the user wrote it, with `~` expanded. Raises `UserError`."""
    if not name.strip():
        raise UserError(f"--{flag} names no file")
    try:
        return Path(name).expanduser()
    except RuntimeError:
        user = name.partition("/")[0]
        raise UserError(f"--{flag}={name}: there is no home folder {user}") from None


def check_encoding(name: str, flag: str = "encoding") -> str:
    """The normal name of a text encoding. Raises `UserError`."""
    try:
        found = codecs.lookup(name).name
        if "a\n".encode(found).decode(found) != "a\n":  # refuses codecs that are not of text, such as hex
            raise LookupError
    except (LookupError, ValueError, UnicodeError):
        raise UserError(f"--{flag}={name}: there is no such encoding; try utf-8, latin-1, utf-16, gb18030") from None
    return found


def open_binary(path: Path) -> io.BufferedReader:
    """A file opened for reading, whose bytes count as progress."""
    return io.BufferedReader(_Counted(path), BUFFER)


def open_text(path: Path, encoding: str, newline: str | None = None) -> io.TextIOWrapper:
    """A text file opened for reading; a byte-order mark at its beginning is left out.

    Raises:
        UserError: there is no such encoding, or the file is plainly of another one (every other byte is NUL).
    """
    name = check_encoding(encoding)
    refuse_wide_text(path, name)
    return io.TextIOWrapper(open_binary(path), "utf-8-sig" if name == "utf-8" else name, newline=newline)


def refuse_wide_text(path: Path, encoding: str) -> None:
    """Raises `UserError` for text of two or four bytes a character that is to be read as one of one byte."""
    if encoding.replace("_", "-").startswith(WIDE):
        return
    likely = guess_encoding(path)
    if likely.startswith(WIDE):
        raise UserError(f"{path} is not {encoding.removesuffix('-sig')} text but {likely}: give --encoding={likely}")


def refuse_surrogates(text: str, where: str) -> None:
    """Raises `UserError` for halves of characters, which no UTF-8 and no tensor can hold."""
    if not text.isascii() and (found := SURROGATES.search(text)):
        raise UserError(f"{where}: U+{ord(found[0]):04X} is half of a character; the text or --encoding is not right")


def decoding_error(path: Path, encoding: str, where: str = "") -> UserError:
    """The error for bytes that are not of an encoding; it names the likely one."""
    encoding, likely = encoding.removesuffix("-sig"), guess_encoding(path)
    if likely.startswith(encoding.replace("_", "-").lower()):
        return UserError(f"{path} is damaged: not all of it is {encoding} text{where}")
    return UserError(f"{path} is not {encoding} text{where}; name its encoding, such as --encoding={likely}")


def guess_encoding(path: Path) -> str:
    """The encoding that a file looks like: by its byte-order mark, or by where its zero bytes are."""
    with path.open("rb") as file:
        head = file.read(SNIFFED)
    for mark, name in BOMS.items():
        if head.startswith(mark):
            return name
    # the upper halves of the characters of a script are much alike: 0 for Latin, 4 for Cyrillic ...
    even, odd = (max(head[i::2].count(value) for value in range(9)) / max(1, len(head) // 2) for i in (0, 1))
    if max(even, odd) > 0.4 and min(even, odd) < 0.1:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "latin-1"


class _Counted(io.FileIO):
    """A file that tells the recorder how many bytes were read."""

    def __init__(self, path: Path):
        super().__init__(os.fspath(path), "rb")
        self._recorder = current_recorder()

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        if self._recorder is not None:
            self._recorder.advance(count)
        return count
