"""Activation functions whose values are cached in the forward loop and reused in the backward loop."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.eager import record

from rnnzoo.cells.ops import in_xla

_CACHE: contextvars.ContextVar["ActivationCache | None"] = contextvars.ContextVar("activation_cache", default=None)


class ActivationCache:
    """The values of `sigmoid` and `tanh` in one graph, in the order of the calls.

    Args:
        values: cached values to return instead of computing them, with their gradients; computations that
            only they need are then skipped. None: the values are recorded.
    """

    def __init__(self, values: list[tf.Tensor] | None = None):
        self.values: list[tf.Tensor] = [] if values is None else values
        self.graph = tf.compat.v1.get_default_graph()
        self._remaining = None if values is None else iter(values)

    def apply(self, x: tf.Tensor, function: Callable, gradient: Callable) -> tf.Tensor:
        """Returns `function(x)`, recorded or from the cache."""
        if self._remaining is None:
            self.values.append(function(x))
            return self.values[-1]
        cached = next(self._remaining)
        with record.stop_recording():
            y = tf.identity(cached)
        record.record_operation("CachedActivation", [y], [x], lambda d: [gradient(y=y, dy=d)])
        return y


@contextlib.contextmanager
def use_activation_cache(cache: ActivationCache) -> Iterator[list[tf.Tensor]]:
    """Context in which `sigmoid` and `tanh` write to a cache, or read from it."""
    token = _CACHE.set(cache)
    try:
        yield cache.values
    finally:
        _CACHE.reset(token)


def sigmoid(x: tf.Tensor) -> tf.Tensor:
    """The logistic function. Under XLA, where nothing is cached, it is faster through tanh."""
    return 0.5 * tf.tanh(0.5 * x) + 0.5 if in_xla() else _apply(x, tf.sigmoid, tf.raw_ops.SigmoidGrad)


def tanh(x: tf.Tensor) -> tf.Tensor:
    """The hyperbolic tangent."""
    return _apply(x, tf.tanh, tf.raw_ops.TanhGrad)


def activation(identifier: Any) -> Any:
    """Returns an activation function as `keras.activations.get` does, with cached versions of sigmoid and tanh.

    >>> import tensorflow as tf, rnnzoo
    >>> rnnzoo.cells.activation("tanh")(tf.zeros([2, 3])).shape
    TensorShape([2, 3])
    """
    function = keras.activations.get(identifier)
    return {keras.activations.sigmoid: sigmoid, keras.activations.tanh: tanh}.get(function, function)


def _apply(x: tf.Tensor, function: Callable, gradient: Callable) -> tf.Tensor:
    cache = _CACHE.get()
    if cache is None or cache.graph is not tf.compat.v1.get_default_graph():  # as in a branch of tf.cond
        return function(x)
    return cache.apply(x, function, gradient)


def activation_name(function: Any) -> str:
    """Returns the name of an activation function of Keras, or "" for another function."""
    names = {keras.activations.sigmoid: "sigmoid", keras.activations.tanh: "tanh", keras.activations.relu: "relu"}
    return names.get(function, "")


def label_activation(function: Any) -> str:
    """Returns the name of any activation function, for display."""
    return activation_name(function) or getattr(function, "__name__", type(function).__name__)
