"""Long short-term memory (Hochreiter & Schmidhuber 1997), with the forget gate of Gers et al. (2000)."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.ops import activation as sigma
from rnnzoo.cells.ops import in_xla
from rnnzoo.registry import CELLS


@CELLS.register("lstm")
class LSTMCell(AffineCell):
    """Long short-term memory: gates decide what the cell forgets, takes in and shows.

        i_t = sigma(x_t W_i + h_{t-1} U_i + b_i)       input gate
        f_t = sigma(x_t W_f + h_{t-1} U_f + b_f)       forget gate
        g_t = tanh(x_t W_c + h_{t-1} U_c + b_c)        candidate
        o_t = sigma(x_t W_o + h_{t-1} U_o + b_o)       output gate
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(c_t)

    Shapes: inputs `[batch, time, features]`, states `h, c [batch, units]`, output h; weights
    `kernel` W `[features, 4 units]`, `recurrent_kernel` U `[units, 4 units]`, `bias` b
    `[4 units]`, in the order i, f, c, o of `keras.layers.LSTM`, so weights are interchangeable.
    Under mixed precision c stays in float32.

    Args:
        units: size of h and of c.
        recurrent_activation: sigma, of the gates; `activation` is the tanh of the equations.
        unit_forget_bias: whether b_f starts at 1 (Jozefowicz et al. 2015).
        forget_gate: without it f = 1 and the weights hold i, c, o: the network of 1997.

    >>> import tensorflow as tf, rnnzoo
    >>> output, h, c = rnnzoo.layers.LSTM(4, return_state=True)(tf.zeros([2, 7, 3]))
    >>> output.shape, c.shape
    (TensorShape([2, 4]), TensorShape([2, 4]))

    Hochreiter & Schmidhuber (1997), Long short-term memory, Neural Computation 9, 1735-1780; Gers,
    Schmidhuber & Cummins (2000), Learning to forget, Neural Computation 12, 2451-2471.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        unit_forget_bias: bool = True,
        forget_gate: bool = True,
        **kwargs,
    ):
        super().__init__(units, activation, **kwargs)
        self.state_size = [self.units, self.units]
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.forget_gate = forget_gate
        self.blocks = 4 if forget_gate else 3

    def default_bias(self) -> Any:
        if not (self.unit_forget_bias and self.forget_gate):
            return None
        rest = self.bias_initializer

        def bias(shape: Any, dtype: Any = None) -> Any:
            n = self.units
            parts = [rest((n,), dtype=dtype), tf.ones((n,), dtype), rest((2 * n,), dtype=dtype)]
            return tf.concat(parts, 0)

        return bias

    def get_initial_state(self, batch_size: Any) -> list[tf.Tensor]:
        h = tf.zeros([batch_size, self.units], self.compute_dtype)
        return [h, tf.zeros([batch_size, self.units], self.variable_dtype)]

    def gates(self, x: Any, r: Any, state: tuple, consts: Any) -> dict[str, tf.Tensor]:
        """The values of the gates and of the candidate, in the order of the weights."""
        names = ("input", "forget", "candidate", "output") if self.forget_gate else ("input", "candidate", "output")
        s, g = sigma(self.recurrent_activation), sigma(self.activation)
        z = x + r
        if in_xla() and s is sigma("sigmoid") and g is sigma("tanh"):
            # one tanh for all blocks: sigmoid(z) = 0.5 tanh(0.5 z) + 0.5, faster under XLA
            half = tf.repeat(tf.constant([1.0 if n == "candidate" else 0.5 for n in names], z.dtype), self.units)
            return dict(zip(names, tf.split(half * tf.tanh(half * z) + (1 - half), len(names), -1), strict=True))
        blocks = zip(names, tf.split(z, len(names), -1), strict=True)
        return {name: g(block) if name == "candidate" else s(block) for name, block in blocks}

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        gate = self.gates(x, r, state, consts)
        c = state[1]
        written = tf.cast(gate["input"] * gate["candidate"], c.dtype)
        c = (tf.cast(gate["forget"], c.dtype) * c if self.forget_gate else c) + written
        h = gate["output"] * tf.cast(sigma(self.activation)(c), x.dtype)
        return h, (h, c)
