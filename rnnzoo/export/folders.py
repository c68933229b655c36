"""Folders of exports: temporary folders, leftovers of killed processes, protection of existing files."""

import contextlib
import glob
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError, refuse_glob_pattern
from rnnzoo.utils.json_files import EXPORT_CONFIG, read_json
from rnnzoo.utils.locks import LOCK, OWNER, FolderLock, is_empty, is_locked
from rnnzoo.utils.model_cards import has_card

OLD = "old"  # in the temporary folder: the replaced export
GRAPH = "saved_model.pb"
OTHER_FILES = {LOCK, OWNER, "assets", "assets.extra", "fingerprint.pb", "variables"}  # of a SavedModel
TEMPORARY_FILES = {LOCK, OWNER, OLD, "saved_model", "probes.npz"}  # in a temporary folder


@contextlib.contextmanager
def locked_folder(path: Path) -> Iterator[Path]:
    """Creates a locked temporary folder beside an export; one without a lock is a leftover of a killed process."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-", ignore_cleanup_errors=True) as name:
        lock = FolderLock(Path(name))
        lock.acquire()
        try:
            yield Path(name)
        finally:
            lock.release()


def remove_leftovers(path: Path) -> None:
    """Removes temporary folders that killed exports to `path` left beside it.

    An earlier export that was moved aside when the process was killed gets its name back.
    """
    for folder in sorted(path.parent.glob(f".{glob.escape(path.name)}-*")):
        temporary = re.fullmatch(rf"\.{re.escape(path.name)}-(old-)?[a-z0-9_]{{8}}", folder.name)
        if temporary is None or folder.is_symlink() or not folder.is_dir() or is_locked(folder):
            continue
        old = folder if temporary[1] else folder / OLD  # versions before 0.3 moved it to a folder of its own
        moved_aside = (old / GRAPH).is_file()
        ours = moved_aside if temporary[1] else {file.name for file in folder.iterdir()} <= TEMPORARY_FILES
        if moved_aside and not (path / GRAPH).is_file():
            ours = ours and _move_back(old, path)
        if ours:
            shutil.rmtree(folder, ignore_errors=True)


def _move_back(old: Path, path: Path) -> bool:
    """Moves an export back to `path`, the graph last; returns False if `path` holds other files."""
    path.mkdir(exist_ok=True)  # it may exist with a lock, or be partly moved back
    if not {file.name for file in path.iterdir()} <= OTHER_FILES:
        return False
    files = [file for file in old.iterdir() if file.name not in (LOCK, OWNER)]
    for file in sorted(files, key=lambda file: file.name == GRAPH):
        file.rename(path / file.name)
    return True


def replace_export(written: Path, path: Path) -> None:
    """Moves a written export to `path`; moves an earlier export to the temporary folder, which is removed."""
    old = written.with_name(OLD)
    if path.exists():
        path.rename(old)
    try:
        written.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise


def read_export_config(path: Path) -> dict[str, Any]:
    """Reads the configuration of an export; empty if there is none, or it is not of this package."""
    try:
        return read_json(path / "assets.extra" / "config.json", EXPORT_CONFIG)
    except UserError:
        return {}


def check_export_path(path: Path, overwrite: bool) -> None:
    """Raises `UserError` unless `path` can hold an export: a new or empty folder, or a SavedModel to overwrite."""
    refuse_glob_pattern(path)
    if Path.cwd().is_relative_to(path.resolve()):
        raise UserError(f"{path} is the current folder or a parent of it; choose another folder for the export")
    refuse_pretrained_model(path)
    refuse_non_empty(path, overwrite)
    if path.is_dir() and not is_empty(path) and not (path / GRAPH).is_file():
        raise UserError(
            f"{path} holds files that are not of a SavedModel and will not be replaced; choose another name"
        )


def refuse_pretrained_model(path: Path) -> None:
    """Raises `UserError` if a folder is a pretrained model, which has a card."""
    if has_card(path):
        raise UserError(
            f"{path} is a pretrained model, which only python -m rnnzoo.zoo replaces; name another folder with "
            "--export_dir"
        )


def refuse_non_empty(path: Path, overwrite: bool) -> None:
    """Raises `UserError` if a folder that must not be overwritten is not empty."""
    if (path.exists() and not path.is_dir()) or (path.is_dir() and not is_empty(path) and not overwrite):
        raise UserError(f"{path} exists and is not empty; choose another name or add --overwrite")
