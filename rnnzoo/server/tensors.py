"""Conversion between JSON and tensors, by the rules of TensorFlow Serving's REST interface.

Inputs are in row format, `{"instances": [...]}`, one value or `{input: value}` for each row, or in column format,
`{"inputs": value}` or `{"inputs": {input: values}}`. Outputs have the format of the inputs. Binary values are
`{"b64": text}`.

https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.server.errors import RequestError

Specs = Mapping[str, tf.TensorSpec]
Arrays = dict[str, np.ndarray]
BINARY = "_bytes"  # suffix of outputs whose strings are not text
KINDS = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", type(None): "null"}


def parse_inputs(body: Any, specs: Specs) -> tuple[Arrays, bool]:
    """Converts the body of a request to arrays; returns also whether it is in row format. Raises `RequestError`."""
    if not isinstance(body, dict):
        raise RequestError(400, "JSON Value: the request must be an object")
    formats = [name for name in ("instances", "inputs") if name in body]
    if len(formats) != 1:
        found = "both 'instances' and 'inputs'" if formats else "neither 'instances' nor 'inputs'"
        raise RequestError(400, f"JSON Value: the request has {found}; give one of them")
    values = body[formats[0]]
    by_rows = formats == ["instances"]
    columns = _columns_of_rows(values, specs) if by_rows else _columns(values, specs)
    arrays = {name: _to_array(name, columns[name], spec) for name, spec in specs.items()}
    return arrays, by_rows


def _columns_of_rows(rows: Any, specs: Specs) -> dict[str, list]:
    if not isinstance(rows, list) or not rows:
        raise RequestError(400, "JSON Value: 'instances' must be a list that is not empty")
    if all(isinstance(row, dict) and not _is_binary(row) for row in rows):
        for i, row in enumerate(rows):
            _check_names(row, specs, f"JSON Value: instance {i}")
        return {name: [row[name] for row in rows] for name in specs}
    if len(specs) != 1:
        names = ", ".join(specs)
        raise RequestError(400, f"JSON Value: each instance must be an object of the named inputs {names}")
    return {next(iter(specs)): rows}


def _columns(values: Any, specs: Specs) -> dict[str, Any]:
    if isinstance(values, dict) and not _is_binary(values):
        _check_names(values, specs, "JSON Value: 'inputs'")
        return values
    if len(specs) != 1:
        raise RequestError(400, f"JSON Value: 'inputs' must be an object of the named inputs {', '.join(specs)}")
    return {next(iter(specs)): values}


def _check_names(values: dict, specs: Specs, where: str) -> None:
    for name in specs:
        if name not in values:
            raise RequestError(400, f"{where} lacks the named input '{name}'")
    for name in values:
        if name not in specs:
            raise RequestError(400, f"{where} has no input '{name[:100]}'; the inputs are {', '.join(specs)}")


def _is_binary(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _to_array(name: str, values: Any, spec: tf.TensorSpec) -> np.ndarray:
    array = np.array(values, dtype=object)
    if any(type(value) is list for value in array.ravel().tolist()):
        raise RequestError(400, f"input '{name}': lists of different lengths where an array is expected")
    shape = spec.shape
    if shape.rank is not None and not shape.is_compatible_with(array.shape):
        raise RequestError(400, f"input '{name}' has the shape {list(array.shape)}, and {shape} is expected")
    if spec.dtype == tf.string:
        return np.array([_to_bytes(name, value) for value in array.ravel()], object).reshape(array.shape)
    return _to_numbers(name, array, spec.dtype.as_numpy_dtype)


def _to_numbers(name: str, array: np.ndarray, dtype: Any) -> np.ndarray:
    dtype = np.dtype(dtype)
    kinds: dict[str, set[type]] = {"b": {bool}, "i": {int}, "u": {int}}
    allowed = kinds.get(dtype.kind, {int, float})
    if others := set(map(type, array.ravel())) - allowed:
        other = next(iter(others))
        found = KINDS.get(other, "an object" if other is dict else "a list")
        raise RequestError(400, f"input '{name}' is of type {dtype}, and {found} is given")
    try:
        if dtype.kind in "iu" and array.size:
            limits = np.iinfo(dtype)
            if not limits.min <= min(array.ravel()) <= max(array.ravel()) <= limits.max:
                raise OverflowError
        with np.errstate(over="ignore"):
            return array.astype(dtype)
    except OverflowError:
        raise RequestError(400, f"input '{name}': a number is out of the range of {dtype}") from None


def _to_bytes(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise RequestError(400, f"input '{name}': a string has an unpaired surrogate") from None
    if _is_binary(value) and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError):
            raise RequestError(400, f"input '{name}': a value of b64 is not base64") from None
    raise RequestError(400, f"input '{name}' is of type string, and {KINDS.get(type(value), 'an object')} is given")


def format_outputs(outputs: Mapping[str, np.ndarray], by_rows: bool) -> dict[str, Any]:
    """Returns the body of an answer. Raises `RequestError` if the outputs have no rows."""
    values = {name: _to_lists(name, array) for name, array in outputs.items()}
    if not by_rows:
        return {"outputs": next(iter(values.values())) if len(values) == 1 else values}
    lengths = {len(value) if isinstance(value, list) else None for value in values.values()}
    if len(lengths) != 1 or None in lengths:
        raise RequestError(400, "the outputs do not all have the same number of rows; use the column format, 'inputs'")
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    return {"predictions": [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]}


def _to_lists(name: str, array: np.ndarray) -> Any:
    if array.dtype.kind not in "OS":
        return array.tolist()
    texts = [_to_text(value, name.endswith(BINARY)) for value in array.ravel().tolist()]
    whole = np.empty(len(texts), object)
    whole[:] = texts
    return whole.reshape(array.shape).tolist()


def _to_text(value: bytes, is_binary: bool) -> Any:
    if not is_binary:
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(value).decode()}
