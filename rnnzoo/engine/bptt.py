"""Back-propagation through time with deferred weight gradients, for any cell.

The input projection is computed before the forward loop, which multiplies by the recurrent weights and applies the
equations. The backward loop carries only the gradient of the states, step by step, at the values saved by the forward
loop. The gradients of all weights and constants follow from one product over all time steps.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.ops import pretransposed
from rnnzoo.engine.backward_loop import run_backward, step_targets
from rnnzoo.engine.batch_slices import BatchSlice, concat_slices
from rnnzoo.engine.cell_trace import CellTrace, bind_weights, cast_weights, float_tensors, trace_cell
from rnnzoo.engine.forward_loop import run_forward
from rnnzoo.engine.modes import in_export_mode
from rnnzoo.engine.portable import run_forward_portable
from rnnzoo.engine.tape import LoopInputs, LoopTape, stack_slices
from rnnzoo.engine.truncation import TruncatedGradient


def run_cell(
    cell: Cell,
    x: Any,
    state: tuple,
    consts: Any,
    mask: tf.Tensor | None,
    save: bool,
    sequence: bool,
    truncate: int | None = None,
    slices: Sequence[BatchSlice] = (BatchSlice(),),
    portable: bool = False,
) -> tuple:
    """Runs a cell over all time steps, with a custom gradient.

    `x` is a nest of `[time, batch, ...]`, `mask` is `[time, batch]` or None. `save` saves values for the backward pass,
    `sequence` returns all outputs, `portable` writes a loop that LiteRT can convert. Returns `(output [time, batch,
    ...], final_state, index of the state that the output is, or None)`; without `sequence` such an output is ().
    """
    inputs, trace = _prepare_inputs(cell, x, state, consts, mask)
    sequence = sequence or trace.output_state is None
    if in_export_mode():
        return *_run_slices(cell, trace, inputs, slices, False, sequence, portable)[:2], trace.output_state

    @tf.custom_gradient
    def run(*flat: tf.Tensor) -> tuple:
        packed = tree.pack_sequence_as(inputs, list(flat))
        output, final, tapes = _run_slices(cell, trace, packed, slices, save, sequence, portable)

        def gradient(*d_flat: tf.Tensor) -> list:
            d_results = tree.pack_sequence_as((output, final), list(d_flat))
            saved = tapes if save else _run_slices(cell, trace, packed, slices, True, sequence)[2]
            tape_of_slice = list(zip(slices, saved, strict=True))
            return _backpropagate(cell, trace, packed, tape_of_slice, d_results, TruncatedGradient(truncate))

        return tuple(tree.flatten((output, final))), gradient

    flat = run(*tree.flatten(inputs))
    output, final = (flat[0], flat[1:]) if sequence else ((), flat)
    return output, tuple(final), trace.output_state


def step_values(cell: Cell, x: Any, state: tuple, consts: Any, mask: tf.Tensor | None) -> tuple[Any, tuple, tuple]:
    """Returns r, the previous states and the new states of each time step, nests of `[time, batch, ...]`."""
    inputs, trace = _prepare_inputs(cell, x, state, consts, mask)
    tape = run_forward(cell, trace, inputs, BatchSlice(), True, False)[1]
    states, r = (stack_slices([arrays], inputs, [BatchSlice()]) for arrays in (tape.states, tape.r))
    return tree.pack_sequence_as(trace.r, r), tuple(s[:-1] for s in states), tuple(s[1:] for s in states)


def _prepare_inputs(
    cell: Cell, x: Any, state: tuple, consts: Any, mask: tf.Tensor | None
) -> tuple[LoopInputs, CellTrace]:
    weights = cast_weights(cell)  # once, not at every time step
    trace = trace_cell(cell, x, state, consts, weights)
    return LoopInputs(x, tuple(state), consts, weights, () if mask is None else mask), trace


def _run_slices(
    cell: Cell,
    trace: CellTrace,
    inputs: LoopInputs,
    slices: Sequence[BatchSlice],
    save: bool,
    sequence: bool,
    portable: bool = False,
) -> tuple:
    """Runs the forward loop on each slice: `(output or (), final_state, tape of each slice)`."""
    if portable:
        results = [run_forward_portable(cell, trace, inputs, sequence)]
    else:
        results = [run_forward(cell, trace, inputs, rows, save, sequence) for rows in slices]
    finals, tapes = zip(*results, strict=True)
    output: Any = ()
    if sequence and tapes[0].output:
        output = stack_slices([tape.output for tape in tapes], inputs, slices)[0]
    elif sequence:
        i = trace.output_state or 0
        output = stack_slices([tape.states[i : i + 1] for tape in tapes], inputs, slices)[0][1:]
    return output, tuple(concat_slices(states, 0) for states in zip(*finals, strict=True)), tapes


def _backpropagate(
    cell: Cell,
    trace: CellTrace,
    inputs: LoopInputs,
    tape_of_slice: list[tuple[BatchSlice, LoopTape]],
    d_results: tuple[Any, tuple],
    truncation: TruncatedGradient,
) -> list:
    """Returns the gradient of each tensor of `inputs`, flat; None for tensors that are not floating point."""
    pairs = zip(cell.weights, inputs.weights, strict=True)
    with pretransposed({id(variable): tf.transpose(w) for variable, w in pairs if w.shape.rank == 2}):
        results = [run_backward(cell, trace, inputs, rows, tape, d_results, truncation) for rows, tape in tape_of_slice]
    d_states, *arrays = zip(*results, strict=True)
    d_x, d_r, d_new = ([concat_slices(parts, 1) for parts in zip(*group, strict=True)] for group in arrays)
    d_weights, d_consts = _weight_gradients(cell, trace, inputs, tape_of_slice, d_results[0], d_r, d_new)
    return [
        *_align(d_r if trace.x_plus_r else d_x, inputs.x),
        *(concat_slices(parts, 0) for parts in zip(*d_states, strict=True)),
        *_align(d_consts, inputs.consts),
        *d_weights,
        *(None for _ in tree.flatten(inputs.mask)),
    ]


def _weight_gradients(
    cell: Cell,
    trace: CellTrace,
    inputs: LoopInputs,
    tape_of_slice: list[tuple[BatchSlice, LoopTape]],
    d_output: Any,
    d_r: list,
    d_new: list,
) -> list:
    """Returns the gradients of weights and constants: one vector-Jacobian product over `[time, batch]`."""
    # copies: in the gradient of a loop around the layer, a tape loses sight of tensors of the loop's own graph
    x, (consts, weights) = inputs.x, tree.map_structure(tf.identity, (inputs.consts, inputs.weights))
    slices, tapes = zip(*tape_of_slice, strict=True)
    prev_state = tuple(s[:-1] for s in stack_slices([tape.states for tape in tapes], inputs, slices))
    sources = [weights, float_tensors(consts)]
    with bind_weights(cell, weights), tf.GradientTape() as gradient_tape:
        gradient_tape.watch(sources)
        targets, d_targets = tree.flatten(cell.recurrent(prev_state, consts)), list(d_r)
        if trace.step_uses_weights:
            r = tree.pack_sequence_as(trace.r, stack_slices([tape.r for tape in tapes], inputs, slices))
            results = step_targets(trace, *cell.step(x, r, prev_state, consts), d_output, d_new)
            targets, d_targets = [*targets, *results[0]], [*d_targets, *results[1]]
    if not targets:
        return tree.map_structure(tf.zeros_like, sources)
    return gradient_tape.gradient(targets, sources, d_targets, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _align(gradients: list, nest: Any) -> list:
    """Returns a gradient for each tensor of a nest, None for tensors that are not floating point."""
    remaining = iter(gradients)
    return [next(remaining) if t.dtype.is_floating else None for t in tree.flatten(nest)]
