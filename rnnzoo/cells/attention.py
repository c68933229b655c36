"""Attention: what a decoder looks at, and a decoder's tick that is fed what it saw."""

import operator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rnnzoo.cells.base import Cell
from rnnzoo.cells.ops import dot, weight
from rnnzoo.serialization import SignatureConfig

SCORES = ("dot", "general", "additive")


class Prepared(NamedTuple):
    """A memory made ready, once for a sequence: what queries are compared with, what is read, and where it is."""

    keys: tf.Tensor  # [batch, places, size]
    values: tf.Tensor  # [batch, places, memory size]
    there: tf.Tensor  # [batch, places], False at padding


@keras.saving.register_keras_serializable(package="rnnzoo")
class Attention(SignatureConfig, keras.layers.Layer):
    """Reads a memory where it fits a query, and puts both together.

        e_ti = h_t . m_i                              dot
        e_ti = h_t . (m_i W_a)                        general
        e_ti = v . tanh(h_t W_h + m_i W_a + b)        additive
        a_t  = softmax(e_t), over what is no padding
        c_t  = sum_i a_ti m_i
        y_t  = tanh([c_t; h_t] W_c)

    Call it with `(query [batch, time, size], memory [batch, places, features], memory_mask=None)`, the
    mask `[batch, places]` being False at padding; it returns y `[batch, time, units]`, and with
    `return_weights` a `[batch, time, places]` too. A weight on padding is exactly 0, those of a
    row sum to 1; of a memory that is all padding, weights and c are 0.

    Weights: `memory_kernel` W_a, `query_kernel` W_h, `bias` b and `score_kernel` v as the score has them,
    `kernel` W_c `[features + size, units]`.

    Args:
        units: size of y, and of the hidden layer of the additive score.
        score: "dot", "general" (Luong) or "additive" (Bahdanau).
        return_weights: whether a call returns a too.

    Raises:
        ValueError: another score, `units` below 1, or "dot" where query and memory differ in size.

    >>> import tensorflow as tf, rnnzoo
    >>> attention = rnnzoo.layers.Attention(4, "additive", return_weights=True)
    >>> y, a = attention(tf.ones([2, 3, 5]), tf.ones([2, 7, 6]))
    >>> y.shape, a.shape
    (TensorShape([2, 3, 4]), TensorShape([2, 3, 7]))

    Luong, Pham & Manning (2015), Effective approaches to attention-based neural machine translation,
    EMNLP, arXiv 1508.04025; Bahdanau, Cho & Bengio (2014), Neural machine translation by jointly
    learning to align and translate, arXiv 1409.0473 (its score; the place in the network is Luong's).
    """

    def __init__(self, units: int, score: str = "general", *, return_weights: bool = False, **kwargs):
        super().__init__(**kwargs)
        if score not in SCORES:
            raise ValueError(f"score must be one of {', '.join(SCORES)}, not {score!r}")
        if isinstance(units, bool) or not hasattr(units, "__index__") or units < 1:
            raise ValueError(f"units must be an integer of at least 1, not {units!r}")
        self.units, self.score, self.return_weights = operator.index(units), score, return_weights
        self.supports_masking = True

    def build(self, query_shape: Any, memory_shape: Any) -> None:
        query, memory = query_shape[-1], memory_shape[-1]
        if self.score == "dot" and query != memory:
            raise ValueError(
                f"attention 'dot' compares vectors of one size, but queries have {query} and the memory {memory} "
                "numbers: use 'general', which has a matrix between them"
            )
        width = self.units if self.score == "additive" else query
        if self.score != "dot":
            self.memory_kernel = self.add_weight(shape=(memory, width), name="memory_kernel")
        if self.score == "additive":
            self.query_kernel = self.add_weight(shape=(query, width), name="query_kernel")
            self.bias = self.add_weight(shape=(width,), initializer="zeros", name="bias")
            self.score_kernel = self.add_weight(shape=(width, 1), name="score_kernel")
        self.kernel = self.add_weight(shape=(memory + query, self.units), name="kernel")

    def call(self, query: Any, memory: Any, memory_mask: Any = None) -> Any:
        y, a = self.read(query, self.prepare(memory, memory_mask))
        return (y, a) if self.return_weights else y

    def compute_mask(self, query: Any, mask: Any = None) -> Any:
        mask = keras.tree.flatten(mask)[0] if mask is not None else None  # y has a step for each of the query
        return [mask, None] if self.return_weights else mask

    def compute_output_shape(self, query_shape: Any, memory_shape: Any) -> Any:
        y = (*query_shape[:-1], self.units)
        return (y, (*query_shape[:-1], memory_shape[-2])) if self.return_weights else y

    def prepare(self, memory: tf.Tensor, mask: Any = None) -> Prepared:
        """The memory `[batch, places, features]` as `attend` reads it."""
        memory = tf.cast(memory, self.compute_dtype)
        there = tf.ones(tf.shape(memory)[:2], tf.bool) if mask is None else tf.cast(mask, tf.bool)
        keys = memory if self.score == "dot" else dot(memory, self.memory_kernel)
        if self.score == "additive":
            keys = keys + weight(self.bias, keys.dtype)
        return Prepared(keys, memory, there)

    def attend(self, query: tf.Tensor, prepared: Prepared) -> tuple[tf.Tensor, tf.Tensor]:
        """`(y, a)` for queries `[batch, size]`, or `[n, batch, size]` (n steps, or n guesses, of each)."""
        if query.shape.rank == 2:
            y, a = self.read(query[:, None], prepared)
            return y[:, 0], a[:, 0]
        y, a = self.read(tf.transpose(query, [1, 0, 2]), prepared)
        return tf.transpose(y, [1, 0, 2]), tf.transpose(a, [1, 0, 2])

    def read(self, query: tf.Tensor, prepared: Prepared) -> tuple[tf.Tensor, tf.Tensor]:
        """`(y, a)` for queries `[batch, n, size]`."""
        a = self._weights(tf.cast(query, self.compute_dtype), prepared)
        c = tf.matmul(a, prepared.values)
        return tf.tanh(dot(tf.concat([c, tf.cast(query, c.dtype)], -1), self.kernel)), a

    def _weights(self, rows: tf.Tensor, prepared: Prepared) -> tf.Tensor:
        """a `[batch, n, places]`."""
        if self.score == "additive":
            hidden = tf.tanh(dot(rows, self.query_kernel)[:, :, None] + prepared.keys[:, None])
            e = dot(hidden, self.score_kernel)[..., 0]
        else:
            e = tf.matmul(rows, prepared.keys, transpose_b=True)
        there = prepared.there[:, None]
        e = tf.where(there, tf.cast(e, tf.float64 if e.dtype == tf.float64 else tf.float32), tf.float32.min)
        return tf.cast(tf.where(there, tf.nn.softmax(e), tf.zeros([], e.dtype)), rows.dtype)


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
