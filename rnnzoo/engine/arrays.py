"""Tensor arrays for loops, also for loops without steps, in plain graphs, under XLA and eagerly."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import tree

from rnnzoo.cells.ops import in_xla


def while_loop(condition: Callable, body: Callable, loop_vars: tuple, max_steps: tf.Tensor) -> tuple:
    """Calls `tf.while_loop`, with a maximum number of iterations under XLA, and without one for ONNX converters."""
    return tf.while_loop(condition, body, loop_vars, maximum_iterations=max_steps if in_xla() else None)


def pad_empty_sequences(nest: Any) -> Any:
    """Pads sequences `[0, ...]` to one step of zeros under XLA, which also compiles loops that never run."""
    if not in_xla():
        return nest

    def pad(t: tf.Tensor) -> tf.Tensor:
        missing = 1 - tf.minimum(tf.shape(t)[0], 1)
        padded = tf.pad(t, [[0, missing], *([0, 0] for _ in t.shape[1:])])
        return tf.ensure_shape(padded, [None, *t.shape[1:]]) if t.shape[0] in (None, 0) else t

    return tree.map_structure(pad, nest)


def create_array(spec: Any, size: Any) -> tf.TensorArray:
    """Creates an array of `size` tensors of the dtype and shape of a tensor or specification."""
    size = tf.maximum(size, 1) if in_xla() else size  # XLA compiles writes even to an empty array
    return tf.TensorArray(spec.dtype, size, clear_after_read=False, element_shape=spec.shape)


def write_arrays(arrays: list, t: Any, values: list) -> list:
    """Writes one value to each array."""
    return [array.write(t, value) for array, value in zip(arrays, values, strict=True)]


def read_array(array: Any, t: Any) -> tf.Tensor:
    """Reads step t of an array or of a tensor `[time, ...]`."""
    return array.read(t) if isinstance(array, tf.TensorArray) else array[t]


def stack_array(array: Any, batch: Any, size: Any) -> tf.Tensor:
    """Stacks an array of `size` tensors `[batch, ...]` to `[size, batch, ...]`, also where size is 0."""
    if not isinstance(array, tf.TensorArray):
        return array
    inner = array.element_shape[1:]
    if in_xla():
        return array.stack()[:size]  # the array has at least one element
    if tf.executing_eagerly():
        return array.stack() if int(size) else tf.zeros([0, batch, *inner], array.dtype)
    # the shape of an element is needed only where there is none
    shape = tf.stack([tf.where(size > 0, -1, batch), *inner])
    stacked = tf.raw_ops.TensorListStack(input_handle=array.flow, element_shape=shape, element_dtype=array.dtype)
    return tf.ensure_shape(stacked, [None, *array.element_shape])
