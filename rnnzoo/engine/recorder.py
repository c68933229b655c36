"""Recording of loops over time for inspection: inputs and states of each step, and gradients with respect to them."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from rnnzoo.cells import Cell
from rnnzoo.engine.bptt import step_values


class RecordedLoop(NamedTuple):
    """One recorded loop over time, in the order of its steps: nests of `[time, batch, ...]`.

    Attributes:
        cell: the cell.
        x: the result of `cell.project`.
        state: the initial states.
        consts: the constants.
        mask: `[time, batch]`, or None.
        go_backwards: whether the loop reads the sequence from its end.
        state_perturbation: zeros `[time, batch, size]` for each state, added to the states after each step; the
            gradient with respect to them is that with respect to the states.
    """

    cell: Cell
    x: Any
    state: tuple
    consts: Any
    mask: Any
    go_backwards: bool
    state_perturbation: tuple

    def step_values(self) -> tuple[Any, tuple, tuple]:
        """Returns r, the previous states and the new states of each time step."""
        return step_values(self.cell, self.x, self.state, self.consts, self.mask)


class _PerturbedCell:
    """A cell that adds a perturbation, which comes with its inputs, to its new states."""

    def __init__(self, cell: Cell):
        self._cell = cell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cell, name)

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        x, perturbation = x
        output, new_state = self._cell.step(x, r, state, consts)
        perturbed = tuple(s + e for s, e in zip(new_state, perturbation, strict=True))
        output = next((p for p, s in zip(perturbed, new_state, strict=True) if s is output), output)
        return output, perturbed


_RECORDING: contextvars.ContextVar[tuple[tf.GradientTape, list[RecordedLoop]] | None] = contextvars.ContextVar(
    "recording", default=None
)


@contextlib.contextmanager
def recording(tape: tf.GradientTape) -> Iterator[list[RecordedLoop]]:
    """Context in which loops over time are recorded, so that `tape` has gradients with respect to their states.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = rnnzoo.layers.ElmanRNN(4)
    >>> with tf.GradientTape() as tape, recording(tape) as loops:
    ...     loss = tf.reduce_sum(layer(tf.ones([2, 7, 3])))
    >>> tape.gradient(loss, loops[0].state_perturbation[0]).shape
    TensorShape([7, 2, 4])
    """
    loops: list[RecordedLoop] = []
    token = _RECORDING.set((tape, loops))
    try:
        yield loops
    finally:
        _RECORDING.reset(token)


def is_recording() -> bool:
    """Whether loops over time are recorded."""
    return _RECORDING.get() is not None


def record(cell: Cell, x: Any, state: tuple, consts: Any, mask: Any, go_backwards: bool) -> tuple[Any, Any]:
    """Records a loop if a recording is active; returns the cell and the `x` to run."""
    active = _RECORDING.get()
    if active is None:
        return cell, x
    tape, loops = active
    time = tf.shape(tf.nest.flatten(x)[0])[0]
    perturbation = tuple(tf.zeros(tf.concat([[time], tf.shape(s)], 0), s.dtype) for s in state)
    perturbation = tuple(tf.ensure_shape(e, [None, *s.shape]) for e, s in zip(perturbation, state, strict=True))
    tape.watch(perturbation)
    loops.append(RecordedLoop(cell, x, tuple(state), consts, mask, go_backwards, perturbation))
    return _PerturbedCell(cell), (x, perturbation)
