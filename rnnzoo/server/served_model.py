"""A SavedModel that a server answers with."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from rnnzoo.errors import UserError, first_line
from rnnzoo.inference.loading import load
from rnnzoo.inference.model_names import find_model
from rnnzoo.server.errors import RequestError
from rnnzoo.server.tensors import Arrays, Specs

DEFAULT = "serving_default"
VERSION = "1"
ALONE = {"seed", "length"}  # inputs of signatures whose calls take too long, or are random, to be joined
CLIENT_ERRORS = (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, ValueError, TypeError)


class ServedModel:
    """The signatures of a SavedModel.

    Args:
        path: the name of a pretrained model, or the folder of an export.
        trust: whether a SavedModel of any package is loaded, which can run any operation.

    Attributes:
        name: the name of its folder.
        folder: its folder.

    Raises:
        UserError: there is no such model, or it is not allowed.
    """

    def __init__(self, path: str, trust: bool = False):
        self.folder = Path(find_model(path)).resolve()
        self.name = self.folder.name
        self._model = _load_any(self.folder) if trust else load(self.folder)
        if not hasattr(self._model, "signatures"):
            raise UserError(f"{path} is not a SavedModel: give the folder of an export")
        self._signatures = dict(self._model.signatures)
        if not self._signatures:
            raise UserError(f"{path} has no signatures to serve")
        self._lock = threading.Lock()
        self.calls = 0

    def inputs(self, signature: str) -> Specs:
        """Returns the inputs of a signature. Raises `RequestError` if there is none of that name."""
        if signature not in self._signatures:
            known = ", ".join(self._signatures)
            raise RequestError(
                400, f'Serving signature name: "{signature[:100]}" not found in signature def; there are {known}'
            )
        return self._signatures[signature].structured_input_signature[1]

    def can_join(self, signature: str) -> bool:
        """Returns whether the rows of several requests give in one call what they give alone."""
        function = self._signatures[signature]
        inputs, outputs = self.inputs(signature), function.structured_outputs
        shapes = [spec.shape for spec in [*inputs.values(), *outputs.values()]]
        has_rows = all(shape.rank and shape[0] is None for shape in shapes)
        is_fixed = all(shape[1:].is_fully_defined() for shape in shapes[len(inputs) :] if has_rows)
        return has_rows and is_fixed and not ALONE & set(inputs)

    def predict(self, signature: str, arrays: Arrays) -> Arrays:
        """Calls a signature. Raises `RequestError` for inputs that it refuses."""
        with self._lock:
            self.calls += 1
        specs = self.inputs(signature)
        try:
            tensors = {name: tf.constant(arrays[name], specs[name].dtype) for name in specs}
            outputs = self._signatures[signature](**tensors)
        except CLIENT_ERRORS as error:
            raise RequestError(400, first_line(error)[:500]) from None
        except tf.errors.ResourceExhaustedError:
            raise RequestError(503, "there is not enough memory for this request") from None
        return {name: np.asarray(value) for name, value in outputs.items()}

    def status(self) -> dict[str, Any]:
        """Returns the answer to a question for its status."""
        state = {"version": VERSION, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        return {"model_version_status": [state]}

    def metadata(self) -> dict[str, Any]:
        """Returns the answer to a question for its signatures."""
        signatures = {
            name: {
                "inputs": {key: _describe(spec, f"{name}_{key}:0") for key, spec in self.inputs(name).items()},
                "outputs": {
                    key: _describe(spec, f"StatefulPartitionedCall:{i}")
                    for i, (key, spec) in enumerate(function.structured_outputs.items())
                },
                "method_name": "tensorflow/serving/predict",
                "defaults": {},
            }
            for name, function in self._signatures.items()
        }
        return {
            "model_spec": {"name": self.name, "signature_name": "", "version": VERSION},
            "metadata": {"signature_def": {"signature_def": signatures}},
        }


def _load_any(folder: Path) -> Any:
    try:
        return tf.saved_model.load(str(folder))
    except Exception as error:
        raise UserError(f"{folder} is not a complete SavedModel: {first_line(error)}") from None


def _describe(spec: Any, name: str) -> dict[str, Any]:
    shape = spec.shape
    sizes = [] if shape.rank is None else [{"size": str(-1 if size is None else size), "name": ""} for size in shape]
    tensor_shape = {"dim": sizes, "unknown_rank": shape.rank is None}
    dtype = types_pb2.DataType.Name(spec.dtype.as_datatype_enum)
    return {"dtype": dtype, "tensor_shape": tensor_shape, "name": name}
