"""Cells whose input enters through an affine map: the weights, and Keras's arguments about them."""

import operator
from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.base import Cell
from rnnzoo.cells.ops import dot, weight


class AffineCell(Cell):
    """A cell whose input enters as `x = inputs W + b` and whose first state returns as `r = s U`.

    W is `[features, blocks * units]`, U `[recurrent_size, blocks * units]`, b `[blocks * units]`.
    `dropout` and `recurrent_dropout` hide the same inputs and states at every step of a sequence
    (Gal & Ghahramani 2016), as Keras does.

    Args:
        units: size of the hidden layer.
        activation: sigma, by name or as a function.
        use_bias: whether there is a b.
        kernel_initializer: of W.
        recurrent_initializer: of U.
        bias_initializer: of b.
        kernel_regularizer: of W.
        recurrent_regularizer: of U.
        bias_regularizer: of b.
        kernel_constraint: of W.
        recurrent_constraint: of U.
        bias_constraint: of b.
        dropout: fraction of the inputs hidden in training, 0 <= dropout < 1.
        recurrent_dropout: fraction of the previous state hidden in training, 0 <= recurrent_dropout < 1.
        seed: of the dropout masks.

    A cell can be built for inputs of no features, `build((None, 0))`: it has no W then, and x is b.

    Raises:
        ValueError: `units` below 1, or a dropout outside [0, 1).
    """

    blocks = 1
    autonomous = True
    additive = True  # whether all that comes from the previous state through weights is in r, and enters as a sum

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        *,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(units, bool) or not hasattr(units, "__index__") or units < 1:
            raise ValueError(f"units must be an integer of at least 1, not {units!r}")
        units = operator.index(units)
        for name, rate in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            if not 0 <= rate < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {rate!r}")
        self.units = units
        self.state_size: Any = units
        self.output_size = units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = keras.regularizers.get(recurrent_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.recurrent_constraint = keras.constraints.get(recurrent_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.seed = seed
        self.kernel: Any = None
        self.bias: Any = None
        self.seed_generator = keras.random.SeedGenerator(seed) if self.draws() else None

    def add(self, name: str, shape: tuple[int, ...], like: str, initializer: Any = None) -> Any:
        """A weight treated `like` the "kernel", the "recurrent" kernel or the "bias"."""
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=initializer or _fresh(getattr(self, f"{like}_initializer")),
            regularizer=getattr(self, f"{like}_regularizer"),
            constraint=getattr(self, f"{like}_constraint"),
        )

    def draws(self) -> bool:
        """Whether the cell draws random numbers in training."""
        return bool(self.dropout or self.recurrent_dropout)

    def build(self, input_shape: Any) -> None:
        width = self.blocks * self.units
        if input_shape[-1] != 0:
            self.kernel = self.add("kernel", (input_shape[-1], width), "kernel")
        self.build_recurrent(width)
        if self.use_bias:
            self.bias = self.add("bias", self.bias_shape(width), "bias", self.default_bias())

    def build_recurrent(self, width: int) -> None:
        """Creates what `recurrent` multiplies by: U, or whatever a cell has in its place."""
        self.recurrent_kernel = self.add("recurrent_kernel", (self.output_size, width), "recurrent")

    def bias_shape(self, width: int) -> tuple[int, ...]:
        """The shape of b."""
        return (width,)

    def default_bias(self) -> Any:
        """An initializer that goes before `bias_initializer`, or None."""
        return None

    def project(self, inputs: tf.Tensor, training: Any = False) -> Any:
        return self.enter(inputs, training, self.input_bias())

    def enter(self, inputs: tf.Tensor, training: Any, b: tf.Tensor | None) -> tf.Tensor:
        """`inputs W + b`; b alone where there are no inputs."""
        if self.kernel is not None:
            return dot(self.hide(inputs, training), self.kernel, bias=b)
        width = self.blocks * self.units
        shape = tf.concat([tf.shape(inputs)[:-1], [width]], 0)
        x = tf.broadcast_to(tf.zeros([width], self.compute_dtype) if b is None else b, shape)
        x.set_shape([*inputs.shape[:-1], width])  # not ensure_shape, which LiteRT does not know
        return x

    def hide(self, inputs: tf.Tensor, training: Any) -> tf.Tensor:
        """The inputs as floating numbers, some of them hidden by `dropout` in training."""
        inputs = tf.cast(inputs, self.compute_dtype)
        if self.dropout and training:
            return inputs * self._keep(tf.shape(inputs)[-2:], inputs.dtype, self.dropout)
        return inputs

    def input_bias(self) -> tf.Tensor | None:
        """b, if there is one."""
        return None if self.bias is None else weight(self.bias, self.compute_dtype)

    def constants(self, inputs: tf.Tensor, training: Any = False, memory: Any = None) -> Any:
        if self.recurrent_dropout and training:
            shape = [tf.shape(inputs)[-2], self.output_size]
            return (self._keep(shape, inputs.dtype, self.recurrent_dropout),)
        return ()

    def recurrent(self, state: tuple, consts: Any) -> Any:
        return dot(self.fed_back(state, consts), self.recurrent_kernel)

    def fed_back(self, state: tuple, consts: Any) -> tf.Tensor:
        """The previous state as it returns: some of it hidden by `recurrent_dropout` in training."""
        return state[0] * consts[0] if consts else state[0]

    def _keep(self, shape: Any, dtype: Any, rate: float) -> tf.Tensor:
        return keras.random.dropout(tf.ones(shape, dtype), rate, seed=self.seed_generator)


def _fresh(initializer: Any) -> Any:
    """An initializer object; an unseeded one that was used before draws anew, not the same values."""
    return initializer.clone() if isinstance(initializer, keras.initializers.Initializer) else initializer
