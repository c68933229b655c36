"""The cache folder: files of data as arrays, encoded once and used again by later runs."""

import contextlib
import errno
import gc
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.file_recorder import file_digest, skip_file
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.errors import UserError

CACHE_HELP = "folder for encoded copies of large files, deleted when unused for 30 days; default: ~/.cache/rnnzoo"
MIN_BYTES = 32 << 20  # of a file that is kept; smaller ones are encoded for each run
MAX_AGE, MAX_AGE_UNFINISHED = 30 * 86400, 86400  # seconds
VERSION = 1  # of what the readers write
UNFINISHED = "writing-"  # prefix of folders that are being written
Write = Callable[[ArrayWriter], dict[str, Any]]  # writes arrays, and returns facts about them


def write_arrays(write: Write) -> ArrayFolder:
    """Writes arrays to temporary files, which go when they are no longer used. Raises `UserError`."""
    with tempfile.TemporaryDirectory(prefix="rnnzoo-", ignore_cleanup_errors=True) as folder:
        return _write(Path(folder), write)


def encode_file(path: Path, key: Any, write: Write, cache_dir: str | None = None) -> ArrayFolder:
    """Returns the arrays of a file; see `encode_files`."""
    return encode_files([path], key, write, cache_dir)


def encode_files(
    paths: Sequence[Path], key: Any, write: Write, cache_dir: str | None = None, passes: int = 1
) -> ArrayFolder:
    """Returns the arrays of files: those in the cache folder, or else those that `write` makes now.

    Args:
        paths: the files; the cache knows them by the digests of their contents.
        key: what else the arrays depend on, as JSON.
        write: writes the arrays.
        cache_dir: the cache folder; default: that of the user, for files that take time.
        passes: how many times `write` reads each file, for the progress.

    Raises:
        UserError: the file cannot be read, or there is no room in the folder.
    """
    if cache_dir is None and sum(path.stat().st_size for path in paths) < MIN_BYTES:
        return write_arrays(write)
    root = _prepare(cache_dir)
    if root is None:
        return write_arrays(write)
    name = hashlib.sha256(json.dumps([VERSION, *map(file_digest, paths), key]).encode()).hexdigest()[:32]
    with contextlib.suppress(ValueError):
        arrays = ArrayFolder(root / name)
        with contextlib.suppress(OSError):  # the folder may be another user's
            os.utime(root / name)
        for path in paths:
            skip_file(path, passes)
        return arrays
    return _add(root, name, write)


def default_cache_dir() -> Path:
    """Returns the cache folder of the user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rnnzoo"


def _prepare(cache_dir: str | None) -> Path | None:
    """Creates and sweeps the cache folder; None if the default one cannot be written. Raises `UserError`."""
    try:
        root = default_cache_dir() if cache_dir is None else Path(cache_dir).expanduser()
        root.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, RuntimeError, ValueError) as error:
        if cache_dir is None:
            return None
        raise UserError(f"--cache_dir={cache_dir}: {getattr(error, 'strerror', None) or error}") from None
    for folder in _entries(root):
        with contextlib.suppress(OSError):
            limit = MAX_AGE_UNFINISHED if folder.name.startswith(UNFINISHED) else MAX_AGE
            if time.time() - folder.stat().st_mtime > limit:
                shutil.rmtree(folder, ignore_errors=True)
    return root


def _entries(root: Path) -> Iterator[Path]:
    """Yields the folders that this module made."""
    for folder in root.iterdir():
        is_entry = len(folder.name) == 32 and not set(folder.name) - set("0123456789abcdef")
        if (is_entry or folder.name.startswith(UNFINISHED)) and folder.is_dir() and not folder.is_symlink():
            yield folder


def _add(root: Path, name: str, write: Write) -> ArrayFolder:
    """Writes the arrays under another name first, so that a run that is killed leaves nothing half done."""
    folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=root))
    try:
        arrays = _write(folder, write)
        try:
            ArrayFolder(root / name)  # another run was faster: its arrays are the same
        except ValueError:
            shutil.rmtree(root / name, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.rename(root / name)
        return arrays
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, write: Write) -> ArrayFolder:
    try:
        writer = ArrayWriter(folder)
        with _collection_paused():
            facts = write(writer)
        writer.close(**facts)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write the encoded data to {folder.parent}: {reason}; give --cache_dir") from None
    return ArrayFolder(folder)


@contextlib.contextmanager
def _collection_paused() -> Iterator[None]:
    """Pauses the collection of cyclic garbage, of which readers make none: it takes most of the time of many lists."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
