"""Recorder of the files that a task reads: progress of reading, and digests that reveal changed data."""

import contextlib
import contextvars
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rnnzoo.spec import TaskSpec

CHUNK_BYTES = 1 << 20  # hashed at a time
MAX_LISTED = 50  # files listed in a description
Progress = Callable[[int, int, float], None]  # bytes read, total bytes, seconds


@dataclasses.dataclass
class Recorder:
    """The files read since the recorder was created, and the progress of reading them."""

    progress: Progress | None = None
    files: dict[Path, dict[str, Any]] = dataclasses.field(default_factory=dict)
    bytes_read: int = 0
    total_bytes: int = 0
    started: float = dataclasses.field(default_factory=time.monotonic)

    def add(self, path: Path, name: str, passes: int) -> None:
        """Records a file that is about to be read `passes` times."""
        if path.absolute() in self.files:
            return
        size = path.stat().st_size
        self.total_bytes += size * (passes + 1)
        digest = compute_digest(path, self.advance)
        if any(file["name"] == name for file in self.files.values()):
            name = f"{path.absolute().parent.name}/{name}"  # two folders may have files of one name
        self.files[path.absolute()] = {"name": name, "size": size, "sha256": digest}

    def advance(self, count: int) -> None:
        """Adds to the number of bytes read."""
        self.bytes_read += count
        if self.progress is not None:
            self.progress(self.bytes_read, self.total_bytes, time.monotonic() - self.started)

    def describe(self, spec: TaskSpec) -> dict[str, Any]:
        """Describes the data: its files, one digest of them all, and one of the vocabularies built from them."""
        files = list(self.files.values())
        symbols = [
            spec.vocabulary,
            spec.source_vocabulary,
            spec.char_vocabulary,
            spec.labels,
            *spec.feature_vocabularies,
        ]
        totals = {"count": len(files), "size": sum(file["size"] for file in files)}
        listed = files if len(files) <= MAX_LISTED else []
        return {"digest": _digest(files), "vocabulary": _digest(symbols), **totals, "files": listed}


_recorder: contextvars.ContextVar[Recorder | None] = contextvars.ContextVar("recorder", default=None)


def current_recorder() -> Recorder | None:
    """Returns the recorder of the enclosing `record_files()`, or None."""
    return _recorder.get()


def compute_digest(path: Path, advance: Callable[[int], None] = lambda count: None) -> str:
    """Returns the digest of a file's contents; `advance` is called with the number of bytes of each piece."""
    content = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            content.update(chunk)
            advance(len(chunk))
    return content.hexdigest()


def file_digest(path: Path) -> str:
    """Returns the digest of a file's contents, which the recorder may know."""
    recorder = current_recorder()
    known = recorder.files.get(path.absolute()) if recorder is not None else None
    return known["sha256"] if known else compute_digest(path)


def skip_file(path: Path, passes: int = 1) -> None:
    """Counts a recorded file as read, because it is not read piece by piece."""
    count_as_read(passes * path.stat().st_size)


def count_as_read(count: int) -> None:
    """Adds to the number of bytes read of recorded files."""
    if (recorder := current_recorder()) is not None:
        recorder.advance(count)


@contextlib.contextmanager
def record_files(progress: Progress | None = None) -> Iterator[Recorder]:
    """Context manager that records the files read by tasks inside it."""
    recorder = Recorder(progress)
    token = _recorder.set(recorder)
    try:
        yield recorder
    finally:
        _recorder.reset(token)


def describe_changes(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Describes the differences between two descriptions of data; empty if there are none."""
    if before["digest"] == now["digest"]:
        return "" if before["vocabulary"] == now["vocabulary"] else "the vocabulary is different"
    old, new = ({file["name"]: file for file in data["files"]} for data in (before, now))
    if not (old and new):
        sizes = (f"{data['count']:,} files of {data['size']:,} bytes" for data in (before, now))
        return "it was {}, and is {} with different contents".format(*sizes)
    changes = [f"{name} is no longer read" for name in sorted(old.keys() - new.keys())]
    changes += [f"{name} is new" for name in sorted(new.keys() - old.keys())]
    for name in sorted(old.keys() & new.keys()):
        if old[name]["size"] != new[name]["size"]:
            changes.append(f"{name} had {old[name]['size']:,} bytes and has {new[name]['size']:,}")
        elif old[name]["sha256"] != new[name]["sha256"]:
            changes.append(f"{name} has different contents of the same size")
    rest = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return (", ".join(changes[:3]) or "the files are read in a different order") + rest


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()
