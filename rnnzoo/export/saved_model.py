"""Writing a SavedModel: to a temporary folder, read again in a fresh process, compared, then renamed."""

import contextlib
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import rnnzoo
from rnnzoo.errors import RunError, UserError, name_file, refuse_pattern
from rnnzoo.export import check
from rnnzoo.export.serving import Serving
from rnnzoo.export.shorten import shorten_names
from rnnzoo.export.trees import TreeServing
from rnnzoo.export.writing import WritingServing
from rnnzoo.json_files import EXPORT_CONFIG, read_json
from rnnzoo.locks import LOCK, OWNER, FolderLock, is_empty, is_locked
from rnnzoo.models import EncoderDecoder, TreeNetwork, ZooModel

OLD = "old"  # in the temporary folder: the export that is being replaced
GRAPH = "saved_model.pb"
PARTS = {LOCK, OWNER, "assets", "assets.extra", "fingerprint.pb", "variables"}  # of a SavedModel, but for its graph
OURS = {LOCK, OWNER, OLD, "saved_model", "probes.npz"}  # what a temporary folder holds
SERVING: dict[type, Any] = {EncoderDecoder: WritingServing, TreeNetwork: TreeServing, ZooModel: Serving}


class ExportError(RunError):
    """The SavedModel that was written does not answer as the model does; it was not kept."""


def export_saved_model(
    model: ZooModel, path: str | os.PathLike, *, config: dict[str, Any] | None = None, overwrite: bool = False
) -> Path:
    """Writes a model as a SavedModel that needs neither this package nor its data.

    `Serving`, `WritingServing` and `TreeServing` document the signatures.
    `assets.extra/config.json` holds the model's configuration, the vocabulary and the version of this package
    included, and what `config` adds. The SavedModel gets its name only after a fresh process without this package has
    loaded it, as Python does and as servers do, and its answers equal the model's both times. Loaded by
    `tf.saved_model.load` it has `weights`, a dictionary of variables by their path in the model.

    Raises:
        UserError: `path` holds something and `overwrite` is not set, or the model is not one of this zoo's.
        ExportError: the written SavedModel answers otherwise than the model.

    >>> import tempfile, rnnzoo
    >>> model = rnnzoo.create_model("elman", rnnzoo.create_task("adding").spec, units=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = rnnzoo.export_saved_model(model, f"{folder}/adding")
    ...     sorted(tf.saved_model.load(path).signatures)
    ['initial_state', 'padded', 'serving_default', 'step']
    """
    if not isinstance(model, ZooModel):
        raise UserError(f"export_saved_model writes models of rnnzoo.create_model, not {type(model).__name__}")
    path = Path(path)
    refuse_export(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_leftovers(path)
    with _locked_folder(path) as folder, name_file(path):
        made = folder / "saved_model"
        serving = next(kind for cls, kind in SERVING.items() if isinstance(model, cls))(model)
        # no gradients: whoever loads it runs it, and what is not there cannot keep it from loading
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(serving.to_save(), str(made), signatures=serving.functions, options=options)
        shorten_names(made)
        extra = made / "assets.extra"
        extra.mkdir()
        config = {**(config or {}), **model.get_config(), "rnnzoo": rnnzoo.__version__}
        text = json.dumps(config, indent=1, ensure_ascii=False)
        (extra / "config.json").write_text(text, encoding="utf-8")
        _verify(serving, made, folder)
        refuse_export(path, overwrite)  # another process may have written one meanwhile
        _put(made, path)
    return path


@contextlib.contextmanager
def _locked_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside an export, locked: what a killed process leaves is without a lock, and swept."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-", ignore_cleanup_errors=True) as name:
        lock = FolderLock(Path(name))
        lock.acquire()
        try:
            yield Path(name)
        finally:
            lock.release()


def sweep_leftovers(path: Path) -> None:
    """Removes temporary folders that killed exports to `path` left beside it.

    An earlier export that was moved aside when the process died, before the new one had its name, gets its name back.
    """
    for folder in sorted(path.parent.glob(f".{glob.escape(path.name)}-*")):
        temporary = re.fullmatch(rf"\.{re.escape(path.name)}-(old-)?[a-z0-9_]{{8}}", folder.name)
        if temporary is None or folder.is_symlink() or not folder.is_dir() or is_locked(folder):
            continue
        old = folder if temporary[1] else folder / OLD  # the first as versions before 0.3 had it
        moved_aside = (old / GRAPH).is_file()
        ours = moved_aside if temporary[1] else {file.name for file in folder.iterdir()} <= OURS
        if moved_aside and not (path / GRAPH).is_file():
            ours = ours and _move_back(old, path)
        if ours:
            shutil.rmtree(folder, ignore_errors=True)


def _move_back(old: Path, path: Path) -> bool:
    """Gives an export its name back, the graph last; False if something else has the name."""
    path.mkdir(exist_ok=True)  # it may be there with a lock, which stays, or half moved back
    if not {file.name for file in path.iterdir()} <= PARTS:
        return False
    files = [file for file in old.iterdir() if file.name not in (LOCK, OWNER)]
    for file in sorted(files, key=lambda file: file.name == GRAPH):
        file.rename(path / file.name)
    return True


def _put(made: Path, path: Path) -> None:
    """Gives a folder its name; what had the name goes, with the temporary folder, only when that is done."""
    old = made.with_name(OLD)
    if path.exists():
        path.rename(old)
    try:
        made.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise


def read_export_config(path: Path) -> dict[str, Any]:
    """The configuration of an export; empty if there is none, or it is not of this package."""
    try:
        return read_json(path / "assets.extra" / "config.json", EXPORT_CONFIG)
    except UserError:
        return {}


def refuse_export(path: Path, overwrite: bool) -> None:
    """Raises `UserError` for a folder that an export cannot become, or that holds something.

    A SavedModel may be there if it may be overwritten.
    """
    refuse_pattern(path)
    if Path.cwd().is_relative_to(path.resolve()):
        raise UserError(f"{path} is the folder that this runs in, or one above it; choose another for the export")
    refuse_full(path, overwrite)
    if path.is_dir() and not is_empty(path) and not (path / GRAPH).is_file():
        raise UserError(
            f"{path} holds something that is not a SavedModel; it will not be replaced, choose another name"
        )


def refuse_full(path: Path, overwrite: bool) -> None:
    """Raises `UserError` if a folder that must not be overwritten holds something."""
    if (path.exists() and not path.is_dir()) or (path.is_dir() and not is_empty(path) and not overwrite):
        raise UserError(f"{path} holds something already; choose another name or add --overwrite")


def _verify(serving: Any, made: Path, folder: Path) -> None:
    """Raises `ExportError` unless a fresh process gets the answers that the model gives in memory."""
    arrays: Any = {}
    for name, number, arguments in serving.probes():
        results = serving.functions[name](*arguments.values())
        for side, values in (("in", arguments), ("out", results)):
            arrays.update({f"{name}/{number}/{side}/{key}": _plain(value) for key, value in values.items()})
    np.savez(folder / "probes.npz", **arrays)
    command = [sys.executable, check.__file__, str(made), str(folder / "probes.npz")]
    # the same libraries, wherever they are from; no device that this process may have filled
    paths = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = done.stderr.strip().splitlines() or ["no message"]
    if done.returncode == check.DIFFERENT:
        raise ExportError(f"the exported model does not answer as the model does: {lines[-1]}")
    if done.returncode:
        raise ExportError(f"the exported model could not be checked in a fresh process: {lines[-1]}")


def _plain(value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind == "V":  # bfloat16, which NumPy's files do not know
        return array.astype("float32")
    if array.dtype == object:
        # behind each a sign of its own, as NumPy drops NULs at the end of a text
        return np.array([text.decode() + check.END for text in array.ravel()], dtype=str).reshape(array.shape)
    return array
