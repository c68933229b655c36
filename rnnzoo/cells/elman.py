"""The simple recurrent network of Elman (1990)."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.activations import activation_name
from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.base import NativeKernel
from rnnzoo.cells.unit_equations import UnitEquation, activation_equation, affine_terms
from rnnzoo.registry import CELLS
from rnnzoo.serialization import accept_positional


@CELLS.register("elman")
@accept_positional(keras.layers.SimpleRNNCell)
class ElmanCell(AffineCell):
    """The simple recurrent network of Elman: the hidden state is fed back through a matrix.

        h_t = sigma(x_t W + h_{t-1} U + b)

    Shapes: inputs `[batch, time, features]`, state and output `h [batch, units]`; weights `kernel` W `[features,
    units]`, `recurrent_kernel` U `[units, units]`, `bias` b `[units]`, in the order of `keras.layers.SimpleRNN`, so
    that weights are interchangeable. sigma is tanh by default; Elman used the logistic function,
    `activation="sigmoid"`.

    >>> import tensorflow as tf, rnnzoo
    >>> rnnzoo.layers.ElmanRNN(4, return_sequences=True)(tf.zeros([2, 7, 3])).shape
    TensorShape([2, 7, 4])

    Elman (1990), Finding structure in time, Cognitive Science 14, 179-211.
    """

    def native_kernel(self) -> NativeKernel | None:
        """Returns the declaration of the native kernel, or None if no kernel computes these equations."""
        name = activation_name(self.activation)
        return NativeKernel("elman", name) if name else None

    def unit_equations(self, x: Any, r: Any, state: tuple, consts: Any) -> list[UnitEquation]:
        h, _ = self.step(x, r, state, consts)
        return [activation_equation("h_t", self.activation, affine_terms(self, x, r), h)]

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        h = sigma(self.activation)(x + r)  # [batch, units]
        return h, (h,)
