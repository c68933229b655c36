"""The recurrent network of Jordan (1986), which feeds back its output."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.ops import dot, weight
from rnnzoo.cells.unit_equations import Term, UnitEquation, activation_equation, name_input
from rnnzoo.registry import CELLS


@CELLS.register("jordan")
class JordanCell(AffineCell):
    """The network of Jordan: the output, not the hidden layer, is fed back.

        h_t = sigma(x_t W + y_{t-1} U + b)
        y_t = rho(h_t V + c)

    Shapes: inputs `[batch, time, features]`, state and output `y [batch, output_units]`; weights `kernel` W
    `[features, units]`, `recurrent_kernel` U `[output_units, units]`, `bias` b `[units]`, `output_kernel` V
    `[units, output_units]`, `output_bias` c `[output_units]`.

    Args:
        units: size of the hidden layer h.
        output_units: size of the output y; `units` if None.
        output_activation: rho, by name or as a function.

    Raises:
        ValueError: `output_units` below 1.

    >>> import tensorflow as tf, rnnzoo
    >>> rnnzoo.layers.JordanRNN(8, output_units=2)(tf.zeros([2, 7, 3])).shape
    TensorShape([2, 2])

    Jordan (1986), Serial order: a parallel distributed processing approach, ICS report 8604, UCSD.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        *,
        output_units: int | None = None,
        output_activation: Any = "tanh",
        **kwargs,
    ):
        super().__init__(units, activation, **kwargs)
        if output_units is not None and output_units < 1:
            raise ValueError(f"output_units must be at least 1, got {output_units!r}")
        self.output_size = output_units or units
        self.state_size = self.output_size
        self.output_activation = keras.activations.get(output_activation)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.output_kernel = self.add_weight_like("output_kernel", (self.units, self.output_size), "kernel")
        if self.use_bias:
            self.output_bias = self.add_weight_like("output_bias", (self.output_size,), "bias")

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        h = sigma(self.activation)(x + r)  # [batch, units]
        y = sigma(self.output_activation)(self._weigh_hidden(h))  # [batch, output_units]
        return y, (y,)

    def _weigh_hidden(self, h: tf.Tensor) -> tf.Tensor:
        """Computes `h V + c`."""
        y = dot(h, self.output_kernel)
        return y + weight(self.output_bias, y.dtype) if self.use_bias else y

    def state_symbols(self) -> list[str]:
        return ["y"]

    def unit_equations(self, x: Any, r: Any, state: tuple, consts: Any) -> list[UnitEquation]:
        h = sigma(self.activation)(x + r)
        weighed = Term("h_t V + c" if self.use_bias else "h_t V", self._weigh_hidden(h))
        hidden = (Term(name_input(self), x), Term("y_{t-1} U", r))
        return [
            activation_equation("h_t", self.activation, hidden, h),
            activation_equation("y_t", self.output_activation, [weighed], self.step(x, r, state, consts)[0]),
        ]
