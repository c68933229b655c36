"""Long short-term memory (Hochreiter & Schmidhuber 1997), with the forget gate of Gers et al. (2000)."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.ops import dot, in_xla
from rnnzoo.registry import CELLS
from rnnzoo.serialization import accept_positional


@CELLS.register("lstm")
@accept_positional(keras.layers.LSTMCell)
class LSTMCell(AffineCell):
    """Long short-term memory: gates decide what the cell forgets, takes in and shows.

        i_t = sigma(x_t W_i + h_{t-1} U_i + b_i)       input gate
        f_t = sigma(x_t W_f + h_{t-1} U_f + b_f)       forget gate
        g_t = tanh(x_t W_c + h_{t-1} U_c + b_c)        candidate
        o_t = sigma(x_t W_o + h_{t-1} U_o + b_o)       output gate
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(c_t)                          with a projection: (o_t * tanh(c_t)) P

    Zoneout keeps units of h and c as they were at the step before: in training each with its
    probability, drawn anew at every step; otherwise `s_t = zoneout s_{t-1} + (1 - zoneout) s'_t`,
    where s' is what the equations say.

    Shapes: inputs `[batch, time, features]`, states `h [batch, projection or units]` and
    `c [batch, units]`, output h; weights `kernel` W `[features, 4 units]`, `recurrent_kernel` U
    `[h, 4 units]`, `bias` b `[4 units]`, in the order i, f, c, o of `keras.layers.LSTM`, so
    weights are interchangeable, and `projection_kernel` P `[units, projection]`. Under mixed
    precision c stays in float32.

    Args:
        units: size of c, and of h where there is no projection.
        recurrent_activation: sigma, of the gates; `activation` is the tanh of the equations.
        unit_forget_bias: whether b_f starts at 1 (Jozefowicz et al. 2015).
        forget_gate: without it f = 1 and the weights hold i, c, o: the network of 1997.
        zoneout: probability that a unit of h, and of c, stays as it was, 0 <= zoneout < 1.
        zoneout_cell: that of c, where it is another one.
        projection: size of h, if it is to be another one than that of c.

    Raises:
        ValueError: a zoneout outside [0, 1), or `projection` below 1.

    >>> import tensorflow as tf, rnnzoo
    >>> output, h, c = rnnzoo.layers.LSTM(4, return_state=True)(tf.zeros([2, 7, 3]))
    >>> output.shape, c.shape
    (TensorShape([2, 4]), TensorShape([2, 4]))

    Hochreiter & Schmidhuber (1997), Long short-term memory, Neural Computation 9, 1735-1780; Gers,
    Schmidhuber & Cummins (2000), Learning to forget, Neural Computation 12, 2451-2471; projection:
    Sak, Senior & Beaufays (2014), arXiv 1402.1128; zoneout: Krueger et al. (2016), arXiv 1606.01305.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        unit_forget_bias: bool = True,
        forget_gate: bool = True,
        zoneout: float = 0.0,
        zoneout_cell: float | None = None,
        projection: int | None = None,
        **kwargs,
    ):
        self.zoneout = zoneout
        self.zoneout_cell = zoneout if zoneout_cell is None else zoneout_cell
        super().__init__(units, activation, **kwargs)
        for name, rate in (("zoneout", zoneout), ("zoneout_cell", self.zoneout_cell)):
            if not 0 <= rate < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {rate!r}")
        if projection is not None and projection < 1:
            raise ValueError(f"projection must be at least 1, not {projection!r}")
        self.projection = projection
        self.output_size = projection or self.units
        self.state_size = [self.output_size, self.units]
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.forget_gate = forget_gate
        self.blocks = 4 if forget_gate else 3

    @property
    def names(self) -> tuple[str, ...]:
        """The blocks of the weights, in their order."""
        return ("input", "forget", "candidate", "output") if self.forget_gate else ("input", "candidate", "output")

    def draws(self) -> bool:
        return super().draws() or bool(self.zoneout or self.zoneout_cell)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if self.projection:
            self.projection_kernel = self.add("projection_kernel", (self.units, self.projection), "recurrent")

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
        h = tf.zeros([batch_size, self.output_size], self.compute_dtype)
        return [h, tf.zeros([batch_size, self.units], self.variable_dtype)]

    def project(self, inputs: tf.Tensor, training: Any = False) -> Any:
        """`x`, and in training with zoneout where h and c are to stay as they were, `[..., batch, size]`."""
        x = super().project(inputs, training)
        if not (training and (self.zoneout or self.zoneout_cell)):
            return x
        rates = zip((self.zoneout, self.zoneout_cell), self.state_size, strict=True)
        return (x, *(self._draw(rate, tf.concat([tf.shape(x)[:-1], [size]], 0)) for rate, size in rates))

    def _draw(self, rate: float, shape: tf.Tensor) -> tf.Tensor:
        return keras.random.uniform(shape, dtype=self.variable_dtype, seed=self.seed_generator) < rate

    def activate(self, z: tf.Tensor) -> dict[str, tf.Tensor]:
        """Gates and candidate from what enters them."""
        names, s, g = self.names, sigma(self.recurrent_activation), sigma(self.activation)
        if in_xla() and s is sigma("sigmoid") and g is sigma("tanh"):
            # one tanh for all blocks: sigmoid(z) = 0.5 tanh(0.5 z) + 0.5, faster under XLA
            half = tf.repeat(tf.constant([1.0 if n == "candidate" else 0.5 for n in names], z.dtype), self.units)
            return dict(zip(names, tf.split(half * tf.tanh(half * z) + (1 - half), len(names), -1), strict=True))
        blocks = zip(names, tf.split(z, len(names), -1), strict=True)
        return {name: g(block) if name == "candidate" else s(block) for name, block in blocks}

    def enter_gates(self, x: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
        """What enters the gates, of inputs and recurrence."""
        return x + r

    def advance(self, z: tf.Tensor, c: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """The gates, and the cell state by the equations."""
        gate = self.activate(z)
        return gate, self.update(gate, c)

    def update(self, gate: dict[str, tf.Tensor], c: tf.Tensor) -> tf.Tensor:
        """`f * c + i * g`."""
        written = tf.cast(gate["input"] * gate["candidate"], c.dtype)
        return (tf.cast(gate["forget"], c.dtype) * c if self.forget_gate else c) + written

    def show(self, c: tf.Tensor, dtype: Any) -> tf.Tensor:
        """What the output gate is multiplied by: `tanh(c)`."""
        return tf.cast(sigma(self.activation)(c), dtype)

    def gates(self, x: Any, r: Any, state: tuple, consts: Any) -> dict[str, tf.Tensor]:
        """The values of the gates and of the candidate, in the order of the weights."""
        x = x[0] if isinstance(x, tuple) else x
        return self.advance(self.enter_gates(x, r), state[1])[0]

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        x, *stay = x if isinstance(x, tuple) else (x,)
        gate, c = self.advance(self.enter_gates(x, r), state[1])
        h = gate["output"] * self.show(c, x.dtype)
        if self.projection:
            h = dot(h, self.projection_kernel)
        if self.zoneout or self.zoneout_cell:
            h, c = self._zone(stay, state, (h, c))
        return h, (h, c)

    def _zone(self, stay: list, state: tuple, new: tuple) -> tuple:
        if stay:
            return tuple(tf.where(s, old, now) for s, old, now in zip(stay, state, new, strict=True))
        rates = (self.zoneout, self.zoneout_cell)
        return tuple(now + rate * (old - now) for rate, old, now in zip(rates, state, new, strict=True))
