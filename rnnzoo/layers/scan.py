"""The only loop over time: direction, masks, initial and final states live here, once."""

from typing import Any

import tensorflow as tf

from rnnzoo.cells import Cell
from rnnzoo.cells.ops import in_xla, lookup_of, rearranged, transposed_once, turned, weight
from rnnzoo.layers import engine
from rnnzoo.layers.rows import Rows, parts
from rnnzoo.layers.tick import is_portable
from rnnzoo.layers.watching import note


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
) -> tuple[tf.Tensor, tuple]:
    """Runs a built cell over `inputs [batch, time, features]`: `(outputs, final_state)`.

    A masked step (`mask [batch, time]`, False) leaves the state as it was and repeats the
    previous output, or gives zeros with `zero_output_for_mask`; before the first valid step the
    output is zero. What the inputs hold at a masked step, NaN included, reaches neither values nor gradients.
    `memory`, a nest of `[batch, ...]`, is handed to the cell's `constants`. The
    outputs are `[batch, time, size]`, or the last one, `[batch, size]`, without `return_sequences`. With
    `truncate` no gradient goes back further than so many steps. With `unroll` the graph of an inference is one
    that LiteRT converts.

    In the plain graph the two halves of a batch run side by side.
    """
    portable = is_portable(unroll, training)
    cut = [Rows()] if portable else parts(inputs)
    x, consts, mask = _prepare(cell, inputs, mask, training, go_backwards, memory)
    run, x = note(cell, x, tuple(initial_state), consts, mask, go_backwards)
    outputs, final, index = engine.run(
        run, x, tuple(initial_state), consts, mask, bool(training), return_sequences, truncate, cut, portable
    )
    outputs = _outputs(outputs, final, index, mask, return_sequences)
    if zero_output_for_mask and return_sequences and mask is not None:
        outputs = zero_masked(outputs, _swap(mask))
    return outputs, final


def gates(
    cell: Any, inputs: tf.Tensor, initial_state: Any, mask: tf.Tensor | None, go_backwards: bool, memory: Any
) -> dict:
    """The value of every gate at every step, `{name: [batch, time, units]}`."""
    x, consts, mask = _prepare(cell, inputs, mask, False, go_backwards, memory)
    r, previous, _ = engine.values(cell, x, tuple(initial_state), consts, mask)
    return {name: _swap(value) for name, value in cell.gates(x, r, previous, consts).items()}


def _prepare(cell: Cell, inputs: Any, mask: Any, training: Any, go_backwards: bool, memory: Any) -> tuple:
    """Time first, reversed if asked for; what the loop need not do: `(x, consts, mask)`."""

    def in_order(t: tf.Tensor) -> tf.Tensor:
        return tf.reverse(_swap(t), [0]) if go_backwards else _swap(t)

    if mask is not None:
        mask = tf.cast(mask, tf.bool)
        inputs = zero_masked(inputs, mask)
        mask = in_order(mask)
    inputs = rearranged(inputs, in_order)
    lookup = lookup_of(inputs)
    many = lookup is None or not lookup.pays()
    with transposed_once(_against_the_grain(cell) if training and many else {}):
        consts = cell.constants(inputs, training=training, memory=memory)
        return cell.project(inputs, training=training), consts, mask


def _against_the_grain(cell: Cell) -> dict[int, tf.Tensor]:
    """The weights whose transpose the gradient of the inputs had better multiply by as it stands.

    In a matrix whose rows lie a multiple of 2 KiB apart, a column's numbers compete for the same places of a
    processor's cache; a product by its transpose then takes up to 1.4 times as long.
    """
    if in_xla() or tf.executing_eagerly():
        return {}
    matrices = [v for v in cell.trainable_weights if len(v.shape) == 2 and min(v.shape) >= 64]
    size = tf.as_dtype(cell.compute_dtype).size
    return {id(v): turned(weight(v, cell.compute_dtype)) for v in matrices if v.shape[1] * size % 2048 == 0}


def _outputs(outputs: Any, final: tuple, output_state: int | None, mask: Any, sequence: bool) -> tf.Tensor:
    """Batch first; a masked step repeats the output of the last valid one, or is zero."""
    if mask is None:
        if sequence:
            return _swap(outputs)
        return outputs[-1] if output_state is None else final[output_state]
    valid = _swap(tf.cast(mask, tf.int32))  # [batch, time]
    so_far = tf.cumsum(valid, 1) if sequence else tf.reduce_sum(valid, 1, keepdims=True)
    if output_state is None:
        time = tf.range(tf.shape(valid)[1])
        steps = tf.sort(time + (1 - valid) * tf.size(time), 1) % tf.size(time)  # the valid steps first
        last = tf.gather(steps, tf.maximum(so_far - 1, 0), batch_dims=1)
        outputs = tf.gather(_swap(outputs), last, batch_dims=1)
    else:
        outputs = _swap(outputs) if sequence else final[output_state][:, None]
    outputs = tf.where(tf.expand_dims(so_far > 0, -1), outputs, tf.zeros([], outputs.dtype))
    return outputs if sequence else outputs[:, 0]


def zero_masked(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """`values [batch, time, ...]` with zeros at the masked steps, so that whatever was there has no effect.

    Integers stay as they are, and so do embeddings that are looked up in the product of their table: rows of weights.
    """
    lookup = lookup_of(values)
    if not values.dtype.is_floating or (lookup is not None and lookup.pays()):
        return values
    valid = tf.reshape(mask, tf.concat([tf.shape(mask), [1] * (values.shape.rank - 2)], 0))
    return tf.where(valid, values, tf.zeros([], values.dtype))


def _swap(tensor: tf.Tensor) -> tf.Tensor:
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
