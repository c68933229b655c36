"""The independently recurrent network (IndRNN) of Li et al. (2018)."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.activations import label_activation
from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.ops import weight
from rnnzoo.cells.unit_equations import Term, UnitEquation, name_input
from rnnzoo.registry import CELLS

UNIFORM = keras.initializers.RandomUniform(0.0, 1.0)


@CELLS.register("indrnn")
class IndRNNCell(AffineCell):
    """Independently recurrent network: each unit has a single recurrent weight, from itself.

        h_t = sigma(x_t W + u * h_{t-1} + b)

    Units interact in the layer above, so it is meant to be stacked. The gradient of a unit over k time steps is at most
    `u^k`: with `recurrent_max = 2^(1/T)` it at most doubles over T steps.

    Shapes: inputs `[batch, time, features]`, state and output `h [batch, units]`; weights `kernel` W `[features,
    units]`, `recurrent_kernel` u `[units]`, `bias` b `[units]`.

    Args:
        units: size of h.
        activation: sigma; relu by default.
        recurrent_initializer: initializer of u; uniform in [0, 1) by default.
        recurrent_max: largest absolute value of u; None for no limit.

    Raises:
        ValueError: `recurrent_max` is not above 0, or `recurrent_constraint` is given too.

    >>> import tensorflow as tf, rnnzoo
    >>> rnnzoo.layers.IndRNN(4, recurrent_max=2 ** (1 / 7))(tf.zeros([2, 7, 3])).shape
    TensorShape([2, 4])

    Li, Li, Cook, Zhu & Gao (2018), Independently recurrent neural network (IndRNN): building a longer and deeper
    RNN, CVPR, arXiv 1803.04831.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "relu",
        *,
        recurrent_initializer: Any = UNIFORM,
        recurrent_max: float | None = None,
        **kwargs,
    ):
        super().__init__(units, activation, recurrent_initializer=recurrent_initializer, **kwargs)
        if recurrent_max is not None:
            if recurrent_max <= 0:
                raise ValueError(f"recurrent_max must be above 0, got {recurrent_max!r}")
            if self.recurrent_constraint is not None:
                raise ValueError("recurrent_max and recurrent_constraint exclude each other: give one")
            self.recurrent_constraint = Clip(recurrent_max)
        self.recurrent_max = recurrent_max

    def build_recurrent(self, width: int) -> None:
        self.recurrent_kernel = self.add_weight_like("recurrent_kernel", (self.units,), "recurrent")

    def recurrent(self, state: tuple, consts: Any) -> Any:
        h = self.recurrent_input(state, consts)
        return weight(self.recurrent_kernel, h.dtype) * h

    def unit_equations(self, x: Any, r: Any, state: tuple, consts: Any) -> list[UnitEquation]:
        h, _ = self.step(x, r, state, consts)
        u = tf.broadcast_to(weight(self.recurrent_kernel, h.dtype), tf.shape(h))
        terms = (Term(name_input(self), x), Term("u", u), Term("h_{t-1}", state[0]))
        return [UnitEquation("h_t", f"{label_activation(self.activation)}({{}} + {{}} * {{}})", terms, h)]

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        h = sigma(self.activation)(x + r)  # [batch, units]
        return h, (h,)


@keras.saving.register_keras_serializable(package="rnnzoo")
class Clip(keras.constraints.Constraint):
    """Constrains a weight to values between `-largest` and `largest`."""

    def __init__(self, largest: float):
        self.largest = largest

    def __call__(self, w: Any) -> Any:
        return keras.ops.clip(w, -self.largest, self.largest)

    def get_config(self) -> dict[str, Any]:
        return {"largest": self.largest}
