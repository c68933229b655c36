"""LSTM with layer normalization."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.lstm import LSTMCell
from rnnzoo.cells.ops import weight
from rnnzoo.cells.unit_equations import Term, split_terms
from rnnzoo.registry import CELLS
from rnnzoo.serialization import accept_positional


@CELLS.register("lstm-layernorm")
@accept_positional(keras.layers.LSTMCell)
class LayerNormLSTMCell(LSTMCell):
    """LSTM with layer normalization of its pre-activations and of its cell state.

        (i, f, g, o) = LN(x_t W) * alpha_x + LN(h_{t-1} U) * alpha_h + b
        c_t = sigma(f) * c_{t-1} + sigma(i) * tanh(g)
        h_t = sigma(o) * tanh(LN(c_t) * alpha_c + beta_c)

    `LN(a) = (a - mean(a)) / sqrt(variance(a) + epsilon)` over the last axis; the first two over all four blocks
    together. The two biases that the paper has in the first equation are summed in b.

    Shapes and arguments as for `LSTMCell`; further weights: `input_gain` alpha_x, `recurrent_gain` alpha_h `[4 units]`,
    `cell_gain` alpha_c and `cell_bias` beta_c `[units]`. beta_c is initialized near, but not at, 0: a state of exact
    zeros would remain zero as long as the inputs are, and LN has its steepest gradient there.

    Args:
        epsilon: added to the variances, above 0.
        gamma_initializer: initializer of the gains alpha.
        beta_initializer: initializer of beta_c.

    Raises:
        ValueError: `epsilon` is not above 0.

    >>> import tensorflow as tf, rnnzoo
    >>> rnnzoo.layers.LayerNormLSTM(4)(tf.zeros([2, 7, 3])).shape
    TensorShape([2, 4])

    Ba, Kiros & Hinton (2016), Layer normalization, arXiv 1607.06450, equations 20 to 22.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        epsilon: float = 1e-5,
        gamma_initializer: Any = "ones",
        beta_initializer: Any = None,
        **kwargs,
    ):
        super().__init__(units, activation, recurrent_activation, **kwargs)
        if not epsilon > 0:
            raise ValueError(f"epsilon must be above 0, got {epsilon!r}")
        self.epsilon = epsilon
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        if beta_initializer is None:
            beta_initializer = keras.initializers.RandomNormal(stddev=0.1)
        self.beta_initializer = keras.initializers.get(beta_initializer)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        width = self.blocks * self.units
        if self.kernel is not None:
            self.input_gain = self.add_weight(shape=(width,), name="input_gain", initializer=self.gamma_initializer)
        self.recurrent_gain = self.add_weight(shape=(width,), name="recurrent_gain", initializer=self.gamma_initializer)
        self.cell_gain = self.add_weight(shape=(self.units,), name="cell_gain", initializer=self.gamma_initializer)
        self.cell_bias = self.add_weight_like("cell_bias", (self.units,), "bias", self.beta_initializer)

    def project_inputs(self, inputs: tf.Tensor, training: Any, b: tf.Tensor | None) -> tf.Tensor:
        if self.kernel is None:
            return super().project_inputs(inputs, training, b)
        x = normalize(super().project_inputs(inputs, training, None), self.input_gain, self.epsilon)
        return x if b is None else x + b

    def gate_inputs(self, x: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
        return x + normalize(r, self.recurrent_gain, self.epsilon)

    def gate_terms(self, x: tf.Tensor, r: tf.Tensor, prev_c: tf.Tensor, c: tf.Tensor) -> dict[str, list[Term]]:
        normalized = normalize(r, self.recurrent_gain, self.epsilon)
        return split_terms(self, "LN(x_t W){0} * alpha_x{0}", x, "LN(h_{{t-1}} U){0} * alpha_h{0}", normalized)

    def output_term(self, c: tf.Tensor) -> Term:
        return Term("LN(c_t) * alpha_c + beta_c", self._normalize_cell(c))

    def cell_output(self, c: tf.Tensor, dtype: Any) -> tf.Tensor:
        return tf.cast(sigma(self.activation)(self._normalize_cell(c)), dtype)

    def _normalize_cell(self, c: tf.Tensor) -> tf.Tensor:
        return normalize(c, self.cell_gain, self.epsilon) + weight(self.cell_bias, c.dtype)


def normalize(a: tf.Tensor, gain: Any, epsilon: float) -> tf.Tensor:
    """Computes `LN(a) * gain`, in float32 if `a` has half precision."""
    wide = tf.cast(a, tf.float32) if a.dtype.size < 4 else a
    centred = wide - tf.reduce_mean(wide, -1, keepdims=True)
    scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + epsilon)
    return tf.cast(centred * scale, a.dtype) * weight(gain, a.dtype)
