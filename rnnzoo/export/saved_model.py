"""Export to a SavedModel, which is written to a temporary folder, checked in a fresh process, then renamed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import rnnzoo
from rnnzoo.errors import RunError, UserError, name_file_in_errors
from rnnzoo.export import check
from rnnzoo.export.compact import shorten_names
from rnnzoo.export.folders import check_export_path, locked_folder, remove_leftovers, replace_export
from rnnzoo.export.language_model_serving import LanguageModelServing
from rnnzoo.export.seq2seq_serving import Seq2SeqServing
from rnnzoo.export.sequence_serving import SequenceServing
from rnnzoo.export.signatures import ServedModel
from rnnzoo.export.tree_serving import TreeServing
from rnnzoo.models import EncoderDecoder, TreeNetwork, ZooModel


class ExportError(RunError):
    """The written SavedModel gives other results than the model in memory; it was discarded."""


def export_saved_model(
    model: ZooModel, path: str | os.PathLike, *, config: dict[str, Any] | None = None, overwrite: bool = False
) -> Path:
    """Exports a model as a SavedModel that needs neither this package nor its data.

    The signatures are documented by the classes of `rnnzoo.export`. The SavedModel is moved to `path` only after a
    fresh process without this package has loaded it, as Python and as servers do, and has given the same answers as
    the model. Loaded by `tf.saved_model.load` it has `weights`, a dictionary of variables by their path.

    Args:
        model: a model of `rnnzoo.create_model`.
        path: the folder of the SavedModel.
        config: further entries of `assets.extra/config.json`, which holds the configuration of the model.
        overwrite: whether a SavedModel at `path` is replaced.

    Raises:
        UserError: `path` is not empty and must not be overwritten, or the model is not one of this package.
        ExportError: the written SavedModel gives other answers than the model.

    >>> import tempfile, rnnzoo
    >>> model = rnnzoo.create_model("elman", rnnzoo.create_task("adding").spec, units=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = rnnzoo.export_saved_model(model, f"{folder}/adding")
    ...     sorted(tf.saved_model.load(path).signatures)
    ['initial_state', 'padded', 'serving_default', 'step']
    """
    if not isinstance(model, ZooModel):
        raise UserError(f"export_saved_model exports models of rnnzoo.create_model, got {type(model).__name__}")
    path = Path(path)
    check_export_path(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    with locked_folder(path) as folder, name_file_in_errors(path):
        serving, written = make_serving(model), folder / "saved_model"
        config = {**(config or {}), **model.get_config(), "rnnzoo": rnnzoo.__version__}
        _write(serving, config, written)
        _verify(serving, written, folder)
        check_export_path(path, overwrite)  # another process may have written one meanwhile
        replace_export(written, path)
    return path


def make_serving(model: ZooModel) -> ServedModel:
    """Creates the signatures of a model."""
    if isinstance(model, EncoderDecoder):
        return Seq2SeqServing(model)
    if isinstance(model, TreeNetwork):
        return TreeServing(model)
    return (LanguageModelServing if model.spec.is_language_model else SequenceServing)(model)


def _write(serving: ServedModel, config: dict[str, Any], folder: Path) -> None:
    # without gradients, which are not needed and could prevent loading
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(serving.saved_object(), str(folder), signatures=serving.functions, options=options)
    shorten_names(folder)
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False), encoding="utf-8")


def _verify(serving: ServedModel, written: Path, folder: Path) -> None:
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
        raise ExportError(f"the exported model gives other results than the model in memory: {lines[-1]}")
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
