"""Arguments of signatures: one value for each row or one for all, checks, and random numbers for each row."""

from typing import Any

import tensorflow as tf

BLOCK = 128  # random numbers sampled at once


def row_spec(dtype: tf.DType, name: str) -> tf.TensorSpec:
    """Returns the specification of an argument with one value for each row, `[n]`."""
    return tf.TensorSpec([None], dtype, name)


def broadcast_rows(values: tf.Tensor, batch: tf.Tensor, name: str) -> tf.Tensor:
    """Broadcasts an argument `[n]`, or `[1]` for all rows, to `[n]`; other sizes are an invalid argument."""
    size = tf.shape(values)[0]
    values = check_values(values, (size == 1) | (size == batch), f"{name} must hold one value, or one for each row")
    return tf.gather(values, tf.where(size == 1, tf.zeros([batch], tf.int32), tf.range(batch)))


def check_values(values: tf.Tensor, condition: tf.Tensor, message: str) -> tf.Tensor:
    """Returns the values; a request for which the condition fails gets an `InvalidArgumentError` with the message."""
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(condition), [message])]):
        return tf.identity(values)


def check_ids(ids: tf.Tensor, size: Any) -> tf.Tensor:
    """Checks that ids are at least 0 and below `size`, one number or one for each column."""
    return check_values(ids, (ids >= 0) & (ids < size), f"inputs must be ids of at least 0 and below {size}")


def check_rows(inputs: tf.Tensor, states: Any) -> tf.Tensor:
    """Checks that every state has as many rows as the inputs."""
    rows = [tf.shape(state)[0] for state in states]
    rule = "each state must have as many rows as inputs"
    return check_values(inputs, tf.equal(tf.stack(rows), tf.shape(inputs)[0]), rule) if rows else inputs


def check_sampling(temperature: tf.Tensor, top_k: tf.Tensor, batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Broadcasts `temperature` and `top_k` to one value for each row, and checks them."""
    temperature, top_k = broadcast_rows(temperature, batch, "temperature"), broadcast_rows(top_k, batch, "top_k")
    finite = tf.math.is_finite(temperature) & (temperature >= 0)
    temperature = check_values(temperature, finite, "temperature must be a finite number of at least 0")
    return temperature, check_values(top_k, top_k >= 0, "top_k must be at least 0, which stands for all tokens")


def row_seeds(seed: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Returns the seed of each row, `[n, 2]`: (seed, i) if one seed serves all rows, (seed of the row, 0) otherwise."""
    number = tf.where(tf.shape(seed)[0] == 1, tf.range(batch), tf.zeros([batch], tf.int32))
    return tf.stack([tf.cast(broadcast_rows(seed, batch, "seed"), tf.int64), tf.cast(number, tf.int64)], 1)


def sample_uniform(seeds: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """Samples uniform numbers in [0, 1), `[steps or more, n]`, for each row from its own seed in `seeds [n, 2]`.

    The numbers are sampled in blocks of fixed size, so that they do not depend on the number of steps.
    """
    blocks, rows = (steps + BLOCK - 1) // BLOCK, tf.shape(seeds)[0]
    block = tf.tile(tf.range(blocks, dtype=tf.int64), [rows])
    seed, number = tf.unstack(tf.repeat(seeds, blocks, 0), axis=1)
    sampled = _sample(tf.stack([seed, number * 2**32 + block], 1), BLOCK)
    return tf.transpose(tf.reshape(sampled, [rows, blocks * BLOCK]))


def sample_fixed(seeds: tf.Tensor, steps: int) -> tf.Tensor:
    """Samples uniform numbers in [0, 1), `[steps, n]`, for each row from its own seed in `seeds [n, 2]`."""
    return tf.transpose(_sample(seeds * [1, 2**32], steps))


def _sample(keys: tf.Tensor, count: int) -> tf.Tensor:
    return tf.map_fn(lambda key: tf.random.stateless_uniform([count], key), keys, fn_output_signature=tf.float32)
