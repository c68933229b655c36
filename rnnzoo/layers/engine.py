"""Back-propagation through time with deferred weight gradients, for any cell.

The loop that runs forward multiplies by the recurrent weights and applies the equations; what
concerns the inputs alone was done before it. The loop that runs backward carries only the
gradient of the states, tick by tick, at the values saved on the way forward. The gradients of all
weights and constants then follow from one product over all ticks at once.
"""

from typing import Any, NamedTuple

import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.ops import transposed_once
from rnnzoo.layers.tick import IN_PLAIN_LOOP, Tick, bound, cast_weights, floats, trace_tick
from rnnzoo.layers.truncation import Ages


class Given(NamedTuple):
    """All that a pass depends on, nothing captured: a captured tensor would get no gradient."""

    x: Any  # nest of [time, batch, ...]
    state: tuple
    consts: Any
    weights: list
    mask: Any  # [time, batch], or () for none


class Saved(NamedTuple):
    """What the way back needs of each tick, nests of [time, batch, ...]."""

    r: Any
    previous: tuple


def run(
    cell: Cell,
    x: Any,
    state: tuple,
    consts: Any,
    mask: tf.Tensor | None,
    save: bool,
    sequence: bool,
    truncate: int | None = None,
) -> tuple:
    """All ticks: `(output [time, batch, ...], final_state, index of the state that the output is)`.

    `x` is a nest of `[time, batch, ...]`, `mask` is `[time, batch]` or None. A masked tick leaves
    the state as it was; the output there is that of the equations, unless the output is a state.
    `save` says to keep what the way back needs; without it a gradient runs forward once more.
    Without `sequence` the output is () if it is a state; the index is None if it is not. With `truncate`
    no gradient goes back further than so many ticks.
    """
    given, tick = _given(cell, x, state, consts, mask)
    sequence = sequence or tick.output_state is None
    if IN_PLAIN_LOOP.get():
        output, final, _ = _forward(cell, tick, given, False, sequence)
        return output, final, tick.output_state

    @tf.custom_gradient
    def core(*flat: tf.Tensor) -> tuple:
        nest = tree.pack_sequence_as(given, list(flat))
        output, final, kept = _forward(cell, tick, nest, save, sequence)

        def gradient(*d_flat: tf.Tensor) -> list:
            d_output, d_final = tree.pack_sequence_as((output, final), list(d_flat))
            saved = kept if save else _forward(cell, tick, nest, True, sequence)[2]
            return _backward(cell, tick, nest, saved, d_output, d_final, Ages(truncate))

        return tuple(tree.flatten((output, final))), gradient

    flat = core(*tree.flatten(given))
    output, final = (flat[0], flat[1:]) if sequence else ((), flat)
    return output, tuple(final), tick.output_state


def values(cell: Cell, x: Any, state: tuple, consts: Any, mask: tf.Tensor | None) -> tuple[Any, tuple, tuple]:
    """Of each tick r, the states before and those after, nests of `[time, batch, ...]`."""
    given, tick = _given(cell, x, state, consts, mask)
    _, final, (r, previous) = _forward(cell, tick, given, True, False)
    return r, previous, tuple(tf.concat([p[1:], f[None]], 0) for p, f in zip(previous, final, strict=True))


def _given(cell: Cell, x: Any, state: tuple, consts: Any, mask: tf.Tensor | None) -> tuple[Given, Tick]:
    weights = cast_weights(cell)  # once
    tick = trace_tick(cell, x, state, consts, weights)
    return Given(x, tuple(state), consts, weights, () if mask is None else mask), tick


def _forward(cell: Cell, tick: Tick, given: Given, save: bool, sequence: bool) -> tuple[Any, tuple, Any]:
    """`(output or (), final_state, Saved or ())`."""
    x, state, consts, weights, mask = given
    time = tf.shape(tree.flatten(x)[0])[0]
    kept = [i for i in range(len(state)) if save or (sequence and i == tick.output_state)]
    # one place more than there are ticks: what was before the first, so that no array is empty
    firsts = [state[i] for i in kept]
    if sequence and tick.output_state is None:
        firsts.append(tf.zeros([tf.shape(state[0])[0], *tick.output.shape[1:]], tick.output.dtype))
    arrays = [_array(first, time + 1).write(0, first) for first in firsts]
    rs = [_array(spec, time) for spec in tree.flatten(tick.r)] if save else []

    def body(t: tf.Tensor, state: tuple, arrays: list, rs: list) -> tuple:
        x_t, mask_t = tree.pack_sequence_as((x, mask), [s[t] for s in tree.flatten((x, mask))])
        r = cell.recurrent(state, consts)
        output, new = cell.step(x_t, r, state, consts)
        new = tuple(tf.ensure_shape(n, s.shape) for n, s in zip(new, state, strict=True))
        if not isinstance(mask_t, tuple):
            new = tuple(_where(mask_t, n, s) for n, s in zip(new, state, strict=True))
        written = [*(new[i] for i in kept), output][: len(arrays)]
        arrays = [array.write(t + 1, value) for array, value in zip(arrays, written, strict=True)]
        return t + 1, new, arrays, [array.write(t, value) for array, value in zip(rs, tree.flatten(r), strict=False)]

    with bound(cell, weights):
        loop = (tf.constant(0), tuple(state), arrays, rs)
        _, final, arrays, rs = tf.while_loop(lambda t, *_: t < time, body, loop, maximum_iterations=time)
    stacked = [array.stack() for array in arrays]
    output: Any = stacked[-1 if tick.output_state is None else kept.index(tick.output_state)][1:] if sequence else ()
    if not save:
        return output, final, ()
    r = tree.pack_sequence_as(tick.r, [array.stack() for array in rs])
    return output, final, Saved(r, tuple(s[:-1] for s in stacked[: len(state)]))


def _backward(cell: Cell, tick: Tick, given: Given, saved: Saved, d_output: Any, d_final: tuple, ages: Ages) -> list:
    """The gradient of each tensor of `given`, flat; None for what is not a floating number."""
    d_state, d_x, d_r, d_new = _loop_back(cell, tick, given, saved, d_output, d_final, ages)
    d_weights, d_consts = _bulk(cell, tick, given, saved, d_output, d_r, d_new)
    return [
        *_beside(d_r if tick.same_x_r else d_x, given.x),
        *d_state,
        *_beside(d_consts, given.consts),
        *d_weights,
        *(None for _ in tree.flatten(given.mask)),
    ]


def _loop_back(cell: Cell, tick: Tick, given: Given, saved: Saved, d_output: Any, d_final: tuple, ages: Ages) -> tuple:
    """Gradients of the initial state, and `[time, batch, ...]` of x, of r and (if needed) of each new state."""
    x, state, consts, weights, mask = given
    every = (x, saved, d_output, mask)
    time = tf.shape(tree.flatten(x)[0])[0]
    d_x = [] if tick.same_x_r else [_array(t[0], time) for t in floats(x)]
    d_r = [_array(t, time) for t in tree.flatten(tick.r)]
    d_new = [_array(s, time) for s in state] if tick.step_has_weights else []

    def body(t: tf.Tensor, d_state: tuple, d_x: list, d_r: list, d_new: list) -> tuple:
        x, (r, state), d_y, mask = tree.pack_sequence_as(every, [s[t] for s in tree.flatten(every)])
        x, r, state, mask = ages.spread((x, r, state, mask))
        d_y = ages.entering(d_y)
        d_state, skipped = _enter(tick, d_state, d_y, mask)
        with tf.GradientTape() as tape:
            tape.watch([floats(x), r, state])
            targets, d_targets = _ends(tick, *cell.step(x, r, state, consts), d_y, d_state)
        g_x, g_r, g_state = tape.gradient(targets, [floats(x), r, state], d_targets)
        g_r = [_or_zeros(g, v) for g, v in zip(tree.flatten(g_r), tree.flatten(r), strict=True)]
        with tf.GradientTape() as tape:
            tape.watch(state)
            again = tree.flatten(cell.recurrent(state, consts))
        through = tape.gradient(again, state, g_r) if again else [None] * len(state)
        d_x = [a.write(t, ages.total(_or_zeros(g, v))) for a, g, v in zip(d_x, g_x, floats(x), strict=False)]
        d_r = [a.write(t, ages.total(g)) for a, g in zip(d_r, g_r, strict=True)]
        d_new = [a.write(t, ages.total(g)) for a, g in zip(d_new, d_state, strict=False)]
        within = (ages.older(_sum(*parts)) for parts in zip(state, g_state, through, strict=True))
        before = tuple(_sum(d, d, skip) for d, skip in zip(within, skipped, strict=True))
        return t - 1, before, d_x, d_r, d_new

    consts = ages.spread(consts)
    pairs = zip(cell.weights, weights, strict=True)
    turned = {id(variable): tf.transpose(w) for variable, w in pairs if w.shape.rank == 2}
    with bound(cell, weights), transposed_once(turned):
        loop = (time - 1, ages.entering(tuple(d_final)), d_x, d_r, d_new)
        _, d_state, *arrays = tf.while_loop(lambda t, *_: t >= 0, body, loop, maximum_iterations=time)
    return [ages.total(d) for d in d_state], *([array.stack() for array in group] for group in arrays)


def _bulk(cell: Cell, tick: Tick, given: Given, saved: Saved, d_output: Any, d_r: list, d_new: list) -> list:
    """The gradients of weights and constants: one vector-Jacobian product over `[time, batch]`."""
    x, _, consts, weights, _ = given
    sources = [weights, floats(consts)]
    with bound(cell, weights), tf.GradientTape() as tape:
        tape.watch(sources)
        targets, d_targets = tree.flatten(cell.recurrent(saved.previous, consts)), list(d_r)
        if tick.step_has_weights:
            ends = _ends(tick, *cell.step(x, saved.r, saved.previous, consts), d_output, d_new)
            targets, d_targets = [*targets, *ends[0]], [*d_targets, *ends[1]]
    if not targets:
        return tree.map_structure(tf.zeros_like, sources)
    return tape.gradient(targets, sources, d_targets, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _enter(tick: Tick, d_state: tuple, d_y: Any, mask: Any) -> tuple[tuple, list]:
    """The gradient that enters a tick, and the part that a masked tick hands on untouched."""
    if tick.output_state is not None and not isinstance(d_y, tuple):
        d_state = tuple(d + tf.cast(d_y, d.dtype) if i == tick.output_state else d for i, d in enumerate(d_state))
    if isinstance(mask, tuple):
        return d_state, [None] * len(d_state)
    entering = tuple(d * tf.cast(tf.reshape(mask, [-1] + [1] * (d.shape.rank - 1)), d.dtype) for d in d_state)
    return entering, [d - e for d, e in zip(d_state, entering, strict=True)]


def _ends(tick: Tick, output: tf.Tensor, new: tuple, d_y: Any, d_new: Any) -> tuple[list, list]:
    """What a tick ends in, and its gradients; an output that is a state counts once, as that state."""
    if tick.output_state is not None:
        return list(new), list(d_new)
    return [output, *new], [d_y, *d_new]


def _beside(gradients: list, nest: Any) -> list:
    """A gradient for each tensor of a nest, None for those that have none."""
    left = iter(gradients)
    return [next(left) if t.dtype.is_floating else None for t in tree.flatten(nest)]


def _array(like: Any, size: Any) -> tf.TensorArray:
    return tf.TensorArray(like.dtype, size, element_shape=like.shape)


def _where(mask: tf.Tensor, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.reshape(mask, [-1] + [1] * (a.shape.rank - 1)), a, b)


def _or_zeros(gradient: Any, like: tf.Tensor) -> tf.Tensor:
    return tf.zeros_like(like) if gradient is None else gradient


def _sum(like: tf.Tensor, *parts: Any) -> tf.Tensor:
    known = [p for p in parts if p is not None]
    return sum(known[1:], known[0]) if known else tf.zeros_like(like)
