"""Back-propagation through time with deferred weight gradients, for any cell.

The loop that runs forward multiplies by the recurrent weights and applies the equations; what
concerns the inputs alone was done before it. The loop that runs backward carries only the
gradient of the states, tick by tick, at the values saved on the way forward. The gradients of all
weights and constants then follow from one product over all ticks at once.
"""

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.ops import transposed_once


_PLAIN: contextvars.ContextVar[bool] = contextvars.ContextVar("plain", default=False)


@contextlib.contextmanager
def plain_loop() -> Iterator[None]:
    """Inside, graphs are traced without the custom gradient: for export, where none is needed."""
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


@dataclasses.dataclass(frozen=True)
class Tick:
    """What one tick of a cell looks like, found by tracing it once."""

    output_state: int | None  # the state that the output is, if it is one
    same_x_r: bool  # whether x and r enter as a sum, so that their gradients are one
    step_has_weights: bool  # whether `step` itself reads weights or constants
    r: Any  # specification of r, `[batch, ...]`
    output: tf.TensorSpec


def trace_tick(cell: Cell, x: Any, state: tuple, consts: Any, weights: list[tf.Tensor]) -> Tick:
    """Traces a tick in a graph that is thrown away. Raises `ValueError` if the cell draws random numbers."""
    graph = tf.Graph()
    with graph.as_default():

        def like(t: tf.Tensor) -> tf.Tensor:
            return tf.compat.v1.placeholder(t.dtype, [2, *t.shape[1:]])

        x = tree.map_structure(lambda t: tf.compat.v1.placeholder(t.dtype, [2, *t.shape[2:]]), x)
        state, consts = tree.map_structure(like, (state, consts))
        owned = [tf.compat.v1.placeholder(w.dtype, w.shape) for w in weights]
        with _weights(cell, owned), tf.GradientTape(persistent=True) as tape:
            tape.watch([_floats(x), _floats(consts), owned])
            r = tree.map_structure(like, cell.recurrent(state, consts))
            tape.watch(r)
            output, new_state = cell.step(x, r, state, consts)
        noise = sorted({op.type for op in graph.get_operations() if "Random" in op.type or "Multinomial" in op.type})
        if noise:
            raise ValueError(
                f"{type(cell).__name__} draws random numbers ({noise[0]}) in recurrent() or step(), which run again "
                "on the way back: draw them in project() or constants()"
            )
        targets = [t for t in [output, *new_state] if t.dtype.is_floating]
        d_x, d_r = tape.gradient(targets, [_floats(x), r])
        d_owned = tape.gradient(targets, [*owned, *_floats(consts)])
    flat_x, flat_r = tree.flatten(d_x), tree.flatten(d_r)

    def spec(t: tf.Tensor) -> tf.TensorSpec:
        return tf.TensorSpec([None, *t.shape[1:]], t.dtype)

    return Tick(
        output_state=next((i for i, s in enumerate(new_state) if s is output), None),
        same_x_r=len(flat_x) == len(flat_r) == 1 and flat_x[0] is flat_r[0] and flat_x[0] is not None,
        step_has_weights=any(d is not None for d in d_owned),
        r=tree.map_structure(spec, r),
        output=spec(output),
    )


def run(cell: Cell, x: Any, state: tuple, consts: Any, mask: tf.Tensor | None, save: bool, sequence: bool) -> tuple:
    """All ticks: `(output [time, batch, ...], final_state, index of the state that the output is)`.

    `x` is a nest of `[time, batch, ...]`, `mask` is `[time, batch]` or None. A masked tick leaves
    the state as it was; the output there is that of the equations, unless the output is a state.
    `save` says to keep what the way back needs; without it a gradient runs forward once more.
    Without `sequence` the output is () if it is a state; the index is None if it is not.
    """
    given, tick = _given(cell, x, state, consts, mask)
    sequence = sequence or tick.output_state is None
    if _PLAIN.get():
        return *_forward(cell, tick, given, False, sequence), tick.output_state

    @tf.custom_gradient
    def core(*flat: tf.Tensor) -> tuple:
        nest = tree.pack_sequence_as(given, list(flat))
        output, final, *kept = _forward(cell, tick, nest, save, sequence)

        def gradient(*d_flat: tf.Tensor) -> list:
            d_output, d_final = tree.pack_sequence_as((output, final), list(d_flat))
            saved = kept if save else _forward(cell, tick, nest, True, sequence)[2:]
            return _backward(cell, tick, nest, saved, d_output, d_final)

        return tuple(tree.flatten((output, final))), gradient

    flat = core(*tree.flatten(given))
    output, final = (flat[0], flat[1:]) if sequence else ((), flat)
    return output, tuple(final), tick.output_state


def values(cell: Cell, x: Any, state: tuple, consts: Any, mask: tf.Tensor | None) -> tuple:
    """What each tick saw: `(r, previous_state)`, nests of `[time, batch, ...]`."""
    given, tick = _given(cell, x, state, consts, mask)
    return _forward(cell, tick, given, True, False)[2:]


def _given(cell: Cell, x: Any, state: tuple, consts: Any, mask: tf.Tensor | None) -> tuple[tuple, Tick]:
    weights = [tf.convert_to_tensor(v) for v in cell.weights]  # read, and cast, once
    tick = trace_tick(cell, x, state, consts, weights)
    return (x, tuple(state), consts, weights, () if mask is None else mask), tick


def _forward(cell: Cell, tick: Tick, nest: Any, save: bool, sequence: bool) -> tuple:
    x, state, consts, weights, mask = nest
    masked = not isinstance(mask, tuple)
    flat_x = tree.flatten(x)
    time = tf.shape(flat_x[0])[0]
    reads = [_unstack(t) for t in [*flat_x, *([mask] if masked else [])]]
    kept = [i for i in range(len(state)) if save or (sequence and i == tick.output_state)]
    own_output = tick.output_state is None
    arrays = [_array(state[i], time + 1).write(0, state[i]) for i in kept]
    rs = [_array(spec, time) for spec in tree.flatten(tick.r)] if save else []

    def body(t: tf.Tensor, state: tuple, outputs: list, arrays: list, rs: list) -> tuple:
        values = [read.read(t) for read in reads]
        r = cell.recurrent(state, consts)
        output, new = cell.step(tree.pack_sequence_as(x, values[: len(flat_x)]), r, state, consts)
        new = tuple(tf.ensure_shape(n, s.shape) for n, s in zip(new, state, strict=True))
        if masked:
            new = tuple(_where(values[-1], n, s) for n, s in zip(new, state, strict=True))
        return (
            t + 1,
            new,
            [array.write(t + 1, output) for array in outputs],
            [array.write(t + 1, new[i]) for array, i in zip(arrays, kept, strict=True)],
            [array.write(t, value) for array, value in zip(rs, tree.flatten(r), strict=False)],
        )

    with _weights(cell, weights):
        outputs = (
            [_array(tick.output, time + 1).write(0, _blank(tick.output, state))] if own_output and sequence else []
        )
        loop = (tf.constant(0), tuple(state), outputs, arrays, rs)
        _, final, outputs, arrays, rs = tf.while_loop(lambda t, *_: t < time, body, loop, maximum_iterations=time)
    states = {i: array.stack() for i, array in zip(kept, arrays, strict=True)}
    if not sequence:
        output: Any = ()
    else:
        output = (outputs[0].stack() if own_output else states[tick.output_state])[1:]
    if not save:
        return output, final
    previous = tuple(states[i][:-1] for i in range(len(state)))
    return output, final, tree.pack_sequence_as(tick.r, [array.stack() for array in rs]), previous


def _backward(cell: Cell, tick: Tick, nest: Any, saved: Any, d_output: tf.Tensor, d_final: tuple) -> list:
    x, state, consts, weights, mask = nest
    r, previous = saved
    masked = not isinstance(mask, tuple)
    saved_nest = (x, r, previous, d_output, *([mask] if masked else []))
    reads = [_unstack(t) for t in tree.flatten(saved_nest)]
    time = tf.shape(tree.flatten(x)[0])[0]
    d_r = [_array(t, time) for t in tree.flatten(tick.r)]
    d_x = [] if tick.same_x_r else [_array(t[0], time) for t in _floats(x)]
    d_new = [_array(s, time) for s in state] if tick.step_has_weights else []

    def body(t: tf.Tensor, d_state: tuple, d_x: list, d_r: list, d_new: list) -> tuple:
        x, r, state, d_y, *m = tree.pack_sequence_as(saved_nest, [read.read(t) for read in reads])
        d_state, skipped = _meet(tick, d_state, d_y, m)
        with tf.GradientTape() as tape:
            tape.watch([_floats(x), r, state])
            output, new = cell.step(x, r, state, consts)
        targets, d_targets = _targets(tick, output, new, d_y, d_state)
        g_x, g_r, g_state = tape.gradient(targets, [_floats(x), r, state], d_targets)
        g_r = [_or_zeros(g, v) for g, v in zip(tree.flatten(g_r), tree.flatten(r), strict=True)]
        with tf.GradientTape() as tape:
            tape.watch(state)
            again = tree.flatten(cell.recurrent(state, consts))
        through = tape.gradient(again, state, g_r) if again else [None] * len(state)
        d_x = [a.write(t, _or_zeros(g, v)) for a, g, v in zip(d_x, g_x, _floats(x), strict=False)]
        d_r = [a.write(t, g) for a, g in zip(d_r, g_r, strict=True)]
        d_new = [a.write(t, g) for a, g in zip(d_new, d_state, strict=False)]
        parts = zip(g_state, through, skipped, strict=True)
        return t - 1, tuple(_sum(p, s) for p, s in zip(parts, state, strict=True)), d_x, d_r, d_new

    by_identity = {id(v): w for v, w in zip(cell.weights, weights, strict=True) if w.shape.rank == 2}
    turned = {key: tf.transpose(w) for key, w in by_identity.items()}
    with _weights(cell, weights), transposed_once(turned):
        loop = (time - 1, tuple(d_final), d_x, d_r, d_new)
        _, d_state, *arrays = tf.while_loop(lambda t, *_: t >= 0, body, loop, maximum_iterations=time)
    d_x, d_r, d_new = [[array.stack() for array in group] for group in arrays]
    bulk = (x, r, previous, consts, weights)
    d_weights, d_consts = _bulk(cell, tick, bulk, d_output, d_r, d_new)
    d_x = iter(d_r if tick.same_x_r else d_x)
    d_consts = iter(d_consts)
    return [
        *(next(d_x) if t.dtype.is_floating else None for t in tree.flatten(x)),
        *d_state,
        *(next(d_consts) if t.dtype.is_floating else None for t in tree.flatten(consts)),
        *d_weights,
        *([None] if masked else []),
    ]


def _bulk(cell: Cell, tick: Tick, values: tuple, d_output: tf.Tensor, d_r: list, d_new: list) -> tuple:
    """The gradients of weights and constants: one vector-Jacobian product over `[time, batch]`."""
    x, r, previous, consts, weights = values
    sources = [weights, _floats(consts)]
    with _weights(cell, weights), tf.GradientTape() as tape:
        tape.watch(sources)
        targets, d_targets = tree.flatten(cell.recurrent(previous, consts)), list(d_r)
        if tick.step_has_weights:
            output, new = cell.step(x, r, previous, consts)
            more, d_more = _targets(tick, output, new, d_output, d_new)
            targets, d_targets = [*targets, *more], [*d_targets, *d_more]
    if not targets:
        return tree.map_structure(lambda t: tf.zeros_like(t), sources)
    return tape.gradient(targets, sources, d_targets, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _meet(tick: Tick, d_state: tuple, d_y: tf.Tensor, mask: list) -> tuple[tuple, list]:
    """The gradient that enters a tick, and the part that a masked tick hands on untouched."""
    if tick.output_state is not None and not isinstance(d_y, tuple):
        d_state = tuple(d + tf.cast(d_y, d.dtype) if i == tick.output_state else d for i, d in enumerate(d_state))
    if not mask:
        return d_state, [None] * len(d_state)
    entering = tuple(_where(mask[0], d, tf.zeros_like(d)) for d in d_state)
    return entering, [_where(mask[0], tf.zeros_like(d), d) for d in d_state]


def _targets(tick: Tick, output: tf.Tensor, new: tuple, d_y: tf.Tensor, d_new: Any) -> tuple[list, list]:
    if tick.output_state is not None:
        return list(new), list(d_new)
    return [output, *new], [d_y, *d_new]


def _weights(cell: Cell, values: list) -> keras.StatelessScope:
    """Inside, the cell's variables read as these tensors: arguments of the custom gradient, cast once."""
    scope = keras.StatelessScope()
    for variable, value in zip(cell.weights, values, strict=True):
        scope.add_update((variable, value))
    return scope


def _floats(nest: Any) -> list:
    return [t for t in tree.flatten(nest) if t.dtype.is_floating]


def _blank(spec: tf.TensorSpec, state: tuple) -> tf.Tensor:
    """Zeros for one tick: an array is never empty, and so has a shape even where there is no step."""
    return tf.zeros([tf.shape(state[0])[0], *spec.shape[1:]], spec.dtype)


def _array(like: Any, size: Any) -> tf.TensorArray:
    return tf.TensorArray(like.dtype, size, element_shape=like.shape)


def _unstack(sequence: tf.Tensor) -> tf.TensorArray:
    return tf.TensorArray(sequence.dtype, tf.shape(sequence)[0], element_shape=sequence.shape[1:]).unstack(sequence)


def _where(mask: tf.Tensor, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.reshape(mask, [-1] + [1] * (a.shape.rank - 1)), a, b)


def _or_zeros(gradient: Any, like: tf.Tensor) -> tf.Tensor:
    return tf.zeros_like(like) if gradient is None else gradient


def _sum(parts: tuple, like: tf.Tensor) -> tf.Tensor:
    known = [p for p in parts if p is not None]
    return sum(known[1:], known[0]) if known else tf.zeros_like(like)
