"""Reading what others wrote, carefully: exports and `.keras` files, nothing that can run on being opened unasked."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from rnnzoo.errors import UserError

# operations that touch files, processes or Python; the saver's own (SaveV2, RestoreV2 ...) are in every SavedModel
DENIED = ("ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "EagerPyFunc", "PyFuncStateless", "PrintV2", "Print")
DENIED_PARTS = ("FileSystem", "Dataset", "RecordReader", "LineReader", "WholeFileReader", "Debug", "LoadLibrary")
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
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:
        raise UserError(f"{path} is not a whole SavedModel: {_line(error)}") from error


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
