"""Input checks of layers; errors name the layer, the expected input and the given one."""

from typing import Any

import keras
import tensorflow as tf


class CheckedInputs:
    """Mixin before a Keras layer that refuses tensors of unsupported kinds in a call.

    Raises:
        ValueError: a ragged or sparse tensor, complex numbers or strings.
    """

    name: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            refuse_tensors(self.name, value)
        return super().__call__(*args, **kwargs)  # type: ignore[misc]


def refuse_tensors(name: str, value: Any) -> None:
    """Raises `ValueError` for a tensor of an unsupported kind, or for a nest that holds one."""
    if isinstance(value, tf.RaggedTensor):
        raise ValueError(
            f"{name} expects dense tensors, but got a ragged one, {value.shape}: give it x.to_tensor() and "
            "mask=tf.sequence_mask(x.row_lengths())"
        )
    if isinstance(value, tf.SparseTensor):
        raise ValueError(
            f"{name} expects dense tensors, but got a sparse one, {value.shape}: give it tf.sparse.to_dense(x)"
        )
    if isinstance(value, (list, tuple)) and not hasattr(value, "dtype"):
        for item in value:
            refuse_tensors(name, item)
        return
    dtype = getattr(value, "dtype", None)
    if dtype is None or isinstance(value, keras.layers.Layer):
        return
    kind = getattr(dtype, "name", str(dtype))
    if kind.startswith("complex"):
        raise ValueError(
            f"{name} expects real numbers, but got {kind}: give the real and imaginary parts as features, "
            "tf.concat([tf.math.real(x), tf.math.imag(x)], -1)"
        )
    if kind in ("string", "object") or kind.startswith("str"):
        raise ValueError(
            f"{name} expects numbers, but got strings: encode them first, as with keras.layers.StringLookup"
        )


def prepare_mask(name: str, sequences: Any, mask: Any) -> Any:
    """Converts a mask `[batch, time]`, or `[batch, time, 1]` as Keras accepts it, to booleans `[batch, time]`.

    Raises:
        ValueError: a mask of another shape.
    """
    if mask is None:
        return None
    mask = tf.cast(keras.tree.flatten(mask)[0], tf.bool)
    if mask.shape.rank == 3 and mask.shape[-1] == 1:
        mask = tf.squeeze(mask, -1)
    if not sequences.shape[:2].is_compatible_with(mask.shape):
        raise ValueError(f"{name} expects a mask [batch, time] of shape {sequences.shape[:2]}, but got {mask.shape}")
    return mask


def check_states(name: str, states: Any, zeros: Any) -> None:
    """Raises `ValueError` unless the states have the number and the shapes of the zero states."""
    if len(states) != len(zeros):
        raise ValueError(f"{name} has {len(zeros)} states, but was given {len(states)}")
    for i, (state, zero) in enumerate(zip(states, zeros, strict=True)):
        shape = tf.TensorShape(state.shape)
        if not shape.is_compatible_with(zero.shape):
            raise ValueError(f"{name}: state {i} has shape {zero.shape}, [batch, size], but was given {shape}")


def sequence_input_spec(shape: Any = None) -> keras.layers.InputSpec:
    """Returns the `InputSpec` of `[batch, time, features]`, with the number of features of `shape` if it is known."""
    known = {} if shape is None or shape[-1] is None else {-1: shape[-1]}
    return keras.layers.InputSpec(ndim=3, axes=known)


def flatten_states(states: Any) -> list:
    """Flattens a nest of lists of states, including the lists that Keras tracks."""
    if isinstance(states, (list, tuple)):
        return [state for part in states for state in flatten_states(part)]
    return [states]
