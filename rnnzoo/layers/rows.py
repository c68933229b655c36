"""The rows of a batch: all at once, or its halves side by side."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from keras import tree

from rnnzoo.cells.ops import in_xla
from rnnzoo.layers.tick import IN_PLAIN_LOOP

_BUSY: contextvars.ContextVar[bool] = contextvars.ContextVar("busy", default=False)


class Rows:
    """Some rows of a batch, `first` to `end`, or all."""

    def __init__(self, first: Any = None, end: Any = None):
        whole = end is None
        # tensors made once, not at every tick
        self.bounds = [] if whole else [[b] if isinstance(b, int) else tf.stack([b]) for b in (first, end)]

    @classmethod
    def halves(cls, like: tf.Tensor) -> list["Rows"]:
        """Of the batch of a tensor `[batch, ...]`."""
        rows = tf.shape(like)[0] if like.shape[0] is None else like.shape[0]
        return [cls(0, rows // 2), cls(rows // 2, rows)]

    def count(self, batch: Any) -> Any:
        """How many of the rows of a batch these are."""
        return self.bounds[1][0] - self.bounds[0][0] if self.bounds else batch

    def of(self, nest: Any) -> Any:
        """These rows of a nest of `[batch, ...]`; an axis of 1 serves them all."""
        if not self.bounds:
            return nest
        return tree.map_structure(lambda t: t if t.shape[0] == 1 else tf.strided_slice(t, *self.bounds), nest)


@contextlib.contextmanager
def side_by_side() -> Iterator[None]:
    """Inside, several loops run side by side already: a batch is not cut in halves for that."""
    token = _BUSY.set(True)
    try:
        yield
    finally:
        _BUSY.reset(token)


def parts(like: tf.Tensor) -> list[Rows]:
    """How the batch of a tensor `[batch, ...]` goes through a loop.

    In the plain graph its halves go side by side: one waits for its small operations while the other computes.
    """
    whole = in_xla() or IN_PLAIN_LOOP.get() or _BUSY.get() or like.shape[0] == 1 or tf.executing_eagerly()
    return [Rows()] if whole else Rows.halves(like)


def by_parts(function: Callable[[tf.Tensor], tuple], rows: tf.Tensor, axis: int) -> tuple:
    """`function(rows)`, of the parts of the batch, which come together along `axis`."""
    cut = parts(rows)
    with side_by_side():
        results = [function(part.of(rows)) for part in cut]
    return tuple(joined(found, axis) for found in zip(*results, strict=True))


def joined(found: Any, axis: int) -> tf.Tensor:
    """The tensors of each part of a batch as one."""
    return found[0] if len(found) == 1 else tf.concat(found, axis)
