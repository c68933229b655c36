"""The two loops over time: forward by the equations of a cell, backward with the gradient of its states."""

from typing import Any, NamedTuple

import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.activations import Notes, noting
from rnnzoo.cells.ops import in_xla
from rnnzoo.layers.arrays import new_array, pad_empty, read, stack, while_loop, write
from rnnzoo.layers.rows import Rows, joined
from rnnzoo.layers.tick import Tick, bound, floats
from rnnzoo.layers.truncation import Ages


class Given(NamedTuple):
    """All that a pass depends on, nothing captured: a captured tensor would get no gradient."""

    x: Any  # nest of [time, batch, ...]
    state: tuple
    consts: Any
    weights: list
    mask: Any  # [time, batch], or () for none


class Trace(NamedTuple):
    """What a loop has left behind of each tick: `tf.TensorArray`s, or tensors `[time, batch, ...]`."""

    states: list  # those that are kept, if any; one more, the initial one being the first
    output: list  # of one, unless that is a state that is kept
    r: list
    noted: list  # what activations gave


def forward(cell: Cell, tick: Tick, given: Given, rows: Rows, save: bool, sequence: bool) -> tuple[tuple, Trace]:
    """`(final_state, trace)` of some rows; with `save` the trace has all that the way back needs."""
    x, state, consts, weights, mask = given
    state, consts = rows.of((tuple(state), consts))
    x, mask = pad_empty((x, mask))
    time = tf.shape(tree.flatten(given.x)[0])[0]
    trace = _blank(tick, state, time, save, sequence)

    def body(t: tf.Tensor, state: tuple, trace: Trace) -> tuple:
        output, new, r, noted = run_step(cell, (x, mask), rows, t, state, consts)
        trace = Trace(
            write(trace.states, t + 1, list(new) if trace.states else []),
            write(trace.output, t, [step_output(tick, output, new)] if trace.output else []),
            write(trace.r, t, tree.flatten(r) if trace.r else []),
            write(trace.noted, t, noted if trace.noted else []),
        )
        return t + 1, new, trace

    with bound(cell, weights):
        _, final, trace = while_loop(lambda t, *_: t < time, body, (tf.constant(0), state, trace), time)
    if in_xla() or tf.executing_eagerly():  # the way back may be in another graph, which no array passes into
        batch = tf.shape(state[0])[0]
        states = [stack(array, batch, time + 1) for array in trace.states]
        trace = Trace(states, *([stack(array, batch, time) for array in part] for part in trace[1:]))
    return final, trace


def run_step(cell: Cell, sources: Any, rows: Rows, t: tf.Tensor, state: tuple, consts: Any) -> tuple:
    """Time step t of some rows: `(output, new_state, r, activations)`; a masked row keeps its state."""
    x, mask = rows.of(tree.map_structure(lambda s: s[t], sources))
    r = cell.recurrent(state, consts)
    with noting(Notes()) as noted:
        output, new = cell.step(x, r, state, consts)
    for n, s in zip(new, state, strict=True):
        n.set_shape(s.shape)
    if not isinstance(mask, tuple):
        new = tuple(_where(mask, n, s) for n, s in zip(new, state, strict=True))
    return output, tuple(new), r, noted


def step_output(tick: Tick, output: tf.Tensor, new: tuple) -> tf.Tensor:
    """The output recorded for a step: the masked state, where the output is a state."""
    return output if tick.output_state is None else new[tick.output_state]


def _blank(tick: Tick, state: tuple, time: tf.Tensor, save: bool, sequence: bool) -> Trace:
    """A trace of so many ticks in which only what was before the first stands."""
    outputs = []
    if tick.output_state is None and sequence:
        outputs = [tick.output]
    elif sequence and not save:
        outputs = [state[tick.output_state or 0]]
    # under XLA what goes into an array would be computed once more for it; eagerly nothing would be left out
    note = save and not (in_xla() or tf.executing_eagerly())
    return Trace(
        [new_array(first, time + 1).write(0, first) for first in state] if save else [],
        [new_array(like, time) for like in outputs],
        [new_array(spec, time) for spec in tree.flatten(tick.r)] if save else [],
        [new_array(spec, time) for spec in tick.noted] if note else [],
    )


def backward(
    cell: Cell, tick: Tick, given: Given, rows: Rows, trace: Trace, d_output: Any, d_final: tuple, ages: Ages
) -> tuple:
    """The gradients of the initial state of some rows, and arrays: those of x, of r and, if needed, of new states."""
    x, _, consts, weights, mask = given
    consts, d_final = rows.of((consts, tuple(d_final)))
    time = tf.shape(tree.flatten(x)[0])[0]
    every = pad_empty((x, d_output, mask))
    if in_xla():
        trace = Trace(*(pad_empty(part) for part in trace))
    d_x = [] if tick.same_x_r else [new_array(tf.TensorSpec([None, *t.shape[2:]], t.dtype), time) for t in floats(x)]
    d_r = [new_array(t, time) for t in tree.flatten(tick.r)]
    d_new = [new_array(s, time) for s in d_final] if tick.step_has_weights else []

    consts = ages.spread(consts)

    def body(t: tf.Tensor, d_state: tuple, d_x: list, d_r: list, d_new: list) -> tuple:
        x, d_y, mask = rows.of(tree.pack_sequence_as(every, [s[t] for s in tree.flatten(every)]))
        state, r, noted = ([read(kept, t) for kept in part] for part in (trace.states, trace.r, trace.noted))
        x, r, state, mask, noted = ages.spread((x, tree.pack_sequence_as(tick.r, r), tuple(state), mask, noted))
        d_y = ages.entering(d_y)
        d_state, skipped = _enter(tick, d_state, d_y, mask)
        g_x, g_r, within = _tick_back(cell, tick, (x, r, state, consts), noted, d_y, d_state)
        d_x, d_r, d_new = (
            write(arrays, t, [ages.total(g) for g in part] if arrays else [])
            for arrays, part in ((d_x, g_x), (d_r, g_r), (d_new, d_state))
        )
        before = tuple(_sum(d, ages.older(d), skip) for d, skip in zip(within, skipped, strict=True))
        for d, after in zip(before, d_state, strict=True):
            d.set_shape(after.shape)
        return t - 1, before, d_x, d_r, d_new

    with bound(cell, weights):
        loop = (time - 1, ages.entering(d_final), d_x, d_r, d_new)
        _, d_state, *arrays = while_loop(lambda t, *_: t >= 0, body, loop, time)
    batch = rows.count(tf.shape(tree.flatten(given.state)[0])[0])
    return [ages.total(d) for d in d_state], *([stack(array, batch, time) for array in part] for part in arrays)


def _tick_back(cell: Cell, tick: Tick, given: tuple, noted: list, d_y: Any, d_state: tuple) -> tuple[list, list, list]:
    """Gradients of one tick: of x, of r, and of the state before it, from those of what it ends in."""
    x, r, state, consts = given
    with tf.GradientTape() as tape, noting(Notes(noted or None)):
        tape.watch([floats(x), r, state])
        targets, d_targets = ends(tick, *cell.step(x, r, state, consts), d_y, d_state)
    g_x, g_r, g_state = tape.gradient(targets, [floats(x), r, state], d_targets)
    g_x, g_r = _or_zeros(g_x, floats(x)), _or_zeros(tree.flatten(g_r), tree.flatten(r))
    with tf.GradientTape() as tape:
        tape.watch(state)
        again = tree.flatten(cell.recurrent(state, consts))
    through = tape.gradient(again, state, g_r) if again else [None] * len(state)
    return g_x, g_r, [_sum(*parts) for parts in zip(state, g_state, through, strict=True)]


def stacked(arrays: Any, given: Given, parts: Any) -> list:
    """From the arrays of each part of the batch, `[[of the first part, ...], ...]`, all rows: `[time, batch, ...]`."""
    time, batch = tf.shape(tree.flatten(given.x)[0])[0], tf.shape(given.state[0])[0]
    found = [[stack(a, rows.count(batch), time) for a in of_part] for rows, of_part in zip(parts, arrays, strict=True)]
    return [joined(of_parts, 1) for of_parts in zip(*found, strict=True)]


def ends(tick: Tick, output: tf.Tensor, new: tuple, d_y: Any, d_new: Any) -> tuple[list, list]:
    """What a tick ends in, and its gradients; an output that is a state counts once, as that state."""
    if tick.output_state is not None:
        return list(new), list(d_new)
    return [output, *new], [d_y, *d_new]


def _enter(tick: Tick, d_state: tuple, d_y: Any, mask: Any) -> tuple[tuple, list]:
    """The gradient that enters a tick, and the part that a masked tick hands on untouched."""
    if tick.output_state is not None and not isinstance(d_y, tuple):
        d_state = tuple(d + tf.cast(d_y, d.dtype) if i == tick.output_state else d for i, d in enumerate(d_state))
    if isinstance(mask, tuple):
        return d_state, [None] * len(d_state)
    entering = tuple(d * tf.cast(tf.reshape(mask, [-1] + [1] * (d.shape.rank - 1)), d.dtype) for d in d_state)
    return entering, [d - e for d, e in zip(d_state, entering, strict=True)]


def _where(mask: tf.Tensor, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.reshape(mask, [-1] + [1] * (a.shape.rank - 1)), a, b)


def _or_zeros(gradients: list, like: list) -> list:
    return [tf.zeros_like(t) if g is None else g for g, t in zip(gradients, like, strict=True)]


def _sum(like: tf.Tensor, *parts: Any) -> tf.Tensor:
    known = [p for p in parts if p is not None]
    return sum(known[1:], known[0]) if known else tf.zeros_like(like)
