"""The loop over time of all layers: direction, masks, initial and final states."""

import functools
import math
from typing import Any

import tensorflow as tf

from rnnzoo.cells import Cell
from rnnzoo.cells.ops import get_lookup, in_xla, pretransposed, rearrange, transpose_copy, weight
from rnnzoo.engine import cudnn
from rnnzoo.engine.batch_slices import BatchSlice, split_batch
from rnnzoo.engine.bptt import run_cell, step_values
from rnnzoo.engine.masking import apply_mask, mask_outputs, swap_batch_and_time
from rnnzoo.engine.modes import needs_portable_loop
from rnnzoo.engine.native import find_native
from rnnzoo.engine.native.operations import NativeLayer
from rnnzoo.engine.recorder import is_recording, record

CACHE_STRIDE = 2048  # bytes


def scan(
    cell: Cell,
    inputs: tf.Tensor,
    initial_state: Any,
    mask: tf.Tensor | None = None,
    *,
    training: Any = False,
    go_backwards: bool = False,
    return_sequences: bool = True,
    zero_output_for_mask: bool = False,
    memory: Any = None,
    truncate: int | None = None,
    unroll: bool = False,
    use_cudnn: Any = "auto",
) -> tuple[tf.Tensor, tuple]:
    """Runs a built cell over a sequence.

    In the plain graph the two halves of a batch run in parallel. Inputs at masked steps, NaN included, affect neither
    values nor gradients. Arguments are those of `rnnzoo.layers.RNN` and of its call.

    Returns:
        `(outputs, final_state)`; outputs are `[batch, time, size]`, or `[batch, size]` without `return_sequences`.

    Raises:
        ValueError: `use_cudnn` is True, and cuDNN cannot run the cell.
    """
    state = tuple(initial_state)
    mask = None if mask is None else tf.cast(mask, tf.bool)

    arguments = (cell, inputs, state, mask, training, go_backwards, return_sequences, memory, truncate, unroll)
    loop = functools.partial(_scan_loop, *arguments)
    if memory is None and cudnn.is_chosen(use_cudnn, cell, training, truncate, unroll):
        prepare = functools.partial(prepare_inputs, cell, inputs, mask, training)
        fallback = None if use_cudnn is True else loop
        outputs, final = cudnn.run_or_loop(cell, prepare, state, mask, go_backwards, return_sequences, fallback)
    else:
        outputs, final = loop()
    if zero_output_for_mask and return_sequences and mask is not None:
        outputs = apply_mask(outputs, tf.reverse(mask, [1]) if go_backwards else mask)
    return outputs, final


def _scan_loop(
    cell: Cell,
    inputs: tf.Tensor,
    state: tuple,
    mask: tf.Tensor | None,
    training: Any,
    go_backwards: bool,
    return_sequences: bool,
    memory: Any,
    truncate: int | None,
    unroll: bool,
) -> tuple[tf.Tensor, tuple]:
    """Runs a cell by its native kernel, or step by step."""
    portable = needs_portable_loop(unroll, training)
    if not (portable or truncate or is_recording()) and memory is None:
        native = find_native(cell, inputs, state)
        if native is not None:
            return _scan_native(native, cell, inputs, state, mask, bool(training), go_backwards, return_sequences)
    slices = [BatchSlice()] if portable else split_batch(inputs, _weights_per_step(cell))
    x, consts, steps_mask = _prepare_loop(cell, inputs, mask, training, go_backwards, memory)
    cell, x = record(cell, x, state, consts, steps_mask, go_backwards)
    outputs, final, output_state = run_cell(
        cell, x, state, consts, steps_mask, bool(training), return_sequences, truncate, slices, portable
    )
    return mask_outputs(outputs, final, output_state, steps_mask, return_sequences), final


def _weights_per_step(cell: Any) -> int:
    """Returns the number of weights in matrices by which states are multiplied at each time step."""
    projected = getattr(cell, "kernel", None)
    return sum(math.prod(w.shape) for w in cell.weights if len(w.shape) == 2 and w is not projected)


def _scan_native(
    native: tuple,
    cell: Any,
    inputs: tf.Tensor,
    state: tuple,
    mask: tf.Tensor | None,
    training: bool,
    go_backwards: bool,
    return_sequences: bool,
) -> tuple[tf.Tensor, tuple]:
    """Runs the native kernel of a cell; dropout masks are those of the graph engine."""
    inputs, drop = prepare_inputs(cell, inputs, mask, training)

    def graph_loop(inputs: tf.Tensor, state: tuple, drop: Any, mask: Any) -> tuple[tf.Tensor, tuple]:
        x, _, steps_mask = _prepare_loop(cell, inputs, mask, False, go_backwards, None)
        consts = () if drop is None else (drop,)
        outputs, final, output_state = run_cell(cell, x, state, consts, steps_mask, training, return_sequences)
        return mask_outputs(outputs, final, output_state, steps_mask, return_sequences), final

    library, kernel = native
    layer = NativeLayer(library, kernel, cell, graph_loop, drop, mask, training, go_backwards, return_sequences)
    outputs, final = layer.run(inputs, state)
    if mask is not None and not return_sequences:
        outputs = tf.where(tf.reduce_any(mask, 1, keepdims=True), outputs, 0.0)
    return outputs, final


def prepare_inputs(cell: Any, inputs: tf.Tensor, mask: tf.Tensor | None, training: Any) -> tuple:
    """Returns the inputs with dropout, zero at padding, and the mask of recurrent dropout or None."""
    inputs = tf.cast(inputs, cell.compute_dtype)
    if mask is not None:
        inputs = tf.where(tf.expand_dims(mask, -1), inputs, tf.zeros([], inputs.dtype))
    if not (training and cell.is_stochastic()):
        return inputs, None
    first_step = swap_batch_and_time(inputs[:, :1])
    drop = next(iter(cell.constants(first_step, training=training)), None)
    if cell.dropout:
        inputs *= swap_batch_and_time(cell.apply_dropout(tf.ones_like(first_step), training))
    return inputs, drop


def compute_gates(
    cell: Any, inputs: tf.Tensor, initial_state: Any, mask: tf.Tensor | None, go_backwards: bool, memory: Any
) -> dict:
    """Returns the value of every gate at every step, `{name: [batch, time, units]}`."""
    mask = None if mask is None else tf.cast(mask, tf.bool)
    x, consts, mask = _prepare_loop(cell, inputs, mask, False, go_backwards, memory)
    r, prev_state, _ = step_values(cell, x, tuple(initial_state), consts, mask)
    return {name: swap_batch_and_time(value) for name, value in cell.gates(x, r, prev_state, consts).items()}


def _prepare_loop(cell: Cell, inputs: Any, mask: Any, training: Any, go_backwards: bool, memory: Any) -> tuple:
    """Computes `(x, consts, mask)`, time first and in the order of reading."""

    def in_reading_order(t: tf.Tensor) -> tf.Tensor:
        return tf.reverse(swap_batch_and_time(t), [0]) if go_backwards else swap_batch_and_time(t)

    if mask is not None:
        inputs = apply_mask(inputs, mask)
        mask = in_reading_order(mask)
    inputs = rearrange(inputs, in_reading_order)
    lookup = get_lookup(inputs)
    multiplies_inputs = lookup is None or not lookup.is_cheaper()
    with pretransposed(_cache_unfriendly_weights(cell) if training and multiplies_inputs else {}):
        consts = cell.constants(inputs, training=training, memory=memory)
        return cell.project(inputs, training=training), consts, mask


def _cache_unfriendly_weights(cell: Cell) -> dict[int, tf.Tensor]:
    """Returns transposed copies of the weights whose transpose is slow to multiply by.

    In a matrix whose rows are a multiple of 2 KiB apart, the numbers of a column share the same sets of the processor's
    cache; a product by its transpose then takes up to 1.4 times as long.
    """
    if in_xla() or tf.executing_eagerly():
        return {}
    matrices = [v for v in cell.trainable_weights if len(v.shape) == 2 and min(v.shape) >= 64]
    size = tf.as_dtype(cell.compute_dtype).size
    unfriendly = [v for v in matrices if v.shape[1] * size % CACHE_STRIDE == 0]
    return {id(v): transpose_copy(weight(v, cell.compute_dtype)) for v in unfriendly}
