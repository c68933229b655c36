"""The files that users name: checked before they are read, read with their progress, and summed up in one digest."""

import codecs
import contextlib
import contextvars
import dataclasses
import hashlib
import io
import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.spec import TaskSpec

CHUNK = 1 << 20  # bytes hashed at a time
LISTED = 50  # files at most that a description lists
SNIFFED = 4096  # bytes from which an encoding is guessed
BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before that of UTF-16, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SURROGATES = re.compile("[\ud800-\udfff]")
WIDE = ("utf-16", "utf-32")
Progress = Callable[[int, int, float], None]  # bytes read, bytes in all, seconds


@dataclasses.dataclass
class Recorder:
    """The files that were read since it began, and how far their reading has come."""

    progress: Progress | None = None
    files: dict[Path, dict[str, Any]] = dataclasses.field(default_factory=dict)
    done: int = 0
    total: int = 0
    started: float = dataclasses.field(default_factory=time.monotonic)

    def add(self, path: Path, name: str, passes: int) -> None:
        """Records a file that is about to be read, so many times from its beginning to its end."""
        if path.absolute() in self.files:
            return
        size = path.stat().st_size
        self.total += size * (passes + 1)
        content = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                content.update(chunk)
                self.advance(len(chunk))
        self.files[path.absolute()] = {"name": name, "size": size, "sha256": content.hexdigest()}

    def advance(self, count: int) -> None:
        """Counts bytes that were read."""
        self.done += count
        if self.progress is not None:
            self.progress(self.done, self.total, time.monotonic() - self.started)

    def describe(self, spec: TaskSpec) -> dict[str, Any]:
        """The files, one digest of all of them, and one of the symbols that were found in them."""
        files = list(self.files.values())
        symbols = [spec.vocabulary, spec.source_vocabulary, spec.characters, spec.labels]
        totals = {"count": len(files), "size": sum(file["size"] for file in files)}
        listed = files if len(files) <= LISTED else []
        return {"digest": _digest(files), "vocabulary": _digest(symbols), **totals, "files": listed}


_recorder: contextvars.ContextVar[Recorder | None] = contextvars.ContextVar("recorder", default=None)


@contextlib.contextmanager
def record(progress: Progress | None = None) -> Iterator[Recorder]:
    """Records the files that tasks read inside the `with` statement."""
    recorder = Recorder(progress)
    token = _recorder.set(recorder)
    try:
        yield recorder
    finally:
        _recorder.reset(token)


def changes(before: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs between two descriptions of data, in words; empty if nothing does."""
    if before["digest"] == now["digest"]:
        return "" if before["vocabulary"] == now["vocabulary"] else "the vocabulary is another one"
    old, new = ({file["name"]: file for file in data["files"]} for data in (before, now))
    if not (old and new):
        sizes = (f"{data['count']:,} files of {data['size']:,} bytes" for data in (before, now))
        return "there were {}, and there are {} of other contents".format(*sizes)
    found = [f"{name} is no longer read" for name in sorted(old.keys() - new.keys())]
    found += [f"{name} is new" for name in sorted(new.keys() - old.keys())]
    for name in sorted(old.keys() & new.keys()):
        if old[name]["size"] != new[name]["size"]:
            found.append(f"{name} had {old[name]['size']:,} bytes and has {new[name]['size']:,}")
        elif old[name]["sha256"] != new[name]["sha256"]:
            found.append(f"{name} has other contents of the same size")
    rest = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return (", ".join(found[:3]) or "the files are read in another order") + rest


def existing(name: str, flag: str = "data", passes: int = 1) -> Path:
    """The path of a regular file that is not empty; it will be read `passes` times. Raises `UserError`."""
    path = expand(name, flag)
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
    recorder = _recorder.get()
    try:
        if recorder is not None:
            recorder.add(path, name or path.name, passes)
        else:
            path.open("rb").close()
    except OSError as error:
        raise UserError(f"--{flag}: cannot read {path}: {error.strerror}") from None


def expand(name: str, flag: str) -> Path:
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
    return io.BufferedReader(_Counted(path), CHUNK)


def open_text(path: Path, encoding: str, newline: str | None = None) -> io.TextIOWrapper:
    """A text file opened for reading; a byte-order mark at its beginning is left out.

    Raises:
        UserError: there is no such encoding, or the file is plainly of another one (every other byte is NUL).
    """
    name = check_encoding(encoding)
    refuse_wide(path, name)
    return io.TextIOWrapper(open_binary(path), "utf-8-sig" if name == "utf-8" else name, newline=newline)


def refuse_wide(path: Path, encoding: str) -> None:
    """Raises `UserError` for text of two or four bytes a character that is to be read as one of one byte."""
    if encoding.replace("_", "-").startswith(WIDE):
        return
    likely = likely_encoding(path)
    if likely.startswith(WIDE):
        raise UserError(f"{path} is not {encoding.removesuffix('-sig')} text but {likely}: give --encoding={likely}")


def refuse_surrogates(text: str, where: str) -> None:
    """Raises `UserError` for halves of characters, which no UTF-8 and no tensor can hold."""
    if not text.isascii() and (found := SURROGATES.search(text)):
        raise UserError(f"{where}: U+{ord(found[0]):04X} is half of a character; the text or --encoding is not right")


def not_text(path: Path, encoding: str, where: str = "") -> UserError:
    """The error for bytes that are not of an encoding; it names the likely one."""
    encoding, likely = encoding.removesuffix("-sig"), likely_encoding(path)
    if likely.startswith(encoding.replace("_", "-").lower()):
        return UserError(f"{path} is damaged: not all of it is {encoding} text{where}")
    return UserError(f"{path} is not {encoding} text{where}; name its encoding, such as --encoding={likely}")


def likely_encoding(path: Path) -> str:
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
        self._recorder = _recorder.get()

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        if self._recorder is not None:
            self._recorder.advance(count)
        return count


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()
