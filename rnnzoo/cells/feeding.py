"""Input feeding: a decoder's tick that is fed what attention has read."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.attention import Attention
from rnnzoo.cells.base import Cell


@keras.saving.register_keras_serializable(package="rnnzoo")
class AttentionCell(Cell):
    """A decoder's tick with input feeding: what was read at one step enters the next.

        h_t^1 = cell_1([x_t; y_{t-1}], h_{t-1}^1),   h_t^k = cell_k(h_t^{k-1}, h_{t-1}^k)
        y_t   = attention(h_t^L)

    The memory is given with a call: `rnnzoo.layers.RNN(cell)(inputs, memory=cell.attention.prepare(memory, mask))`.

    Shapes: inputs `[batch, time, features]`; states those of the cells, then y `[batch, units]`, which is
    the output; weights those of the cells, then those of the attention.

    Args:
        cells: one over another, the lowest first; they draw no noise of their own for their inputs.
        attention: an `Attention`.
        memory_size: features of the memory.
        residual: each cell but the first adds its input to its output.
        dropout: fraction of what goes from one cell to the next that is hidden in training, drawn anew at
            every step.

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
                    "with input feeding a cell's inputs are not known before the loop, so it has no dropout of inputs "
                    "and no zoneout: use dropout between the layers, or recurrent dropout"
                )
        self.cells, self.attention, self.memory_size = list(cells), attention, memory_size
        self.residual, self.dropout = residual, dropout
        sizes = [cell.state_size for cell in cells]
        self.counts = [len(s) if isinstance(s, (list, tuple)) else 1 for s in sizes]
        self.state_size = [*keras.tree.flatten(sizes), attention.units]
        self.output_size = attention.units
        self.seed_generator = keras.random.SeedGenerator() if dropout else None

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1] + self.attention.units
        for k, cell in enumerate(self.cells):
            if not cell.built:
                cell.build((None, size))
            if self.residual and k and size != cell.output_size:
                raise ValueError(f"residual: cell {k} has {size} inputs and {cell.output_size} outputs, not as many")
            size = cell.output_size
        if not self.attention.built:
            self.attention.build((None, size), (None, None, self.memory_size))

    def get_initial_state(self, batch_size: Any) -> list[tf.Tensor]:
        states = [state for cell in self.cells for state in cell.get_initial_state(batch_size)]
        return [*states, tf.zeros([batch_size, self.attention.units], self.compute_dtype)]

    def project(self, inputs: tf.Tensor, training: Any = False) -> Any:
        """The inputs, and in training what is kept between cells."""
        keeps = []
        if self.dropout and training:
            for cell in self.cells[:-1]:
                shape = tf.concat([tf.shape(inputs)[:-1], [cell.output_size]], 0)
                ones = tf.ones(shape, self.compute_dtype)
                keeps.append(keras.random.dropout(ones, self.dropout, seed=self.seed_generator))
        return (tf.cast(inputs, self.compute_dtype), *keeps)

    def constants(self, inputs: tf.Tensor, training: Any = False, memory: Any = None) -> Any:
        if memory is None:
            raise ValueError("a decoder with input feeding needs memory=attention.prepare(memory, mask)")
        return (tuple(cell.constants(inputs, training) for cell in self.cells), memory)

    def recurrent(self, state: tuple, consts: Any) -> Any:
        dealt = zip(self.cells, self._deal(state), consts[0], strict=True)
        return tuple(cell.recurrent(own, const) for cell, own, const in dealt)

    def gates(self, x: Any, r: Any, state: tuple, consts: Any) -> dict[str, tf.Tensor]:
        """The weights a of the attention, `{"attention": [..., batch, places]}`."""
        return {"attention": self._tick(x, r, state, consts)[2]}

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        y, new, _ = self._tick(x, r, state, consts)
        return y, (*new, y)

    def _tick(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, list, tf.Tensor]:
        inputs, *keeps = x
        h, new = tf.concat([inputs, state[-1]], -1), []
        for k, (cell, own) in enumerate(zip(self.cells, self._deal(state), strict=True)):
            entered = h * keeps[k - 1] if k and keeps else h
            output, states = cell.step(cell.project(entered), r[k], own, consts[0][k])
            h = output + h if self.residual and k else output
            new += states
        y, a = self.attention.attend(h, consts[1])
        return y, new, a

    def _deal(self, state: tuple) -> list[tuple]:
        dealt, first = [], 0
        for count in self.counts:
            dealt.append(tuple(state[first : first + count]))
            first += count
        return dealt
