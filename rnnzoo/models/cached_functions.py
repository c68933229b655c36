"""Cache of traced functions for eager calls."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


class CachedFunctions:
    """Runs eagerly called functions as graphs, each traced once for its key."""

    def __init__(self) -> None:
        self._traced: dict[tuple, Any] = {}

    def __call__(self, key: tuple, function: Callable[..., Any], *arguments: Any) -> Any:
        if not tf.executing_eagerly():
            return function(*arguments)
        key = tuple(part.numpy() if isinstance(part, tf.Tensor) else part for part in key)
        if key not in self._traced:
            self._traced[key] = tf.function(function, autograph=False, reduce_retracing=True)
        return self._traced[key](*map(tf.convert_to_tensor, arguments))
