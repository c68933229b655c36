"""Calls outside of a graph as one graph call each."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


class OneCall:
    """Calls outside of a graph as one graph call each, traced once for each key."""

    def __init__(self) -> None:
        self._traced: dict[tuple, Any] = {}

    def __call__(self, key: tuple, function: Callable[..., Any], *arguments: Any) -> Any:
        if not tf.executing_eagerly():
            return function(*arguments)
        key = tuple(part.numpy() if isinstance(part, tf.Tensor) else part for part in key)
        if key not in self._traced:
            self._traced[key] = tf.function(function, reduce_retracing=True)
        return self._traced[key](*map(tf.convert_to_tensor, arguments))
