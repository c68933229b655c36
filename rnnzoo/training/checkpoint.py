"""Checkpoints: one file of plain arrays, written atomically."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.errors import UserError, name_file_in_errors
from rnnzoo.utils.json_files import parse_json


def save(path: Path, groups: Mapping[str, Sequence[Any]], meta: dict[str, Any]) -> None:
    """Writes the arrays of each group, and metadata as JSON; replaces an existing file."""
    arrays: Any = {f"{name}/{i:04d}": _array(a) for name, group in groups.items() for i, a in enumerate(group)}
    temporary = path.with_name(path.name + ".part")
    with name_file_in_errors(path):
        path.parent.mkdir(exist_ok=True)
        with temporary.open("wb") as file:
            np.savez(file, meta=np.array(json.dumps(meta)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def _array(value: Any) -> np.ndarray:
    array = np.asarray(value)
    return array.astype("float32") if array.dtype.kind == "V" else array  # bfloat16, which NumPy files do not support


def load(path: Path, schema: Any = dict) -> tuple[dict[str, list[np.ndarray]], dict[str, Any]]:
    """Reads a checkpoint: `(groups, metadata)`.

    Raises:
        UserError: the file is not a complete checkpoint, or the metadata do not match the schema.
    """
    groups: dict[str, list[np.ndarray]] = {}
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is not a file")
    try:
        with np.load(path, allow_pickle=False) as stored:
            meta = parse_json(str(stored["meta"]), schema, str(path))
            for key in sorted(k for k in stored.files if k != "meta"):
                groups.setdefault(key.rpartition("/")[0], []).append(stored[key])
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"there is no checkpoint {path}") from None
    except Exception as error:
        raise UserError(f"{path} is not a complete checkpoint ({type(error).__name__})") from error
    return groups, meta


def check_values(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Raises `UserError` unless each value has the shape of its variable, a matching type and finite numbers."""
    if [tuple(v.shape) for v in variables] != [a.shape for a in values]:
        raise UserError("the checkpoint is of another model: its weights have different shapes")
    for variable, value in zip(variables, values, strict=True):
        dtype_kinds = "f" if "float" in str(variable.dtype) else "iub"
        with np.errstate(all="ignore"):
            if value.dtype.kind not in dtype_kinds or not np.isfinite(value.astype("float32")).all():
                raise UserError("the checkpoint is damaged: it holds values that are not finite numbers")


def assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Assigns values to variables. Raises `UserError` unless each value matches its variable."""
    check_values(variables, values)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def compute_digest(variables: Sequence[Any]) -> str:
    """Returns the SHA-256 digest of shapes, types and values of variables."""
    total = hashlib.sha256()
    for variable in variables:
        value = np.ascontiguousarray(variable)
        total.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
    return total.hexdigest()
