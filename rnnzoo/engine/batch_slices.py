"""Slices of a batch: in the plain graph the two halves of a batch run in parallel."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from keras import tree

from rnnzoo.cells.ops import in_xla
from rnnzoo.engine.modes import in_export_mode

SMALL_STEP = 2**18  # multiplications of a time step below which two halves of a batch are not faster than the whole
TYPICAL_BATCH = 32
_DISABLED: contextvars.ContextVar[bool] = contextvars.ContextVar("batch_split_disabled", default=False)


class BatchSlice:
    """The rows `start` to `end` of a batch, or all rows."""

    def __init__(self, start: Any = None, end: Any = None):
        whole = end is None
        # created once, not at every time step
        self.bounds = [] if whole else [[b] if isinstance(b, int) else tf.stack([b]) for b in (start, end)]

    @classmethod
    def halves(cls, tensor: tf.Tensor) -> list["BatchSlice"]:
        """Returns the two halves of the batch of a tensor `[batch, ...]`."""
        batch = tf.shape(tensor)[0] if tensor.shape[0] is None else tensor.shape[0]
        return [cls(0, batch // 2), cls(batch // 2, batch)]

    def size(self, batch: Any) -> Any:
        """Returns the number of rows in the slice of a batch of that size."""
        return self.bounds[1][0] - self.bounds[0][0] if self.bounds else batch

    def take(self, nest: Any) -> Any:
        """Slices a nest of `[batch, ...]`; an axis of size 1 serves all rows."""
        if not self.bounds:
            return nest
        return tree.map_structure(lambda t: t if t.shape[0] == 1 else tf.strided_slice(t, *self.bounds), nest)


@contextlib.contextmanager
def disable_batch_split() -> Iterator[None]:
    """Context in which batches are not split, because several loops run in parallel already."""
    token = _DISABLED.set(True)
    try:
        yield
    finally:
        _DISABLED.reset(token)


def split_batch(tensor: tf.Tensor, weights_per_step: int | None = None) -> list[BatchSlice]:
    """Returns the slices in which the batch of a tensor `[batch, ...]` runs through a loop.

    In the plain graph they are its two halves: one can compute while the other waits for small operations. That pays
    unless the matrix products of a time step are small too (measured by benchmarks/layers.py on two cores).

    Args:
        tensor: the tensor.
        weights_per_step: number of weights by which each row is multiplied at a time step.
    """
    whole = in_xla() or in_export_mode() or _DISABLED.get() or tensor.shape[0] == 1 or tf.executing_eagerly()
    if weights_per_step is not None and weights_per_step * (tensor.shape[0] or TYPICAL_BATCH) < SMALL_STEP:
        whole = True
    return [BatchSlice()] if whole else BatchSlice.halves(tensor)


def map_batch_slices(function: Callable[[tf.Tensor], tuple], tensor: tf.Tensor, axis: int) -> tuple:
    """Applies a function to the slices of a batch, and concatenates its results along `axis`."""
    slices = split_batch(tensor)
    with disable_batch_split():
        results = [function(part.take(tensor)) for part in slices]
    return tuple(concat_slices(parts, axis) for parts in zip(*results, strict=True))


def concat_slices(tensors: Any, axis: int) -> tf.Tensor:
    """Concatenates the tensors of the slices of a batch."""
    return tensors[0] if len(tensors) == 1 else tf.concat(tensors, axis)
