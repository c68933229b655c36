"""The naive recurrent network, which adds a dampened copy of its last activation."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.ops import weight
from rnnzoo.cells.unit_equations import Term, UnitEquation, activation_equation, name_input
from rnnzoo.registry import CELLS


@CELLS.register("dampened")
class DampenedCell(AffineCell):
    """The naive recurrent network: adds a dampened copy of the last activation.

        a_t = sigma(x_t W + lambda a_{t-1} + b)

    The activations are the state; there is no matrix U. Each unit remembers only itself, and the dampening lambda is
    shared by all units.

    Shapes: inputs `[batch, time, features]`, state and output `a [batch, units]`; weights `kernel` W `[features,
    units]`, `bias` b `[units]` and, if it is trained, `dampening` lambda `[]`.

    Args:
        units: number of activations.
        activation: sigma; the logistic function by default.
        dampening: lambda, or its initial value if it is trained.
        trainable_dampening: whether lambda is trained.

    Raises:
        ValueError: `dampening` is not a finite number.

    >>> import tensorflow as tf, rnnzoo
    >>> rnnzoo.layers.DampenedRNN(4, dampening=0.9)(tf.zeros([2, 7, 3])).shape
    TensorShape([2, 4])

    The simplest network with feedback in introductions; a leaky trace of each unit's past as in Jordan (1986), Serial
    order: a parallel distributed processing approach.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "sigmoid",
        *,
        dampening: float = 0.5,
        trainable_dampening: bool = False,
        **kwargs,
    ):
        super().__init__(units, activation=activation, **kwargs)
        if not abs(dampening) < float("inf"):
            raise ValueError(f"dampening must be a finite number, got {dampening!r}")
        self.dampening: Any = dampening
        self.trainable_dampening = trainable_dampening

    def build_recurrent(self, width: int) -> None:
        if self.trainable_dampening:
            start = keras.initializers.Constant(self.dampening)
            self.dampening = self.add_weight(shape=(), name="dampening", initializer=start)

    def recurrent(self, state: tuple, consts: Any) -> Any:
        a = self.recurrent_input(state, consts)
        return weight(self.dampening, a.dtype) * a

    def state_symbols(self) -> list[str]:
        return ["a"]

    def unit_equations(self, x: Any, r: Any, state: tuple, consts: Any) -> list[UnitEquation]:
        a, _ = self.step(x, r, state, consts)
        terms = (Term(name_input(self), x), Term("lambda a_{t-1}", r))
        return [activation_equation("a_t", self.activation, terms, a)]

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        a = sigma(self.activation)(x + r)  # [batch, units]
        return a, (a,)
