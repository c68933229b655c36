"""Arrays of a loop over time, also of one without steps, in plain graphs, under XLA and eagerly."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import tree

from rnnzoo.cells.ops import in_xla


def while_loop(condition: Callable, body: Callable, loop: tuple, steps: tf.Tensor) -> tuple:
    """`tf.while_loop`; XLA wants to know how many iterations there are at most, ONNX converters must not."""
    return tf.while_loop(condition, body, loop, maximum_iterations=steps if in_xla() else None)


def pad_empty(sources: Any) -> Any:
    """Pads sequences `[time, ...]` of no steps by one of zeros under XLA, which compiles loops that never run."""
    if not in_xla():
        return sources

    def pad(t: tf.Tensor) -> tf.Tensor:
        missing = 1 - tf.minimum(tf.shape(t)[0], 1)
        padded = tf.pad(t, [[0, missing], *([0, 0] for _ in t.shape[1:])])
        return tf.ensure_shape(padded, [None, *t.shape[1:]]) if t.shape[0] in (None, 0) else t

    return tree.map_structure(pad, sources)


def stack(array: Any, rows: Any, steps: Any) -> tf.Tensor:
    """An array of `steps` tensors `[rows, ...]` as `[steps, rows, ...]`, also where there are no steps."""
    if not isinstance(array, tf.TensorArray):
        return array
    inner = array.element_shape[1:]
    if in_xla():
        return array.stack()[:steps]  # there is one place at least
    if tf.executing_eagerly():
        return array.stack() if int(steps) else tf.zeros([0, rows, *inner], array.dtype)
    # the shape of what is not there is asked for only where nothing is
    shape = tf.stack([tf.where(steps > 0, -1, rows), *inner])
    whole = tf.raw_ops.TensorListStack(input_handle=array.flow, element_shape=shape, element_dtype=array.dtype)
    return tf.ensure_shape(whole, [None, *array.element_shape])


def new_array(like: Any, ticks: Any) -> tf.TensorArray:
    places = tf.maximum(ticks, 1) if in_xla() else ticks  # XLA compiles writing even where nothing is written
    return tf.TensorArray(like.dtype, places, clear_after_read=False, element_shape=like.shape)


def write(arrays: list, t: Any, values: list) -> list:
    """The arrays with a value more, each."""
    return [array.write(t, value) for array, value in zip(arrays, values, strict=True)]


def read(kept: Any, t: Any) -> tf.Tensor:
    return kept.read(t) if isinstance(kept, tf.TensorArray) else kept[t]
