"""Comparison of a converted signature with the SavedModel."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.conversion.files import ConvertedFiles
from rnnzoo.conversion.formats import ConversionError
from rnnzoo.conversion.numeric import NumericSignature
from rnnzoo.export.signatures import ServedModel


def compare_with_saved_model(
    signature: NumericSignature, files: ConvertedFiles, serving: ServedModel, loaded: Any, tolerance: float
) -> float:
    """Compares a converted signature with the SavedModel, for all probes; returns the largest difference.

    Raises:
        ConversionError: a difference is above the tolerance.
    """
    worst = 0.0
    served = loaded.signatures[signature.name]
    for name, _, arguments in serving.probes():
        if name != signature.name:
            continue
        expected = served(**{key: tf.convert_to_tensor(value) for key, value in arguments.items()})
        inputs = {key: np.asarray(value) for key, value in signature.convert_inputs(arguments).items()}
        got = signature.comparable(inputs, files.run(name, inputs))
        for key, value in expected.items():
            difference = _difference(got[key], value.numpy(), exact=tolerance < 1)
            if not difference <= tolerance:
                problem = f"the converted signature '{name}' differs from the SavedModel: {key} by {difference:.2g}"
                raise ConversionError(f"{problem}, and at most {tolerance:g} is allowed; nothing was written")
            worst = max(worst, difference)
    return worst


def _difference(got: Any, expected: np.ndarray, exact: bool) -> float:
    if expected.dtype == object:
        names = np.array([text.decode() for text in expected.ravel()], object).reshape(expected.shape)
        return float("inf") if exact and not np.array_equal(got, names) else 0.0
    got, expected = np.asarray(got, "float64"), expected.astype("float64")
    if got.shape != expected.shape or not np.isfinite(got).all():
        return float("nan")  # above every tolerance
    return float(np.max(np.abs(got - expected) / (1 + np.abs(expected)), initial=0))
