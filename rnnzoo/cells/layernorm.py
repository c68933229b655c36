"""The LSTM with layer normalisation."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.lstm import LSTMCell
from rnnzoo.cells.ops import weight
from rnnzoo.registry import CELLS

EPSILON = 1e-5


@CELLS.register("lstm-layernorm")
class LayerNormLSTMCell(LSTMCell):
    """Long short-term memory whose sums are normalised over the units of the layer.

        (i, f, g, o) = LN(x_t W) * alpha_x + LN(h_{t-1} U) * alpha_h + b
        c_t = sigma(f) * c_{t-1} + sigma(i) * tanh(g)
        h_t = sigma(o) * tanh(LN(c_t) * alpha_c + beta_c)

    `LN(a) = (a - mean(a)) / sqrt(variance(a) + 1e-5)` over the last axis; the first two over all
    four blocks together. The paper's own biases of the first two normalisations are one with b.

    Shapes and arguments as for `LSTMCell`; weights more: `input_gain` alpha_x, `recurrent_gain`
    alpha_h `[4 units]`, `cell_gain` alpha_c and `cell_bias` beta_c `[units]`. beta_c starts near but not
    at 0: a state that is exactly zero would stay so as long as the inputs are, and LN, steepest
    there, would make its gradient explode.

    >>> import tensorflow as tf, rnnzoo
    >>> rnnzoo.layers.LayerNormLSTM(4)(tf.zeros([2, 7, 3])).shape
    TensorShape([2, 4])

    Ba, Kiros & Hinton (2016), Layer normalization, arXiv 1607.06450, equations 20 to 22.
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        width = self.blocks * self.units
        if self.kernel is not None:
            self.input_gain = self.add_weight(shape=(width,), name="input_gain", initializer="ones")
        self.recurrent_gain = self.add_weight(shape=(width,), name="recurrent_gain", initializer="ones")
        self.cell_gain = self.add_weight(shape=(self.units,), name="cell_gain", initializer="ones")
        self.cell_bias = self.add("cell_bias", (self.units,), "bias", keras.initializers.RandomNormal(stddev=0.1))

    def enter(self, inputs: tf.Tensor, training: Any, b: tf.Tensor | None) -> tf.Tensor:
        if self.kernel is None:
            return super().enter(inputs, training, b)
        x = normalise(super().enter(inputs, training, None), self.input_gain)
        return x if b is None else x + b

    def enter_gates(self, x: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
        return x + normalise(r, self.recurrent_gain)

    def show(self, c: tf.Tensor, dtype: Any) -> tf.Tensor:
        shown = normalise(c, self.cell_gain) + weight(self.cell_bias, c.dtype)
        return tf.cast(sigma(self.activation)(shown), dtype)


def normalise(a: tf.Tensor, gain: Any) -> tf.Tensor:
    """`LN(a) * gain`, in float32 where `a` is of half precision."""
    wide = tf.cast(a, tf.float32) if a.dtype.size < 4 else a
    centred = wide - tf.reduce_mean(wide, -1, keepdims=True)
    scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + EPSILON)
    return tf.cast(centred * scale, a.dtype) * weight(gain, a.dtype)
