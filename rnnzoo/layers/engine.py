"""Back-propagation through time with deferred weight gradients, for any cell.

The loop that runs forward multiplies by the recurrent weights and applies the equations; what
concerns the inputs alone was done before it. The loop that runs backward carries only the
gradient of the states, tick by tick, at the values saved on the way forward. The gradients of all
weights and constants then follow from one product over all ticks at once.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.ops import transposed_once
from rnnzoo.layers.loops import Given, Trace, backward, ends, forward, stacked
from rnnzoo.layers.portable import portable_forward
from rnnzoo.layers.rows import Rows, joined
from rnnzoo.layers.tick import IN_PLAIN_LOOP, Tick, bound, cast_weights, floats, trace_tick
from rnnzoo.layers.truncation import Ages


def run(
    cell: Cell,
    x: Any,
    state: tuple,
    consts: Any,
    mask: tf.Tensor | None,
    save: bool,
    sequence: bool,
    truncate: int | None = None,
    parts: Sequence[Rows] = (Rows(),),
    portable: bool = False,
) -> tuple:
    """All ticks: `(output [time, batch, ...], final_state, index of the state that the output is)`.

    `x` is a nest of `[time, batch, ...]`, `mask` is `[time, batch]` or None. A masked tick leaves
    the state as it was; the output there is that of the equations, unless the output is a state.
    `save` says to keep what the way back needs; without it a gradient runs forward once more.
    Without `sequence` the output is () if it is a state; the index is None if it is not. With `truncate`
    no gradient goes back further than so many ticks. The `parts` of the batch run side by side. A `portable` loop
    is one that LiteRT converts.
    """
    given, tick = _given(cell, x, state, consts, mask)
    sequence = sequence or tick.output_state is None
    if IN_PLAIN_LOOP.get():
        return *_ticks(cell, tick, given, parts, False, sequence, portable)[:2], tick.output_state

    @tf.custom_gradient
    def core(*flat: tf.Tensor) -> tuple:
        nest = tree.pack_sequence_as(given, list(flat))
        output, final, traces = _ticks(cell, tick, nest, parts, save, sequence, portable)

        def gradient(*d_flat: tf.Tensor) -> list:
            d_output, d_final = tree.pack_sequence_as((output, final), list(d_flat))
            saved = traces if save else _ticks(cell, tick, nest, parts, True, sequence)[2]
            return _gradient(cell, tick, nest, list(zip(parts, saved, strict=True)), d_output, d_final, Ages(truncate))

        return tuple(tree.flatten((output, final))), gradient

    flat = core(*tree.flatten(given))
    output, final = (flat[0], flat[1:]) if sequence else ((), flat)
    return output, tuple(final), tick.output_state


def _ticks(
    cell: Cell,
    tick: Tick,
    given: Given,
    parts: Sequence[Rows],
    save: bool,
    sequence: bool,
    portable: bool = False,
) -> tuple:
    """`(output or (), final_state, the trace of each part)`."""
    if portable:
        found = [portable_forward(cell, tick, given, sequence)]
    else:
        found = [forward(cell, tick, given, rows, save, sequence) for rows in parts]
    finals, traces = zip(*found, strict=True)
    output: Any = ()
    if sequence and traces[0].output:
        output = stacked([trace.output for trace in traces], given, parts)[0]
    elif sequence:
        kept = tick.output_state or 0
        output = stacked([trace.states[kept : kept + 1] for trace in traces], given, parts)[0][1:]
    return output, tuple(joined(states, 0) for states in zip(*finals, strict=True)), traces


def values(cell: Cell, x: Any, state: tuple, consts: Any, mask: tf.Tensor | None) -> tuple[Any, tuple, tuple]:
    """Of each tick r, the states before and those after, nests of `[time, batch, ...]`."""
    given, tick = _given(cell, x, state, consts, mask)
    trace = forward(cell, tick, given, Rows(), True, False)[1]
    states, r = (stacked([part], given, [Rows()]) for part in (trace.states, trace.r))
    return tree.pack_sequence_as(tick.r, r), tuple(s[:-1] for s in states), tuple(s[1:] for s in states)


def _given(cell: Cell, x: Any, state: tuple, consts: Any, mask: tf.Tensor | None) -> tuple[Given, Tick]:
    weights = cast_weights(cell)  # once
    tick = trace_tick(cell, x, state, consts, weights)
    return Given(x, tuple(state), consts, weights, () if mask is None else mask), tick


def _gradient(
    cell: Cell, tick: Tick, given: Given, saved: list[tuple[Rows, Trace]], d_output: Any, d_final: tuple, ages: Ages
) -> list:
    """The gradient of each tensor of `given`, flat; None for what is not a floating number."""
    pairs = zip(cell.weights, given.weights, strict=True)
    with transposed_once({id(variable): tf.transpose(w) for variable, w in pairs if w.shape.rank == 2}):
        found = [backward(cell, tick, given, rows, trace, d_output, d_final, ages) for rows, trace in saved]
    d_states, *arrays = zip(*found, strict=True)
    d_x, d_r, d_new = ([joined(of_parts, 1) for of_parts in zip(*group, strict=True)] for group in arrays)
    d_weights, d_consts = _bulk(cell, tick, given, saved, d_output, d_r, d_new)
    return [
        *_beside(d_r if tick.same_x_r else d_x, given.x),
        *(joined(parts, 0) for parts in zip(*d_states, strict=True)),
        *_beside(d_consts, given.consts),
        *d_weights,
        *(None for _ in tree.flatten(given.mask)),
    ]


def _bulk(
    cell: Cell, tick: Tick, given: Given, saved: list[tuple[Rows, Trace]], d_output: Any, d_r: list, d_new: list
) -> list:
    """The gradients of weights and constants: one vector-Jacobian product over `[time, batch]`."""
    x, _, consts, weights, _ = given
    parts, traces = zip(*saved, strict=True)
    previous = tuple(s[:-1] for s in stacked([trace.states for trace in traces], given, parts))
    sources = [weights, floats(consts)]
    with bound(cell, weights), tf.GradientTape() as tape:
        tape.watch(sources)
        targets, d_targets = tree.flatten(cell.recurrent(previous, consts)), list(d_r)
        if tick.step_has_weights:
            r = tree.pack_sequence_as(tick.r, stacked([trace.r for trace in traces], given, parts))
            last = ends(tick, *cell.step(x, r, previous, consts), d_output, d_new)
            targets, d_targets = [*targets, *last[0]], [*d_targets, *last[1]]
    if not targets:
        return tree.map_structure(tf.zeros_like, sources)
    return tape.gradient(targets, sources, d_targets, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _beside(gradients: list, nest: Any) -> list:
    """A gradient for each tensor of a nest, None for those that have none."""
    left = iter(gradients)
    return [next(left) if t.dtype.is_floating else None for t in tree.flatten(nest)]
