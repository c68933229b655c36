"""Writing a SavedModel: to a temporary folder, read again in a fresh process, compared, then renamed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import rnnzoo
from rnnzoo.errors import UserError
from rnnzoo.export import check
from rnnzoo.export.serving import Serving
from rnnzoo.export.shorten import shorten_names
from rnnzoo.export.trees import TreeServing
from rnnzoo.export.writing import WritingServing
from rnnzoo.models import EncoderDecoder, TreeNetwork, ZooModel

SERVING: dict[type, Any] = {EncoderDecoder: WritingServing, TreeNetwork: TreeServing, ZooModel: Serving}


class ExportError(RuntimeError):
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
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        made = Path(folder) / "saved_model"
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
        _verify(serving, made, Path(folder))
        _put(made, path)
    return path


def _put(made: Path, path: Path) -> None:
    """Gives a folder its name; what had the name goes only when that is done."""
    if not path.exists():
        made.rename(path)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-old-"))
    path.rename(old)
    try:
        made.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old)


def refuse_export(path: Path, overwrite: bool) -> None:
    """Raises `UserError` if a folder holds something, unless that is a SavedModel that may be overwritten."""
    refuse_full(path, overwrite)
    if path.is_dir() and any(path.iterdir()) and not (path / "saved_model.pb").is_file():
        raise UserError(
            f"{path} holds something that is not a SavedModel; it will not be replaced, choose another name"
        )


def refuse_full(path: Path, overwrite: bool) -> None:
    """Raises `UserError` if a folder that must not be overwritten holds something."""
    if path.is_file() or (path.is_dir() and any(path.iterdir()) and not overwrite):
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
