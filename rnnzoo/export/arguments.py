"""Inputs of signatures: a value for each row or one for all, checked, and random numbers of each row."""

from typing import Any

import tensorflow as tf

BLOCK = 128  # random numbers that are drawn together


def row(dtype: tf.DType, name: str) -> tf.TensorSpec:
    """An input that has a value for each row."""
    return tf.TensorSpec([None], dtype, name)


def per_row(values: tf.Tensor, batch: tf.Tensor, name: str) -> tf.Tensor:
    """An input `[n]`, or `[1]` for all rows, as `[n]`; another size is an invalid argument."""
    size = tf.shape(values)[0]
    values = checked(values, (size == 1) | (size == batch), f"{name} must hold one value, or one for each row")
    return tf.gather(values, tf.where(size == 1, tf.zeros([batch], tf.int32), tf.range(batch)))


def checked(values: tf.Tensor, condition: tf.Tensor, message: str) -> tf.Tensor:
    """The values; a request for which the condition does not hold is answered with an invalid argument, the message."""
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(condition), [message])]):
        return tf.identity(values)


def known_ids(ids: tf.Tensor, size: Any) -> tf.Tensor:
    """Ids that are at least 0 and below a size, or the sizes of the columns; others are an invalid argument."""
    return checked(ids, (ids >= 0) & (ids < size), f"inputs must be ids of at least 0 and below {size}")


def same_rows(inputs: tf.Tensor, states: Any) -> tf.Tensor:
    """The inputs, of which there is a row for each of the states; else that is an invalid argument."""
    rows = [tf.shape(state)[0] for state in states]
    rule = "each state must have as many rows as inputs"
    return checked(inputs, tf.equal(tf.stack(rows), tf.shape(inputs)[0]), rule) if rows else inputs


def seeds(seed: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """The seed of each row `[n, 2]`: (seed, i) where there is one for all, (own seed, 0) where each row has its own."""
    number = tf.where(tf.shape(seed)[0] == 1, tf.range(batch), tf.zeros([batch], tf.int32))
    return tf.stack([tf.cast(per_row(seed, batch, "seed"), tf.int64), tf.cast(number, tf.int64)], 1)


def uniform_numbers(draws: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """Random numbers `[steps or more, n]`, at least 0 and below 1, of each row by its own seed of `draws [n, 2]`.

    They are drawn in blocks, so that they do not depend on how many there are.
    """
    blocks, rows = (steps + BLOCK - 1) // BLOCK, tf.shape(draws)[0]
    block = tf.tile(tf.range(blocks, dtype=tf.int64), [rows])
    row, number = tf.unstack(tf.repeat(draws, blocks, 0), axis=1)
    keys = tf.stack([row, number * 2**32 + block], 1)
    drawn = tf.map_fn(lambda key: tf.random.stateless_uniform([BLOCK], key), keys, fn_output_signature=tf.float32)
    return tf.transpose(tf.reshape(drawn, [rows, blocks * BLOCK]))
