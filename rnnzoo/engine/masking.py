"""Masked steps of inputs and outputs."""

from typing import Any

import tensorflow as tf

from rnnzoo.cells.ops import get_lookup


def mask_outputs(outputs: Any, final: tuple, output_state: int | None, mask: Any, sequence: bool) -> tf.Tensor:
    """Returns outputs, batch first; a masked step repeats the output of the last valid one, or is zero."""
    if mask is None:
        if sequence:
            return swap_batch_and_time(outputs)
        return outputs[-1] if output_state is None else final[output_state]
    valid = swap_batch_and_time(tf.cast(mask, tf.int32))  # [batch, time]
    num_valid = tf.cumsum(valid, 1) if sequence else tf.reduce_sum(valid, 1, keepdims=True)
    if output_state is None:
        time = tf.range(tf.shape(valid)[1])
        steps = tf.sort(time + (1 - valid) * tf.size(time), 1) % tf.size(time)  # the valid steps first
        last = tf.gather(steps, tf.maximum(num_valid - 1, 0), batch_dims=1)
        outputs = tf.gather(swap_batch_and_time(outputs), last, batch_dims=1)
    else:
        outputs = swap_batch_and_time(outputs) if sequence else final[output_state][:, None]
    outputs = tf.where(tf.expand_dims(num_valid > 0, -1), outputs, tf.zeros([], outputs.dtype))
    return outputs if sequence else outputs[:, 0]


def apply_mask(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Sets masked steps of `values [batch, time, ...]` to zero, so that their contents have no effect.

    Integers are returned unchanged, and so are embeddings whose table is multiplied instead (`EmbeddingLookup`).
    """
    lookup = get_lookup(values)
    if not values.dtype.is_floating or (lookup is not None and lookup.is_cheaper()):
        return values
    valid = tf.reshape(mask, tf.concat([tf.shape(mask), [1] * (values.shape.rank - 2)], 0))
    return tf.where(valid, values, tf.zeros([], values.dtype))


def swap_batch_and_time(tensor: tf.Tensor) -> tf.Tensor:
    """Exchanges the first two dimensions."""
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
