"""Writing of a SavedModel: to a temporary folder, checked in a fresh process, then renamed."""

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
from rnnzoo.export.compact import shorten_names
from rnnzoo.export.seq2seq_serving import Seq2SeqServing
from rnnzoo.export.sequence_serving import SequenceServing
from rnnzoo.export.tree_serving import TreeServing
from rnnzoo.models import EncoderDecoder, TreeNetwork, ZooModel
from rnnzoo.utils.json_files import EXPORT_CONFIG, read_json
from rnnzoo.utils.locks import LOCK, OWNER, FolderLock, is_empty, is_locked

OLD = "old"  # in the temporary folder: the replaced export
GRAPH = "saved_model.pb"
OTHER_FILES = {
    LOCK,
    OWNER,
    "assets",
    "assets.extra",
    "fingerprint.pb",
    "variables",
}  # of a SavedModel, besides its graph
TEMPORARY_FILES = {LOCK, OWNER, OLD, "saved_model", "probes.npz"}  # in a temporary folder
SERVING: dict[type, Any] = {EncoderDecoder: Seq2SeqServing, TreeNetwork: TreeServing, ZooModel: SequenceServing}


class ExportError(RunError):
    """The written SavedModel does not answer as the model does; it was not kept."""


def export_saved_model(
    model: ZooModel, path: str | os.PathLike, *, config: dict[str, Any] | None = None, overwrite: bool = False
) -> Path:
    """Exports a model as a SavedModel that needs neither this package nor its data.

    The signatures are documented by `SequenceServing`, `Seq2SeqServing` and `TreeServing`.
    `assets.extra/config.json` holds the configuration of the model with its vocabulary, the version of this package,
    and `config`. The SavedModel gets its name only after a fresh process without this package has loaded it, as
    Python and as servers do, and has given the same answers as the model. Loaded by `tf.saved_model.load` it has
    `weights`, a dictionary of variables by their path.

    Args:
        model: a model of `rnnzoo.create_model`.
        path: the folder of the SavedModel.
        config: further entries of `config.json`.
        overwrite: whether a SavedModel at `path` is replaced.

    Returns:
        The path.

    Raises:
        UserError: `path` is not empty and `overwrite` is not set, or the model is not one of this package.
        ExportError: the written SavedModel gives other answers than the model.

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
        written = folder / "saved_model"
        serving = next(kind for cls, kind in SERVING.items() if isinstance(model, cls))(model)
        # without gradients, which are not needed and could prevent loading
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(serving.saved_object(), str(written), signatures=serving.functions, options=options)
        shorten_names(written)
        extra = written / "assets.extra"
        extra.mkdir()
        config = {**(config or {}), **model.get_config(), "rnnzoo": rnnzoo.__version__}
        text = json.dumps(config, indent=1, ensure_ascii=False)
        (extra / "config.json").write_text(text, encoding="utf-8")
        _verify(serving, written, folder)
        refuse_export(path, overwrite)  # another process may have written one meanwhile
        _replace(written, path)
    return path


@contextlib.contextmanager
def _locked_folder(path: Path) -> Iterator[Path]:
    """Creates a locked temporary folder beside an export; without its lock, it is a leftover and swept."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-", ignore_cleanup_errors=True) as name:
        lock = FolderLock(Path(name))
        lock.acquire()
        try:
            yield Path(name)
        finally:
            lock.release()


def sweep_leftovers(path: Path) -> None:
    """Removes temporary folders that killed exports to `path` left beside it.

    An earlier export that was moved aside when the process was killed gets its name back.
    """
    for folder in sorted(path.parent.glob(f".{glob.escape(path.name)}-*")):
        temporary = re.fullmatch(rf"\.{re.escape(path.name)}-(old-)?[a-z0-9_]{{8}}", folder.name)
        if temporary is None or folder.is_symlink() or not folder.is_dir() or is_locked(folder):
            continue
        old = folder if temporary[1] else folder / OLD  # the former by versions before 0.3
        moved_aside = (old / GRAPH).is_file()
        ours = moved_aside if temporary[1] else {file.name for file in folder.iterdir()} <= TEMPORARY_FILES
        if moved_aside and not (path / GRAPH).is_file():
            ours = ours and _move_back(old, path)
        if ours:
            shutil.rmtree(folder, ignore_errors=True)


def _move_back(old: Path, path: Path) -> bool:
    """Gives an export its name back, the graph last; returns False if something else has the name."""
    path.mkdir(exist_ok=True)  # it may exist with a lock, or be partly moved back
    if not {file.name for file in path.iterdir()} <= OTHER_FILES:
        return False
    files = [file for file in old.iterdir() if file.name not in (LOCK, OWNER)]
    for file in sorted(files, key=lambda file: file.name == GRAPH):
        file.rename(path / file.name)
    return True


def _replace(written: Path, path: Path) -> None:
    """Gives a folder its name; an earlier export of that name is removed afterwards."""
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


def refuse_export(path: Path, overwrite: bool) -> None:
    """Raises `UserError` for a folder that an export cannot have, or that is not empty.

    A SavedModel may be in it if it may be overwritten.
    """
    refuse_pattern(path)
    if Path.cwd().is_relative_to(path.resolve()):
        raise UserError(f"{path} is the folder that this runs in, or one above it; choose another for the export")
    refuse_non_empty(path, overwrite)
    if path.is_dir() and not is_empty(path) and not (path / GRAPH).is_file():
        raise UserError(
            f"{path} holds something that is not a SavedModel; it will not be replaced, choose another name"
        )


def refuse_non_empty(path: Path, overwrite: bool) -> None:
    """Raises `UserError` if a folder that must not be overwritten is not empty."""
    if (path.exists() and not path.is_dir()) or (path.is_dir() and not is_empty(path) and not overwrite):
        raise UserError(f"{path} holds something already; choose another name or add --overwrite")


def _verify(serving: Any, written: Path, folder: Path) -> None:
    """Raises `ExportError` unless a fresh process gets the same answers as the model in memory."""
    arrays: Any = {}
    for name, number, arguments in serving.probes():
        results = serving.functions[name](*arguments.values())
        for side, values in (("in", arguments), ("out", results)):
            arrays.update({f"{name}/{number}/{side}/{key}": _to_numpy(value) for key, value in values.items()})
    np.savez(folder / "probes.npz", **arrays)
    command = [sys.executable, check.__file__, str(written), str(folder / "probes.npz")]
    # the same libraries, and no device whose memory this process may have filled
    paths = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = done.stderr.strip().splitlines() or ["no message"]
    if done.returncode == check.DIFFERENT:
        raise ExportError(f"the exported model does not answer as the model does: {lines[-1]}")
    if done.returncode:
        raise ExportError(f"the exported model could not be checked in a fresh process: {lines[-1]}")


def _to_numpy(value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind == "V":  # bfloat16, which NumPy files do not support
        return array.astype("float32")
    if array.dtype == object:
        # with an end mark, as NumPy drops NULs at the end of a text
        return np.array([text.decode() + check.END for text in array.ravel()], dtype=str).reshape(array.shape)
    return array
