"""Base class of cells with an affine input projection, with the arguments of Keras's cells."""

import operator
from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.base import Cell
from rnnzoo.cells.noise import sample_dropout_mask
from rnnzoo.cells.ops import dot, weight


class AffineCell(Cell):
    """Base class of cells whose input enters as `x = inputs W + b` and whose first state returns as `r = s U`.

    W is `[features, blocks * units]`, U `[recurrent_size, blocks * units]`, b `[blocks * units]`. As in Keras,
    `dropout` and `recurrent_dropout` drop the same inputs and states at every time step of a sequence (Gal &
    Ghahramani 2016).

    A cell can be built for inputs without features, `build((None, 0))`: it then has no W, and x is b.

    Args:
        units: size of the hidden state.
        activation: sigma, by name or as a function.
        use_bias: whether the cell has b.
        kernel_initializer: initializer of W.
        recurrent_initializer: initializer of U.
        bias_initializer: initializer of b.
        kernel_regularizer: regularizer of W.
        recurrent_regularizer: regularizer of U.
        bias_regularizer: regularizer of b.
        kernel_constraint: constraint of W.
        recurrent_constraint: constraint of U.
        bias_constraint: constraint of b.
        dropout: fraction of the inputs dropped in training, 0 <= dropout < 1.
        recurrent_dropout: fraction of the previous state dropped in training, 0 <= recurrent_dropout < 1.
        seed: seed of the dropout masks.

    Raises:
        ValueError: `units` is below 1, or a dropout is outside [0, 1).
    """

    kernel_initializer: Any
    recurrent_initializer: Any
    bias_initializer: Any
    recurrent_constraint: Any
    kernel: Any = None
    bias: Any = None
    blocks = 1
    runs_without_inputs = True
    has_additive_recurrence = True  # whether the previous state enters only through r, and r as a summand

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
            raise ValueError(f"units must be an integer of at least 1, got {units!r}")
        for name, rate in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            if not 0 <= rate < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {rate!r}")
        self.units = self.state_size = self.output_size = operator.index(units)
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self._configure("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self._configure("recurrent", recurrent_initializer, recurrent_regularizer, recurrent_constraint)
        self._configure("bias", bias_initializer, bias_regularizer, bias_constraint)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if self.is_stochastic() else None

    def _configure(self, weight_name: str, initializer: Any, regularizer: Any, constraint: Any) -> None:
        setattr(self, f"{weight_name}_initializer", keras.initializers.get(initializer))
        setattr(self, f"{weight_name}_regularizer", keras.regularizers.get(regularizer))
        setattr(self, f"{weight_name}_constraint", keras.constraints.get(constraint))

    def add_weight_like(self, name: str, shape: tuple[int, ...], like: str, initializer: Any = None) -> Any:
        """Adds a weight with the initializer, regularizer and constraint of "kernel", "recurrent" or "bias"."""
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=initializer or _clone_initializer(getattr(self, f"{like}_initializer")),
            regularizer=getattr(self, f"{like}_regularizer"),
            constraint=getattr(self, f"{like}_constraint"),
        )

    def is_stochastic(self) -> bool:
        """Returns whether the cell uses random numbers in training."""
        return bool(self.dropout or self.recurrent_dropout)

    def build(self, input_shape: Any) -> None:
        width = self.blocks * self.units
        if input_shape[-1] != 0:
            self.kernel = self.add_weight_like("kernel", (input_shape[-1], width), "kernel")
        self.build_recurrent(width)
        if self.use_bias:
            self.bias = self.add_weight_like("bias", self.bias_shape(width), "bias", self.default_bias_initializer())

    def build_recurrent(self, width: int) -> None:
        """Creates the recurrent weights, by default U."""
        self.recurrent_kernel = self.add_weight_like("recurrent_kernel", (self.output_size, width), "recurrent")

    def bias_shape(self, width: int) -> tuple[int, ...]:
        """Returns the shape of b."""
        return (width,)

    def default_bias_initializer(self) -> Any:
        """Returns an initializer that takes precedence over `bias_initializer`, or None."""
        return None

    def project(self, inputs: tf.Tensor, training: Any = False) -> Any:
        return self.project_inputs(inputs, training, self.input_bias())

    def project_inputs(self, inputs: tf.Tensor, training: Any, b: tf.Tensor | None) -> tf.Tensor:
        """Computes `inputs W + b`; b alone for a cell without inputs."""
        if self.kernel is not None:
            return dot(self.apply_dropout(inputs, training), self.kernel, bias=b)
        width = self.blocks * self.units
        shape = tf.concat([tf.shape(inputs)[:-1], [width]], 0)
        x = tf.broadcast_to(tf.zeros([width], self.compute_dtype) if b is None else b, shape)
        x.set_shape([*inputs.shape[:-1], width])  # not ensure_shape, which LiteRT does not support
        return x

    def apply_dropout(self, inputs: tf.Tensor, training: Any) -> tf.Tensor:
        """Returns the inputs as floating-point numbers, with dropout in training."""
        inputs = tf.cast(inputs, self.compute_dtype)
        if self.dropout and training:
            return inputs * self._dropout_mask(tf.shape(inputs)[-2:], inputs.dtype, self.dropout)
        return inputs

    def input_bias(self) -> tf.Tensor | None:
        """Returns b, or None for a cell without bias."""
        return None if self.bias is None else weight(self.bias, self.compute_dtype)

    def constants(self, inputs: tf.Tensor, training: Any = False, memory: Any = None) -> Any:
        if self.recurrent_dropout and training:
            shape = [tf.shape(inputs)[-2], self.output_size]
            return (self._dropout_mask(shape, inputs.dtype, self.recurrent_dropout),)
        return ()

    def state_symbols(self) -> list[str]:
        return ["h", "c"] if isinstance(self.state_size, list) else ["h"]

    def recurrent(self, state: tuple, consts: Any) -> Any:
        return dot(self.recurrent_input(state, consts), self.recurrent_kernel)

    def recurrent_input(self, state: tuple, consts: Any) -> tf.Tensor:
        """Returns the previous state that enters the recurrence, with `recurrent_dropout` in training."""
        return state[0] * consts[0] if consts else state[0]

    def _dropout_mask(self, shape: Any, dtype: Any, rate: float) -> tf.Tensor:
        return sample_dropout_mask(shape, rate, self.seed_generator, dtype)


def _clone_initializer(initializer: Any) -> Any:
    """Clones an initializer object, so that an unseeded one that was used before samples new values."""
    return initializer.clone() if isinstance(initializer, keras.initializers.Initializer) else initializer
