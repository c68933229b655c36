"""A feed-forward baseline over a window of the last inputs."""

from typing import Any

import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.ops import dot
from rnnzoo.cells.unit_equations import Term, UnitEquation, activation_equation, name_input
from rnnzoo.registry import CELLS


@CELLS.register("feedforward")
class FeedforwardCell(AffineCell):
    """Feed-forward network over the last k inputs, without recurrence: the baseline to beat.

        y_t = sigma(x_t W_0 + x_{t-1} W_1 + ... + x_{t-k+1} W_{k-1} + b)

    Inputs before the first are zero. The state holds the contributions of the inputs in the window to later outputs,
    `p_t^j = x_t W_j + p_{t-1}^{j+1}`, so that masks and streaming work as for recurrent cells, and each input is
    multiplied once.

    Shapes: inputs `[batch, time, features]`, output `y [batch, units]`, state p `[batch, (k-1) units]`; weights
    `kernel` (W_0 ... W_{k-1}) `[features, k units]`, `bias` b `[units]`.

    Args:
        units: size of the layer.
        context: k, the number of inputs in the window, the present one included.

    Raises:
        ValueError: `context` below 1, or a `recurrent_dropout`, as there is no recurrence.

    >>> import tensorflow as tf, rnnzoo
    >>> rnnzoo.layers.RNN(FeedforwardCell(4, context=3))(tf.zeros([2, 7, 3])).shape
    TensorShape([2, 4])

    A time-delay network of one layer: Waibel et al. (1989), Phoneme recognition using time-delay neural networks, IEEE
    Transactions on Acoustics, Speech, and Signal Processing 37, 328-339.
    """

    runs_without_inputs = False  # it has no recurrence

    def __init__(self, units: int, activation: Any = "tanh", *, context: int = 8, **kwargs):
        super().__init__(units, activation, **kwargs)
        if context < 1:
            raise ValueError(f"context must be at least 1, got {context!r}")
        if self.recurrent_dropout:
            raise ValueError("recurrent_dropout does not apply to a feed-forward cell, which has no recurrence")
        self.context = context
        self.state_size = (context - 1) * units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight_like("kernel", (input_shape[-1], self.context * self.units), "kernel")
        if self.use_bias:
            self.bias = self.add_weight_like("bias", (self.units,), "bias")

    def project(self, inputs: tf.Tensor, training: Any = False) -> Any:
        x, b = dot(self.apply_dropout(inputs, training), self.kernel), self.input_bias()
        now, later = tf.split(x, [self.units, self.state_size], -1)
        return (now if b is None else now + b, later)

    def recurrent(self, state: tuple, consts: Any) -> Any:
        return ()

    def state_symbols(self) -> list[str]:
        return ["p"]

    def unit_equations(self, x: Any, r: Any, state: tuple, consts: Any) -> list[UnitEquation]:
        y, _ = self.step(x, r, state, consts)
        window = " + ".join(f"x_{{t-{j}}} W_{j}" for j in range(1, min(self.context, 3)))
        terms = [Term(name_input(self, product="x_t W_0"), x[0]), Term(f"{window} + ...", state[0][..., : self.units])]
        return [activation_equation("y_t", self.activation, terms[: self.context], y)]

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        now, later = x
        past, rest = tf.split(tf.concat([state[0], tf.zeros_like(now)], -1), [self.units, self.state_size], -1)
        return sigma(self.activation)(now + past), (later + rest,)
