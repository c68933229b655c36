"""Random numbers of the rows of a batch, the same however the rows are divided over devices."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

_ROWS: contextvars.ContextVar[tuple[Any, Any] | None] = contextvars.ContextVar("rows", default=None)


@contextlib.contextmanager
def rows_of_batch(first: Any, total: Any) -> Iterator[None]:
    """Context in which a device computes the rows of a batch of `total` rows that begin with row `first`."""
    token = _ROWS.set((first, total))
    try:
        yield
    finally:
        _ROWS.reset(token)


def sample_rows(sample: Callable[[Any], tf.Tensor], shape: Any, axis: int = 0) -> tf.Tensor:
    """Returns `sample(shape)`; on one of several devices, its rows of the numbers of the whole batch.

    Outside of `rows_of_batch`, as in `fit` of a model in the scope of a strategy, all devices are assumed to have
    equal numbers of rows.

    Args:
        sample: returns random numbers of a shape.
        shape: the shape.
        axis: its axis of rows.
    """
    if not _is_divided():
        return sample(shape)
    shape = tf.convert_to_tensor(shape)
    axis %= shape.shape[0]
    replica, count = tf.distribute.get_replica_context(), shape[axis]
    first, total = _ROWS.get() or (count * replica.replica_id_in_sync_group, count * replica.num_replicas_in_sync)
    at_axis = tf.range(shape.shape[0]) == axis
    numbers = sample(tf.where(at_axis, total, shape))
    return tf.slice(numbers, tf.where(at_axis, first, 0), shape)


def _is_divided() -> bool:
    """Returns whether this device computes a part of the rows of a batch."""
    replica = tf.distribute.get_replica_context()
    return _ROWS.get() is not None or (replica is not None and replica.num_replicas_in_sync > 1)


def sample_dropout_mask(shape: Any, rate: float, seed: Any, dtype: Any, axis: int = 0) -> tf.Tensor:
    """Returns random factors of dropout: 0 with probability `rate`, and otherwise 1 / (1 - rate)."""
    return sample_rows(lambda whole: keras.random.dropout(tf.ones(whole, dtype), rate, seed=seed), shape, axis)


class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout` with the same random numbers however the rows of a batch are divided over devices."""

    def call(self, inputs: Any, training: Any = False) -> Any:
        if not (training and self.rate and _is_divided()):
            return super().call(inputs, training=training)
        return inputs * sample_dropout_mask(tf.shape(inputs), self.rate, self.seed_generator, inputs.dtype)


def sample_zoneout_mask(shape: Any, rate: float, seed: Any, dtype: Any) -> tf.Tensor:
    """Samples which units keep their value in zoneout, `[..., batch, size]`."""

    def sample(whole: Any) -> tf.Tensor:
        return keras.random.uniform(whole, dtype=dtype, seed=seed)

    return sample_rows(sample, shape, axis=-2) < rate


def zone_out(new: tuple, state: tuple, rates: tuple[float, ...], masks: list) -> tuple:
    """Returns the states after zoneout: with masks the previous values of their units, without masks the mean."""
    if masks:
        return tuple(tf.where(mask, old, now) for mask, old, now in zip(masks, state, new, strict=True))
    return tuple(now + rate * (old - now) for rate, old, now in zip(rates, state, new, strict=True))
