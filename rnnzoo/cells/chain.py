"""Cells of a linear-chain conditional random field: the forward algorithm and Viterbi's algorithm."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.base import Cell
from rnnzoo.cells.ops import weight


class ForwardCell(Cell):
    """The forward algorithm, normalized at every step.

        a_t[j] = log sum_i exp(alpha_{t-1}[i] + A[i, j]) + e_t[j]        (a_1 = e_1)
        z_t    = log sum_j exp(a_t[j])
        alpha_t = a_t - z_t

    Shapes: emission scores `e [batch, time, labels]`; state `alpha [batch, labels]` and `[batch, 1]`, 1 after the first
    step; output `z [batch, time, 1]`, whose sum over time is the logarithm of the partition function; weight
    `transitions` A `[labels, labels]`.
    """

    output_size = 1

    def __init__(self, labels: int, transition_initializer: Any = "zeros", **kwargs):
        super().__init__(**kwargs)
        self.labels, self.state_size = labels, [labels, 1]
        self.transition_initializer = keras.initializers.get(transition_initializer)

    def build(self, input_shape: Any) -> None:
        shape = (self.labels, self.labels)
        self.transitions = self.add_weight(name="transitions", shape=shape, initializer=self.transition_initializer)

    def recurrent(self, state: tuple, consts: Any) -> tf.Tensor:
        alpha = state[0]
        return tf.reduce_logsumexp(tf.expand_dims(alpha, -1) + weight(self.transitions, alpha.dtype), -2)

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        started = state[1]
        a = x + r * started
        z = tf.reduce_logsumexp(a, -1, keepdims=True)
        return z, (a - z, tf.ones_like(started))


class ViterbiCell(Cell):
    """The forward part of Viterbi's algorithm; the transitions A are the memory, `[1, labels, labels]`.

        m_t[j] = max_i (delta_{t-1}[i] + A[i, j]) + e_t[j]              (m_1 = e_1)
        delta_t = m_t - max_j m_t[j]

    The output at step t is the best previous label for each label, `[batch, labels]`.
    """

    def __init__(self, labels: int, **kwargs):
        super().__init__(**kwargs)
        self.labels, self.state_size, self.output_size = labels, [labels, 1], labels

    def constants(self, inputs: tf.Tensor, training: Any = False, memory: Any = None) -> Any:
        return memory

    def recurrent(self, state: tuple, consts: Any) -> tf.Tensor:
        return tf.expand_dims(state[0], -1) + consts

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        started = state[1]
        m = x + tf.reduce_max(r, -2) * started
        best_previous = tf.cast(tf.argmax(r, -2), x.dtype)
        return best_previous, (m - tf.reduce_max(m, -1, keepdims=True), tf.ones_like(started))


class BacktrackingCell(Cell):
    """The backward part of Viterbi's algorithm, over the outputs of `ViterbiCell` from the end.

    State: the label of the step, `[batch, 1]`; it is also the output.
    """

    state_size, output_size = 1, 1

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        label = state[0]
        chosen = tf.one_hot(tf.cast(label[..., 0], tf.int32), x.shape[-1], dtype=x.dtype)
        return label, (tf.reduce_sum(x * chosen, -1, keepdims=True),)
