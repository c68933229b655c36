"""Safe loading of SavedModels and `.keras` files."""

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import rnnzoo
from rnnzoo.errors import UserError, refuse_glob_pattern
from rnnzoo.inference.model_names import find_model
from rnnzoo.inference.safety.keras_file_check import check_keras_file
from rnnzoo.inference.safety.saved_model_check import check_saved_model
from rnnzoo.utils.json_files import first_line, read_json

FIRST_VERSION = (0, 2)  # the first one whose exports can be loaded
WEIGHTS_ONLY = (".h5", ".hdf5", ".pkl", ".pickle", ".pt", ".pth", ".joblib", ".npy")


def load(path: Any, allow_ops: Iterable[str] | None = None) -> Any:
    """Loads an export (a folder, or the name of a pretrained model) or a `.keras` file of this package.

    A SavedModel is checked before it is loaded, and refused unless all of it is as in exports of this package:
    operations of mathematics, arrays, strings and control flow, tables that are filled with constants, and a saver
    whose file names come from its caller. A `.keras` file is loaded by Keras in safe mode, after its sizes were
    checked. This is a guard, not a sandbox; SECURITY.md describes its limits.

    Args:
        path: a name of `rnnzoo.list_pretrained`, a folder or a `.keras` file.
        allow_ops: additional operations to allow in signatures, for cells of your own. When the file is loaded, only
            the functions that fill tables may run.

    Raises:
        UserError: the file does not exist, is of another kind, damaged, or holds something that is not allowed.

    >>> load("model.h5")
    Traceback (most recent call last):
    rnnzoo.errors.UserError: model.h5: .h5 files can run code when they are read and are not loaded; ...
    """
    path = find_model(path)
    allow_ops = [allow_ops] if isinstance(allow_ops, str) else allow_ops or ()
    if path.suffix.lower() in WEIGHTS_ONLY:
        raise UserError(
            f"{path}: {path.suffix} files can run code when they are read and are not loaded; "
            "give an export's folder or a .keras file"
        )
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"there is no file or folder {path}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {str(path)!r}: {first_line(error)}") from None
    if stat.S_ISDIR(mode):
        return _load_saved_model(path, allow_ops)
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is neither a file nor a folder")
    return _load_keras(path)


def _load_saved_model(path: Path, allow_ops: Iterable[str]) -> Any:
    if not (path / "saved_model.pb").is_file():
        raise UserError(f"{path} is not a SavedModel: it holds no saved_model.pb")
    refuse_glob_pattern(path)
    _refuse_special_files(path)
    _refuse_earlier_version(path)
    try:
        check_saved_model(path, allow_ops)
    except UserError:
        raise
    except Exception as error:  # inconsistent protocol buffers
        raise UserError(f"{path} is damaged: {first_line(error)}") from None
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:
        raise UserError(f"{path} is not a complete SavedModel: {first_line(error)}") from error


def _refuse_special_files(path: Path) -> None:
    """Raises `UserError` for pipes and devices in a folder, which may block, and for links to folders."""
    for file in path.rglob("*"):
        if not (file.is_file() or (file.is_dir() and not file.is_symlink())):
            kind = "a link to a folder" if file.is_symlink() and file.is_dir() else "neither a file nor a folder"
            raise UserError(f"{path} is not loaded: {file.relative_to(path)} is {kind}")


def _refuse_earlier_version(path: Path) -> None:
    """Raises `UserError` for an export of a version of this package with other signatures."""
    try:
        config = read_json(path / "assets.extra" / "config.json", {"spec": dict, "rnnzoo?": str})
        version = config.get("rnnzoo", "0.1.0")
        numbers = tuple(int(part) for part in version.split(".")[:2])
    except ValueError:  # of another package, or not readable (`UserError`)
        return
    if numbers < FIRST_VERSION:
        raise UserError(
            f"{path} was exported by rnnzoo {version}, whose signatures are not those of rnnzoo {rnnzoo.__version__}: "
            "export it again, with rnnzoo.export_saved_model(rnnzoo.load('runs/.../model.keras'), path) or "
            "train.py --resume"
        )


def _load_keras(path: Path) -> Any:
    if path.suffix != ".keras":
        raise UserError(f"{path} is neither an export's folder nor a .keras file")
    check_keras_file(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise UserError(f"{path} cannot be loaded safely: {first_line(error)}") from error
