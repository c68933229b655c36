"""What loops over time compute, for those who want to see it: inputs and states of each tick, and gradients by them."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from rnnzoo.cells import Cell
from rnnzoo.layers import engine


class Watched(NamedTuple):
    """One loop over time, in the order of its ticks: nests of `[time, batch, ...]`.

    `push` is zero, one `[time, batch, size]` for each state, and was added to the states after each tick: the
    gradient of a loss by it is that by the states.
    """

    cell: Cell
    x: Any
    state: tuple
    consts: Any
    mask: Any  # [time, batch], or None
    backwards: bool
    push: tuple

    def values(self) -> tuple[Any, tuple, tuple]:
        """Of each tick r, the states before and those after."""
        return engine.values(self.cell, self.x, self.state, self.consts, self.mask)


class _Pushed:
    """A cell to whose new states something is added, which comes with its inputs."""

    def __init__(self, cell: Cell):
        self._cell = cell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cell, name)

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        x, push = x
        output, new = self._cell.step(x, r, state, consts)
        pushed = tuple(s + e for s, e in zip(new, push, strict=True))
        return next((p for p, s in zip(pushed, new, strict=True) if s is output), output), pushed


_WATCH: contextvars.ContextVar[tuple[tf.GradientTape, list[Watched]] | None] = contextvars.ContextVar(
    "watch", default=None
)


@contextlib.contextmanager
def watching(tape: tf.GradientTape) -> Iterator[list[Watched]]:
    """Inside, loops over time note here what they compute, and `tape` can give the gradients by each `push`.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = rnnzoo.layers.ElmanRNN(4)
    >>> with tf.GradientTape() as tape, watching(tape) as seen:
    ...     loss = tf.reduce_sum(layer(tf.ones([2, 7, 3])))
    >>> tape.gradient(loss, seen[0].push[0]).shape
    TensorShape([7, 2, 4])
    """
    seen: list[Watched] = []
    token = _WATCH.set((tape, seen))
    try:
        yield seen
    finally:
        _WATCH.reset(token)


def note(cell: Cell, x: Any, state: tuple, consts: Any, mask: Any, backwards: bool) -> tuple[Any, Any]:
    """The cell and `x` to run instead, where somebody is watching; otherwise those given."""
    watch = _WATCH.get()
    if watch is None:
        return cell, x
    tape, seen = watch
    time = tf.shape(tf.nest.flatten(x)[0])[0]
    push = tuple(tf.zeros(tf.concat([[time], tf.shape(s)], 0), s.dtype) for s in state)
    push = tuple(tf.ensure_shape(e, [None, *s.shape]) for e, s in zip(push, state, strict=True))
    tape.watch(push)
    seen.append(Watched(cell, x, tuple(state), consts, mask, backwards, push))
    return _Pushed(cell), (x, push)
