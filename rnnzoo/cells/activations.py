"""The functions that squash a sum, with a memory: what they gave on the way forward they give again on the way back."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.eager import record

from rnnzoo.cells.ops import in_xla

_NOTES: contextvars.ContextVar["Notes | None"] = contextvars.ContextVar("notes", default=None)


class Notes:
    """What `sigmoid` and `tanh` gave in one graph, in the order of the calls.

    With `values` they give these, one after the other, and the gradient at them: nothing that only led to them
    is computed again.
    """

    def __init__(self, values: list[tf.Tensor] | None = None):
        self.values: list[tf.Tensor] = [] if values is None else values
        self.graph = tf.compat.v1.get_default_graph()
        self._left = None if values is None else iter(values)

    def squash(self, x: tf.Tensor, function: Callable, gradient: Callable) -> tf.Tensor:
        """`function(x)`, noted or from the notes."""
        if self._left is None:
            self.values.append(function(x))
            return self.values[-1]
        noted = next(self._left)
        with record.stop_recording():
            y = tf.identity(noted)
        record.record_operation("Noted", [y], [x], lambda d: [gradient(y=y, dy=d)])
        return y


@contextlib.contextmanager
def noting(notes: Notes) -> Iterator[list[tf.Tensor]]:
    """Inside, `sigmoid` and `tanh` write into `notes`, or read from them."""
    token = _NOTES.set(notes)
    try:
        yield notes.values
    finally:
        _NOTES.reset(token)


def sigmoid(x: tf.Tensor) -> tf.Tensor:
    """The logistic function. XLA, which takes no notes, computes it faster through tanh; one op elsewhere."""
    return 0.5 * tf.tanh(0.5 * x) + 0.5 if in_xla() else _squash(x, tf.sigmoid, tf.raw_ops.SigmoidGrad)


def tanh(x: tf.Tensor) -> tf.Tensor:
    """The hyperbolic tangent."""
    return _squash(x, tf.tanh, tf.raw_ops.TanhGrad)


def activation(identifier: Any) -> Any:
    """`keras.activations.get`, with this module's functions for Keras's own.

    >>> import tensorflow as tf, rnnzoo
    >>> rnnzoo.cells.activation("tanh")(tf.zeros([2, 3])).shape
    TensorShape([2, 3])
    """
    function = keras.activations.get(identifier)
    return {keras.activations.sigmoid: sigmoid, keras.activations.tanh: tanh}.get(function, function)


def _squash(x: tf.Tensor, function: Callable, gradient: Callable) -> tf.Tensor:
    notes = _NOTES.get()
    if notes is None or notes.graph is not tf.compat.v1.get_default_graph():  # in a branch of its own, say
        return function(x)
    return notes.squash(x, function, gradient)
