"""The forward loop over time."""

from typing import Any

import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.activations import ActivationCache, use_activation_cache
from rnnzoo.cells.ops import in_xla
from rnnzoo.engine.arrays import create_array, pad_empty_sequences, stack_array, while_loop, write_arrays
from rnnzoo.engine.batch_slices import BatchSlice
from rnnzoo.engine.cell_trace import CellTrace, bind_weights
from rnnzoo.engine.tape import LoopInputs, LoopTape


def run_forward(
    cell: Cell, trace: CellTrace, inputs: LoopInputs, rows: BatchSlice, save: bool, sequence: bool
) -> tuple[tuple, LoopTape]:
    """Runs the forward loop on a slice of the batch.

    Args:
        cell: the cell.
        trace: its trace.
        inputs: the inputs of the whole batch.
        rows: the slice.
        save: whether the tape records what the backward loop needs.
        sequence: whether the tape records the outputs.

    Returns:
        `(final_state, tape)`.
    """
    x, state, consts, weights, mask = inputs
    state, consts = rows.take((tuple(state), consts))
    x, mask = pad_empty_sequences((x, mask))
    time = tf.shape(tree.flatten(inputs.x)[0])[0]
    tape = _create_tape(trace, state, time, save, sequence)

    def body(t: tf.Tensor, state: tuple, tape: LoopTape) -> tuple:
        output, new_state, r, activations = run_step(cell, (x, mask), rows, t, state, consts)
        tape = LoopTape(
            write_arrays(tape.states, t + 1, list(new_state) if tape.states else []),
            write_arrays(tape.output, t, [recorded_output(trace, output, new_state)] if tape.output else []),
            write_arrays(tape.r, t, tree.flatten(r) if tape.r else []),
            write_arrays(tape.activations, t, activations if tape.activations else []),
        )
        return t + 1, new_state, tape

    with bind_weights(cell, weights):
        _, final, tape = while_loop(lambda t, *_: t < time, body, (tf.constant(0), state, tape), time)
    if in_xla() or tf.executing_eagerly():  # arrays cannot be passed to another graph, where the backward pass may be
        batch = tf.shape(state[0])[0]
        states = [stack_array(array, batch, time + 1) for array in tape.states]
        tape = LoopTape(states, *([stack_array(array, batch, time) for array in arrays] for arrays in tape[1:]))
    return final, tape


def run_step(cell: Cell, sequences: Any, rows: BatchSlice, t: tf.Tensor, state: tuple, consts: Any) -> tuple:
    """Runs time step t on a slice of `sequences = (x, mask)`; masked rows keep their state.

    Returns:
        `(output, new_state, r, activations)`.
    """
    x, mask = rows.take(tree.map_structure(lambda s: s[t], sequences))
    r = cell.recurrent(state, consts)
    with use_activation_cache(ActivationCache()) as activations:
        output, new_state = cell.step(x, r, state, consts)
    for new, previous in zip(new_state, state, strict=True):
        new.set_shape(previous.shape)
    if not isinstance(mask, tuple):
        new_state = tuple(_select(mask, new, previous) for new, previous in zip(new_state, state, strict=True))
    return output, tuple(new_state), r, activations


def recorded_output(trace: CellTrace, output: tf.Tensor, new_state: tuple) -> tf.Tensor:
    """Returns the output to record for a step: the masked state, if the output is a state."""
    return output if trace.output_state is None else new_state[trace.output_state]


def _create_tape(trace: CellTrace, state: tuple, time: tf.Tensor, save: bool, sequence: bool) -> LoopTape:
    """Creates an empty tape that holds the initial state."""
    outputs = []
    if trace.output_state is None and sequence:
        outputs = [trace.output]
    elif sequence and not save:
        outputs = [state[trace.output_state or 0]]
    # under XLA cached values would be computed twice; eagerly nothing would be saved
    cache = save and not (in_xla() or tf.executing_eagerly())
    return LoopTape(
        [create_array(initial, time + 1).write(0, initial) for initial in state] if save else [],
        [create_array(spec, time) for spec in outputs],
        [create_array(spec, time) for spec in tree.flatten(trace.r)] if save else [],
        [create_array(spec, time) for spec in trace.activations] if cache else [],
    )


def _select(mask: tf.Tensor, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.reshape(mask, [-1] + [1] * (a.shape.rank - 1)), a, b)
