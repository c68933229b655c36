"""A decoder's cell with attention and input feeding."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.attention import Attention
from rnnzoo.cells.base import Cell, split_states
from rnnzoo.cells.noise import sample_dropout_mask
from rnnzoo.cells.unit_equations import UnitEquation, in_part


@keras.saving.register_keras_serializable(package="rnnzoo")
class AttentionCell(Cell):
    """Decoder cells with input feeding: the attention's output at one time step is an input of the next.

        h_t^1 = cell_1([x_t; y_{t-1}], h_{t-1}^1),   h_t^k = cell_k(h_t^{k-1}, h_{t-1}^k)
        y_t   = attention(h_t^L)

    The memory is passed in the call: `rnnzoo.layers.RNN(cell)(inputs, memory=cell.attention.prepare(memory, mask))`.

    Shapes: inputs `[batch, time, features]`; states those of the cells, then y `[batch, units]`, which is the
    output; weights those of the cells, then those of the attention.

    Args:
        cells: the cells, from bottom to top; they have no dropout of their inputs.
        attention: an `Attention`.
        memory_size: features of the memory.
        residual: whether each cell but the first adds its input to its output.
        dropout: fraction of the inputs of each cell but the first that is dropped in training, sampled at every step.

    Raises:
        ValueError: a cell with `dropout` or zoneout, or `residual` between cells of different sizes.

    >>> import tensorflow as tf, rnnzoo
    >>> cell = AttentionCell([rnnzoo.cells.LSTMCell(4)], Attention(3), memory_size=6)
    >>> layer = rnnzoo.layers.RNN(cell, return_sequences=True)
    >>> layer.build((2, 5, 8))
    >>> layer(tf.ones([2, 5, 8]), memory=cell.attention.prepare(tf.ones([2, 7, 6]))).shape
    TensorShape([2, 5, 3])

    Luong, Pham & Manning (2015), arXiv 1508.04025, section 3.3.
    """

    def __init__(
        self,
        cells: list[Any],
        attention: Attention,
        memory_size: int,
        *,
        residual: bool = False,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for cell in cells:
            every = getattr(cell, "cells", [cell])
            if any(getattr(c, name, 0) for c in every for name in ("dropout", "zoneout", "zoneout_cell")):
                raise ValueError(
                    "with input feeding a cell's inputs are not known before the loop, so it supports neither input "
                    "dropout nor zoneout: use dropout between the layers, or recurrent dropout"
                )
        self.cells, self.attention, self.memory_size = list(cells), attention, memory_size
        self.residual, self.dropout = residual, dropout
        sizes = [cell.state_size for cell in cells]
        self.state_size = [*keras.tree.flatten(sizes), attention.units]
        self.output_size = attention.units
        self.seed_generator = keras.random.SeedGenerator() if dropout else None

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1] + self.attention.units
        for k, cell in enumerate(self.cells):
            if not cell.built:
                cell.build((None, size))
            if self.residual and k and size != cell.output_size:
                raise ValueError(
                    f"residual: cell {k} has {size} inputs and {cell.output_size} outputs; they must be equal"
                )
            size = cell.output_size
        if not self.attention.built:
            self.attention.build((None, size), (None, None, self.memory_size))

    def get_initial_state(self, batch_size: Any) -> list[tf.Tensor]:
        states = [state for cell in self.cells for state in cell.get_initial_state(batch_size)]
        return [*states, tf.zeros([batch_size, self.attention.units], self.compute_dtype)]

    def project(self, inputs: tf.Tensor, training: Any = False) -> Any:
        """Returns the inputs and, in training, the dropout masks between cells."""
        masks = []
        if self.dropout and training:
            for cell in self.cells[:-1]:
                shape = tf.concat([tf.shape(inputs)[:-1], [cell.output_size]], 0)
                masks.append(sample_dropout_mask(shape, self.dropout, self.seed_generator, self.compute_dtype, axis=-2))
        return (tf.cast(inputs, self.compute_dtype), *masks)

    def constants(self, inputs: tf.Tensor, training: Any = False, memory: Any = None) -> Any:
        if memory is None:
            raise ValueError("a decoder with input feeding needs memory=attention.prepare(memory, mask)")
        return (tuple(cell.constants(inputs, training) for cell in self.cells), memory)

    def recurrent(self, state: tuple, consts: Any) -> Any:
        parts = zip(self.cells, split_states(self.cells, state), consts[0], strict=True)
        return tuple(cell.recurrent(own, const) for cell, own, const in parts)

    def gates(self, x: Any, r: Any, state: tuple, consts: Any) -> dict[str, tf.Tensor]:
        """Returns the attention weights a, `{"attention": [..., batch, source_time]}`."""
        return {"attention": self._run_step(x, r, state, consts)[2]}

    def state_symbols(self) -> list[str]:
        return [f"{symbol}^{k}" for k, cell in enumerate(self.cells, 1) for symbol in cell.state_symbols()] + ["y"]

    def unit_equations(self, x: Any, r: Any, state: tuple, consts: Any) -> list[UnitEquation]:
        inputs, equations = tf.concat([x[0], state[-1]], -1), []
        for k, (cell, own) in enumerate(zip(self.cells, split_states(self.cells, state), strict=True)):
            step = (cell.project(inputs), r[k], own, consts[0][k])
            equations += in_part(f"layer {k + 1}", cell.unit_equations(*step))
            inputs = cell.step(*step)[0] + inputs if self.residual and k else cell.step(*step)[0]
        return equations

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        y, new, _ = self._run_step(x, r, state, consts)
        return y, (*new, y)

    def _run_step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, list, tf.Tensor]:
        inputs, *masks = x
        h, new = tf.concat([inputs, state[-1]], -1), []
        for k, (cell, own) in enumerate(zip(self.cells, split_states(self.cells, state), strict=True)):
            cell_inputs = h * masks[k - 1] if k and masks else h
            output, states = cell.step(cell.project(cell_inputs), r[k], own, consts[0][k])
            h = output + h if self.residual and k else output
            new += states
        y, a = self.attention.attend_steps(h, consts[1])
        return y, new, a
