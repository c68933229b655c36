"""LSTM with peephole connections."""

from typing import Any

import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.lstm import LSTMCell
from rnnzoo.cells.ops import weight
from rnnzoo.cells.unit_equations import Term
from rnnzoo.registry import CELLS


@CELLS.register("lstm-peephole")
class PeepholeLSTMCell(LSTMCell):
    """LSTM with peephole connections: the gates also see the cell state.

        i_t = sigma(x_t W_i + h_{t-1} U_i + p_i * c_{t-1} + b_i)
        f_t = sigma(x_t W_f + h_{t-1} U_f + p_f * c_{t-1} + b_f)
        g_t = tanh(x_t W_c + h_{t-1} U_c + b_c)
        c_t = f_t * c_{t-1} + i_t * g_t
        o_t = sigma(x_t W_o + h_{t-1} U_o + p_o * c_t + b_o)
        h_t = o_t * tanh(c_t)

    The output gate sees the new cell state. Shapes and arguments as for `LSTMCell`; one further weight,
    `peephole_kernel` p `[3, units]` in the order i, f, o (`[2, units]` without a forget gate).

    >>> import tensorflow as tf, rnnzoo
    >>> rnnzoo.layers.PeepholeLSTM(4)(tf.zeros([2, 7, 3])).shape
    TensorShape([2, 4])

    Gers & Schmidhuber (2000), Recurrent nets that time and count, IJCNN.
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.peephole_kernel = self.add_weight_like(
            "peephole_kernel", (len(self.block_names) - 1, self.units), "kernel"
        )

    def gate_terms(self, x: tf.Tensor, r: tf.Tensor, prev_c: tf.Tensor, c: tf.Tensor) -> dict[str, list[Term]]:
        terms, peepholes = super().gate_terms(x, r, prev_c, c), tf.unstack(weight(self.peephole_kernel, x.dtype))
        names = [name for name in self.block_names if name != "candidate"]
        for name, p in zip(names, peepholes, strict=True):
            state, time = (c, "t") if name == "output" else (prev_c, "{t-1}")
            terms[name].append(Term(f"p_{name[0]} * c_{time}", p * tf.cast(state, p.dtype)))
        return terms

    def compute_gates(self, z: tf.Tensor, c: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        s, g = sigma(self.recurrent_activation), sigma(self.activation)
        z = dict(zip(self.block_names, tf.split(z, len(self.block_names), -1), strict=True))
        *peepholes, p_o = tf.unstack(weight(self.peephole_kernel, z["input"].dtype))
        prev_c = tf.cast(c, z["input"].dtype)
        gate = {name: s(z[name] + p * prev_c) for name, p in zip(("input", "forget"), peepholes, strict=False)}
        gate["candidate"] = g(z["candidate"])
        c = self.update_cell(gate, c)
        gate["output"] = s(z["output"] + p_o * tf.cast(c, prev_c.dtype))
        return gate, c
