"""Attention of a decoder over the encoder's memory."""

import operator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rnnzoo.cells.input_checks import CheckedInputs
from rnnzoo.cells.ops import dot, weight
from rnnzoo.serialization import SignatureConfig

SCORES = ("dot", "general", "additive")


class PreparedMemory(NamedTuple):
    """A memory prepared once for a sequence: the keys for the scores, the values, and the mask."""

    keys: tf.Tensor  # [batch, source_time, size]
    values: tf.Tensor  # [batch, source_time, memory size]
    memory_mask: tf.Tensor  # [batch, source_time], False at padding


@keras.saving.register_keras_serializable(package="rnnzoo")
class Attention(CheckedInputs, SignatureConfig, keras.layers.Layer):
    """Attention: a weighted sum of a memory, combined with the query.

        e_ti = h_t . m_i                              dot
        e_ti = h_t . (m_i W_a)                        general
        e_ti = v . tanh(h_t W_h + m_i W_a + b)        additive
        a_t  = softmax(e_t), over the source time steps that are not padding
        c_t  = sum_i a_ti m_i
        y_t  = tanh([c_t; h_t] W_c)

    Call it with `(query [batch, time, size], memory [batch, source_time, features], memory_mask=None)`; the mask
    `[batch, source_time]` is False at padding. It returns y `[batch, time, units]`, and with `return_weights` also a
    `[batch, time, source_time]`. The weights of padding are exactly 0, those of a row sum to 1; for a memory that is
    all padding, weights and c are 0.

    Weights: `memory_kernel` W_a, `query_kernel` W_h, `bias` b and `score_kernel` v as the score needs them, and
    `kernel` W_c `[features + size, units]`.

    Args:
        units: size of y, and of the hidden layer of the additive score.
        score: "dot", "general" (Luong) or "additive" (Bahdanau).
        return_weights: whether a call also returns a.

    Raises:
        ValueError: an unknown score, `units` below 1, or "dot" where query and memory have different sizes.

    >>> import tensorflow as tf, rnnzoo
    >>> attention = rnnzoo.layers.Attention(4, "additive", return_weights=True)
    >>> y, a = attention(tf.ones([2, 3, 5]), tf.ones([2, 7, 6]))
    >>> y.shape, a.shape
    (TensorShape([2, 3, 4]), TensorShape([2, 3, 7]))

    Luong, Pham & Manning (2015), Effective approaches to attention-based neural machine translation, EMNLP, arXiv
    1508.04025; Bahdanau, Cho & Bengio (2014), Neural machine translation by jointly learning to align and translate,
    arXiv 1409.0473 (its score; the architecture is Luong's).
    """

    def __init__(self, units: int, score: str = "general", *, return_weights: bool = False, **kwargs):
        super().__init__(**kwargs)
        if score not in SCORES:
            raise ValueError(f"score must be one of {', '.join(SCORES)}, got {score!r}")
        if isinstance(units, bool) or not hasattr(units, "__index__") or units < 1:
            raise ValueError(f"units must be an integer of at least 1, got {units!r}")
        self.units, self.score, self.return_weights = operator.index(units), score, return_weights
        self.supports_masking = True

    def build(self, query_shape: Any, memory_shape: Any) -> None:
        query, memory = query_shape[-1], memory_shape[-1]
        if self.score == "dot" and query != memory:
            raise ValueError(
                f"attention 'dot' needs queries and a memory of the same size, got {query} and {memory}: use "
                "'general', which has a matrix between them"
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
        y, a = self.attend(query, self.prepare(memory, memory_mask))
        return (y, a) if self.return_weights else y

    def compute_mask(self, query: Any, mask: Any = None) -> Any:
        mask = keras.tree.flatten(mask)[0] if mask is not None else None  # y has the time steps of the query
        return [mask, None] if self.return_weights else mask

    def compute_output_shape(self, query_shape: Any, memory_shape: Any) -> Any:
        y = (*query_shape[:-1], self.units)
        return (y, (*query_shape[:-1], memory_shape[-2])) if self.return_weights else y

    def prepare(self, memory: tf.Tensor, mask: Any = None) -> PreparedMemory:
        """Prepares a memory `[batch, source_time, features]` for `attend`."""
        memory = tf.cast(memory, self.compute_dtype)
        if mask is None:
            mask = tf.ones(tf.shape(memory)[:2], tf.bool)
        else:
            mask = tf.cast(mask, tf.bool)
            memory = tf.where(tf.expand_dims(mask, -1), memory, tf.zeros([], memory.dtype))  # NaN included
        bias = weight(self.bias, memory.dtype) if self.score == "additive" else None
        keys = memory if self.score == "dot" else dot(memory, self.memory_kernel, bias=bias)
        return PreparedMemory(keys, memory, mask)

    def attend_steps(self, query: tf.Tensor, prepared: PreparedMemory) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes `(y, a)` for queries `[batch, size]` of one step, or `[n, batch, size]` of n steps or hypotheses."""
        if query.shape.rank == 2:
            y, a = self.attend(query[:, None], prepared)
            return y[:, 0], a[:, 0]
        y, a = self.attend(tf.transpose(query, [1, 0, 2]), prepared)
        return tf.transpose(y, [1, 0, 2]), tf.transpose(a, [1, 0, 2])

    def attend(self, query: tf.Tensor, prepared: PreparedMemory) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes `(y, a)` for queries `[batch, time, size]`."""
        a = self._attention_weights(tf.cast(query, self.compute_dtype), prepared)
        c = tf.matmul(a, prepared.values)
        return tf.tanh(dot(tf.concat([c, tf.cast(query, c.dtype)], -1), self.kernel)), a

    def _attention_weights(self, query: tf.Tensor, prepared: PreparedMemory) -> tf.Tensor:
        """Computes a `[batch, time, source_time]`."""
        if self.score == "additive":
            # not q[:, :, None]: the gradient of a slice fills a tensor with zeros first
            q = tf.expand_dims(dot(query, self.query_kernel), 2)
            e = tf.squeeze(dot(tf.tanh(q + tf.expand_dims(prepared.keys, 1)), self.score_kernel), -1)
        else:
            e = tf.matmul(query, prepared.keys, transpose_b=True)
        mask = tf.expand_dims(prepared.memory_mask, 1)
        e = tf.where(mask, tf.cast(e, tf.float64 if e.dtype == tf.float64 else tf.float32), tf.float32.min)
        return tf.cast(tf.where(mask, tf.nn.softmax(e), tf.zeros([], e.dtype)), query.dtype)
