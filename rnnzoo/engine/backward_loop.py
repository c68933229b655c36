"""The backward loop over time, which carries the gradient of the states."""

from typing import Any

import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.activations import ActivationCache, use_activation_cache
from rnnzoo.cells.ops import in_xla
from rnnzoo.engine.arrays import create_array, pad_empty_sequences, read_array, stack_array, while_loop, write_arrays
from rnnzoo.engine.batch_slices import BatchSlice
from rnnzoo.engine.cell_trace import CellTrace, bind_weights, float_tensors
from rnnzoo.engine.tape import LoopInputs, LoopTape
from rnnzoo.engine.truncation import TruncatedGradient


def run_backward(
    cell: Cell,
    trace: CellTrace,
    inputs: LoopInputs,
    rows: BatchSlice,
    tape: LoopTape,
    d_results: tuple[Any, tuple],
    truncation: TruncatedGradient,
) -> tuple:
    """Runs the backward loop on a slice of the batch, from the gradients `(d_output, d_final)` of its results.

    Returns:
        The gradients of the initial states, and arrays `[time, batch, ...]`: the gradients of x (empty if they are
        those of r), of r and, if `step` uses weights, of the new states.
    """
    d_output, d_final = d_results[0], rows.take(tuple(d_results[1]))
    time = tf.shape(tree.flatten(inputs.x)[0])[0]
    sequences = pad_empty_sequences((inputs.x, d_output, inputs.mask))
    if in_xla():
        tape = LoopTape(*(pad_empty_sequences(arrays) for arrays in tape))
    consts = truncation.tile(rows.take(inputs.consts))

    def body(t: tf.Tensor, d_state: tuple, results: list) -> tuple:
        x, d_y, mask = rows.take(tree.pack_sequence_as(sequences, [s[t] for s in tree.flatten(sequences)]))
        saved = [[read_array(array, t) for array in arrays] for arrays in (tape.states, tape.r, tape.activations)]
        state, r, activations = tuple(saved[0]), tree.pack_sequence_as(trace.r, saved[1]), saved[2]
        x, r, state, mask, activations = truncation.tile((x, r, state, mask, activations))
        d_y = truncation.inject(d_y)
        d_state, skipped = _mask_gradient(trace, d_state, d_y, mask)
        d_x, d_r, d_direct = _step_gradients(cell, trace, (x, r, state, consts), activations, d_y, d_state)
        results = _write_gradients(results, t, (d_x, d_r, d_state), truncation)
        d_prev = tuple(_sum(d, truncation.shift(d), skip) for d, skip in zip(d_direct, skipped, strict=True))
        return t - 1, _with_shapes_of(d_state, d_prev), results

    with bind_weights(cell, inputs.weights):
        loop_vars = (time - 1, truncation.inject(d_final), _create_results(trace, inputs.x, d_final, time))
        _, d_state, results = while_loop(lambda t, *_: t >= 0, body, loop_vars, time)
    batch = rows.size(tf.shape(tree.flatten(inputs.state)[0])[0])
    return [truncation.sum(d) for d in d_state], *([stack_array(a, batch, time) for a in arrays] for arrays in results)


def _with_shapes_of(like: tuple, tensors: tuple) -> tuple:
    for tensor, other in zip(tensors, like, strict=True):
        tensor.set_shape(other.shape)
    return tensors


def _create_results(trace: CellTrace, x: Any, d_final: tuple, time: tf.Tensor) -> list[list[tf.TensorArray]]:
    """Creates the arrays of the gradients of x, r and the new states."""
    x_specs = [] if trace.x_plus_r else [tf.TensorSpec([None, *t.shape[2:]], t.dtype) for t in float_tensors(x)]
    new_state_specs = d_final if trace.step_uses_weights else ()
    return [[create_array(s, time) for s in specs] for specs in (x_specs, tree.flatten(trace.r), new_state_specs)]


def _write_gradients(results: list, t: tf.Tensor, gradients: tuple, truncation: TruncatedGradient) -> list:
    return [
        write_arrays(arrays, t, [truncation.sum(d) for d in group] if arrays else [])
        for arrays, group in zip(results, gradients, strict=True)
    ]


def _step_gradients(
    cell: Cell, trace: CellTrace, step_inputs: tuple, activations: list, d_y: Any, d_state: tuple
) -> tuple[list, list, list]:
    """Gradients of x, r and the previous state of one step, from those of its output and new state."""
    x, r, state, consts = step_inputs
    with tf.GradientTape() as tape, use_activation_cache(ActivationCache(activations or None)):
        tape.watch([float_tensors(x), r, state])
        targets, d_targets = step_targets(trace, *cell.step(x, r, state, consts), d_y, d_state)
    d_x, d_r, d_direct = tape.gradient(targets, [float_tensors(x), r, state], d_targets)
    d_x, d_r = _or_zeros(d_x, float_tensors(x)), _or_zeros(tree.flatten(d_r), tree.flatten(r))
    with tf.GradientTape() as tape:
        tape.watch(state)
        products = tree.flatten(cell.recurrent(state, consts))
    d_recurrent = tape.gradient(products, state, d_r) if products else [None] * len(state)
    return d_x, d_r, [_sum(*parts) for parts in zip(state, d_direct, d_recurrent, strict=True)]


def step_targets(trace: CellTrace, output: tf.Tensor, new_state: tuple, d_y: Any, d_new: Any) -> tuple[list, list]:
    """Returns the results of a step and their gradients; an output that is a state is left out."""
    if trace.output_state is not None:
        return list(new_state), list(d_new)
    return [output, *new_state], [d_y, *d_new]


def _mask_gradient(trace: CellTrace, d_state: tuple, d_y: Any, mask: Any) -> tuple[tuple, list]:
    """Splits the gradient of the new states into that of the step and that of masked rows, which skip the step."""
    if trace.output_state is not None and not isinstance(d_y, tuple):
        d_state = tuple(d + tf.cast(d_y, d.dtype) if i == trace.output_state else d for i, d in enumerate(d_state))
    if isinstance(mask, tuple):
        return d_state, [None] * len(d_state)
    of_step = tuple(d * tf.cast(tf.reshape(mask, [-1] + [1] * (d.shape.rank - 1)), d.dtype) for d in d_state)
    return of_step, [d - step for d, step in zip(d_state, of_step, strict=True)]


def _or_zeros(gradients: list, tensors: list) -> list:
    return [tf.zeros_like(t) if g is None else g for g, t in zip(gradients, tensors, strict=True)]


def _sum(like: tf.Tensor, *parts: Any) -> tf.Tensor:
    known = [p for p in parts if p is not None]
    return sum(known[1:], known[0]) if known else tf.zeros_like(like)
