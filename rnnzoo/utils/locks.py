"""Locks on folders: one process at a time writes to a run or to an export."""

import json
import os
import socket
import time
import uuid
from pathlib import Path

import filelock

from rnnzoo.errors import UserError, name_file_in_errors
from rnnzoo.utils.json_files import read_json

LOCK, OWNER = ".lock", ".lock.owner"  # the locked file, and the process that holds the lock
OWNER_SCHEMA = {"pid": int, "host": str, "token?": str}


class FolderLock:
    """A lock on an existing folder, held from `acquire` to `release` or to the end of the process, however it ends.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lock = FolderLock(Path(folder))
    ...     lock.acquire()
    ...     lock.release()
    ...     is_empty(Path(folder))
    True
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._token = uuid.uuid4().hex
        self._lock = filelock.FileLock(folder / LOCK, timeout=0, thread_local=False)

    def acquire(self) -> None:
        """Acquires the lock. Raises `UserError`, which names the process that holds it."""
        with name_file_in_errors(self.folder):
            try:
                self._lock.acquire()
            except filelock.Timeout:
                raise UserError(
                    f"{self.folder} is in use by {_owner(self.folder)}; wait until it ends, or choose another folder"
                ) from None
            try:
                (self.folder / OWNER).unlink(missing_ok=True)  # a symbolic link itself, not its target
                with (self.folder / OWNER).open("x", encoding="utf-8") as file:
                    file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "token": self._token}))
            except OSError:
                self._lock.release()
                raise

    def release(self) -> None:
        """Releases the lock and removes its files, but not those of another lock in a folder that was replaced."""
        if not self._lock.is_locked:
            return
        try:
            own = read_json(self.folder / OWNER, OWNER_SCHEMA).get("token") == self._token
        except UserError:
            own = False
        for name in (OWNER, LOCK) if own else ():
            (self.folder / name).unlink(missing_ok=True)
        self._lock.release()


def is_locked(folder: Path) -> bool:
    """Returns whether a process holds the lock of a folder."""
    if not (folder / LOCK).exists():
        return False
    lock = FolderLock(folder)
    try:
        lock.acquire()
    except UserError:
        return True
    lock.release()
    return False


def is_empty(folder: Path) -> bool:
    """Returns whether a folder holds nothing but the files of its lock."""
    return all(path.name in (LOCK, OWNER) for path in folder.iterdir())


def _owner(folder: Path) -> str:
    for _ in range(10):  # the owner file is written just after the lock is acquired
        try:
            owner = read_json(folder / OWNER, OWNER_SCHEMA)
            return f"process {owner['pid']} on {owner['host']}"
        except UserError:
            time.sleep(0.05)
    return "another process"
