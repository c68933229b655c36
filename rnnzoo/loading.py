"""Reading what others wrote, carefully: exports and `.keras` files, nothing that can run on being opened unasked."""

import json
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import rnnzoo
from rnnzoo.errors import UserError

# operations that touch files, processes or Python; the saver's own (SaveV2, RestoreV2 ...) are in every SavedModel
DENIED = ("ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "EagerPyFunc", "PyFuncStateless", "PrintV2", "Print")
DENIED_PARTS = ("FileSystem", "Dataset", "RecordReader", "LineReader", "WholeFileReader", "Debug", "LoadLibrary")
FIRST_VERSION = (0, 2)  # whose exports are read
WEIGHTS_ONLY = (".h5", ".hdf5", ".pkl", ".pickle", ".pt", ".pth", ".joblib", ".npy")


def load(path: Any) -> Any:
    """Reads an export (a folder) or a `.keras` file of this package.

    A SavedModel's graph is looked through before it is loaded, and refused if it holds an
    operation that touches files, processes or Python; a `.keras` file is read by Keras in safe
    mode. That is a guard, not a sandbox: load only what you have reason to trust.

    Raises:
        UserError: it is not there, of another kind, damaged, or holds what is refused.

    >>> load("model.h5")
    Traceback (most recent call last):
    rnnzoo.errors.UserError: model.h5: .h5 files can run code when they are read and are not loaded; ...
    """
    path = Path(path)
    if path.suffix.lower() in WEIGHTS_ONLY:
        raise UserError(
            f"{path}: {path.suffix} files can run code when they are read and are not loaded; "
            "give an export's folder or a .keras file"
        )
    if not path.exists():
        raise UserError(f"there is no file or folder {path}")
    return _load_keras(path) if path.is_file() else _load_saved_model(path)


def refused_operations(path: Path) -> list[str]:
    """Operations of a SavedModel that this package does not load; its graph is read, not run."""
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString((path / "saved_model.pb").read_bytes())
    found: set[str] = set()
    for graph in stored.meta_graphs:
        found.update(node.op for node in graph.graph_def.node)
        for function in graph.graph_def.library.function:
            found.update(node.op for node in function.node_def)
    return sorted(op for op in found if op in DENIED or any(part in op for part in DENIED_PARTS))


def _load_saved_model(path: Path) -> Any:
    if not (path / "saved_model.pb").is_file():
        raise UserError(f"{path} is not a SavedModel: it holds no saved_model.pb")
    try:
        refused = refused_operations(path)
    except Exception as error:
        raise UserError(f"{path / 'saved_model.pb'} is damaged: {_line(error)}") from error
    if refused:
        raise UserError(f"{path} holds operations that touch files or processes ({', '.join(refused)}); not loaded")
    _refuse_earlier_version(path)
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:
        raise UserError(f"{path} is not a whole SavedModel: {_line(error)}") from error


def _refuse_earlier_version(path: Path) -> None:
    """Raises `UserError` for an export of a version of this package whose signatures were others."""
    try:
        config = json.loads((path / "assets.extra" / "config.json").read_text(encoding="utf-8"))
        version = config.get("rnnzoo", "0.1.0") if "spec" in config else None
        numbers = tuple(int(part) for part in version.split(".")[:2]) if version else FIRST_VERSION
    except (OSError, ValueError, AttributeError, TypeError):
        return  # of another package, or none that predict could read
    if numbers < FIRST_VERSION:
        raise UserError(
            f"{path} was exported by rnnzoo {version}, whose signatures are not those of rnnzoo {rnnzoo.__version__}: "
            "export it again, with rnnzoo.export_saved_model(rnnzoo.load('runs/.../model.keras'), path) or "
            "train.py --resume"
        )


def _load_keras(path: Path) -> Any:
    if path.suffix != ".keras":
        raise UserError(f"{path} is neither an export's folder nor a .keras file")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise UserError(f"{path} cannot be loaded safely: {_line(error)}") from error


def _line(error: Exception) -> str:
    """The first line of an error's message, not too long."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
