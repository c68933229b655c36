"""Long short-term memory (Hochreiter & Schmidhuber 1997), with the forget gate of Gers et al. (2000)."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.activations import activation_name
from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.base import NativeKernel
from rnnzoo.cells.chrono import LSTMBias, check_forget_bias
from rnnzoo.cells.noise import sample_zoneout_mask, zone_out
from rnnzoo.cells.ops import dot, in_xla
from rnnzoo.cells.unit_equations import Term, UnitEquation, lstm_equations, split_terms
from rnnzoo.registry import CELLS
from rnnzoo.serialization import accept_positional


@CELLS.register("lstm")
@accept_positional(keras.layers.LSTMCell)
class LSTMCell(AffineCell):
    """Long short-term memory: gates control what a cell state forgets, stores and outputs.

        i_t = sigma(x_t W_i + h_{t-1} U_i + b_i)       input gate
        f_t = sigma(x_t W_f + h_{t-1} U_f + b_f)       forget gate
        g_t = tanh(x_t W_c + h_{t-1} U_c + b_c)        candidate
        o_t = sigma(x_t W_o + h_{t-1} U_o + b_o)       output gate
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(c_t)                          with a projection: (o_t * tanh(c_t)) P

    With zoneout, units of h and c keep their previous values: in training each with the given probability, sampled at
    every time step; otherwise `s_t = zoneout s_{t-1} + (1 - zoneout) s'_t`, where s' is the result of the equations.

    Shapes: inputs `[batch, time, features]`, states `h [batch, projection or units]` and `c [batch, units]`, output h;
    weights `kernel` W `[features, 4 units]`, `recurrent_kernel` U `[h, 4 units]`, `bias` b `[4 units]`, in the order i,
    f, c, o of `keras.layers.LSTM`, so that weights are interchangeable, and `projection_kernel` P `[units,
    projection]`. Under mixed precision c stays in float32.

    Args:
        units: size of c, and of h unless there is a projection.
        recurrent_activation: sigma, of the gates; `activation` is the tanh of the equations.
        unit_forget_bias: whether b_f is initialized to 1 (Jozefowicz et al. 2015).
        forget_bias: another number to initialize b_f to: f is sigma(forget_bias) at first, and a value in c fades to
            a half within `log(0.5) / log(f)` time steps: 2 at 1, 14 at 3, 103 at 5.
        chrono: the longest dependencies in time steps, T: b_f is initialized to log(u) with u uniform from 1 to
            T - 1, and b_i to -b_f, so that values in c are kept for up to T time steps.
        forget_gate: False: f = 1 and the weights hold i, c, o, as in the LSTM of 1997.
        zoneout: probability that a unit of h and of c keeps its value, 0 <= zoneout < 1.
        zoneout_cell: the probability for c; default: zoneout.
        projection: size of h, if it differs from that of c.

    Raises:
        ValueError: a zoneout outside [0, 1), `projection` below 1, `chrono` below 2, or `forget_bias` or `chrono` with
            each other, without a forget gate or without biases.

    >>> import tensorflow as tf, rnnzoo
    >>> output, h, c = rnnzoo.layers.LSTM(4, return_state=True)(tf.zeros([2, 7, 3]))
    >>> output.shape, c.shape
    (TensorShape([2, 4]), TensorShape([2, 4]))

    Hochreiter & Schmidhuber (1997), Long short-term memory, Neural Computation 9, 1735-1780; Gers, Schmidhuber &
    Cummins (2000), Learning to forget, Neural Computation 12, 2451-2471; projection: Sak, Senior & Beaufays (2014),
    arXiv 1402.1128; zoneout: Krueger et al. (2016), arXiv 1606.01305; chrono initialization: Tallec & Ollivier (2018),
    Can recurrent neural networks warp time?, arXiv 1804.11188.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        unit_forget_bias: bool = True,
        forget_bias: float | None = None,
        chrono: int | None = None,
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
                raise ValueError(f"{name} must be at least 0 and below 1, got {rate!r}")
        if projection is not None and projection < 1:
            raise ValueError(f"projection must be at least 1, got {projection!r}")
        self.projection = projection
        self.output_size = projection or self.units
        self.state_size = [self.output_size, self.units]
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.forget_bias, self.chrono = forget_bias, chrono
        self.forget_gate = forget_gate
        check_forget_bias(forget_bias, chrono, forget_gate, self.use_bias)
        self.blocks = 4 if forget_gate else 3

    def native_kernel(self) -> NativeKernel | None:
        """Returns the declaration of the native kernel, or None if no kernel computes these equations."""
        names = activation_name(self.activation), activation_name(self.recurrent_activation)
        if names != ("tanh", "sigmoid") or self.projection or self.zoneout or self.zoneout_cell:
            return None
        return NativeKernel("lstm" if self.forget_gate else "lstm-1997")

    @property
    def block_names(self) -> tuple[str, ...]:
        """Names of the blocks of the weights, in their order."""
        return ("input", "forget", "candidate", "output") if self.forget_gate else ("input", "candidate", "output")

    def is_stochastic(self) -> bool:
        return super().is_stochastic() or bool(self.zoneout or self.zoneout_cell)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if self.projection:
            self.projection_kernel = self.add_weight_like(
                "projection_kernel", (self.units, self.projection), "recurrent"
            )

    def default_bias_initializer(self) -> Any:
        forget_bias = float(self.unit_forget_bias) if self.forget_bias is None else self.forget_bias
        if not self.forget_gate or not (forget_bias or self.chrono):
            return None
        return LSTMBias(self.units, self.bias_initializer, forget_bias, self.chrono, self.seed)

    def get_initial_state(self, batch_size: Any) -> list[tf.Tensor]:
        h = tf.zeros([batch_size, self.output_size], self.compute_dtype)
        return [h, tf.zeros([batch_size, self.units], self.variable_dtype)]

    def project(self, inputs: tf.Tensor, training: Any = False) -> Any:
        """Computes `x` and, in training with zoneout, the zoneout masks of h and c, `[..., batch, size]`."""
        x = super().project(inputs, training)
        if not (training and (self.zoneout or self.zoneout_cell)):
            return x
        rates = zip((self.zoneout, self.zoneout_cell), self.state_size, strict=True)
        shapes = ((rate, tf.concat([tf.shape(x)[:-1], [size]], 0)) for rate, size in rates)
        return (x, *(sample_zoneout_mask(s, rate, self.seed_generator, self.variable_dtype) for rate, s in shapes))

    def activate_gates(self, z: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes gates and candidate from their pre-activations."""
        block_names, s, g = self.block_names, sigma(self.recurrent_activation), sigma(self.activation)
        if in_xla() and s is sigma("sigmoid") and g is sigma("tanh"):
            # one tanh for all blocks: sigmoid(z) = 0.5 tanh(0.5 z) + 0.5, faster under XLA
            half = tf.repeat(tf.constant([1.0 if n == "candidate" else 0.5 for n in block_names], z.dtype), self.units)
            return dict(
                zip(block_names, tf.split(half * tf.tanh(half * z) + (1 - half), len(block_names), -1), strict=True)
            )
        blocks = zip(block_names, tf.split(z, len(block_names), -1), strict=True)
        return {name: g(block) if name == "candidate" else s(block) for name, block in blocks}

    def gate_inputs(self, x: tf.Tensor, r: tf.Tensor) -> tf.Tensor:
        """Computes the pre-activations of the gates from inputs and recurrence."""
        return x + r

    def compute_gates(self, z: tf.Tensor, c: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Computes the gates and the new cell state."""
        gate = self.activate_gates(z)
        return gate, self.update_cell(gate, c)

    def update_cell(self, gate: dict[str, tf.Tensor], c: tf.Tensor) -> tf.Tensor:
        """Computes `f * c + i * g`."""
        stored = tf.cast(gate["input"] * gate["candidate"], c.dtype)
        return (tf.cast(gate["forget"], c.dtype) * c if self.forget_gate else c) + stored

    def gate_terms(self, x: tf.Tensor, r: tf.Tensor, prev_c: tf.Tensor, c: tf.Tensor) -> dict[str, list[Term]]:
        """Returns the terms of the pre-activation of each block."""
        return split_terms(self, "x_t W{0}", x, "h_{{t-1}} U{0}", r)

    def output_term(self, c: tf.Tensor) -> Term:
        """Returns the term whose tanh the output gate multiplies."""
        return Term("c_t", c)

    def unit_equations(self, x: Any, r: Any, state: tuple, consts: Any) -> list[UnitEquation]:
        return lstm_equations(self, x[0] if isinstance(x, tuple) else x, r, state)

    def cell_output(self, c: tf.Tensor, dtype: Any) -> tf.Tensor:
        """Computes `tanh(c)`, which the output gate multiplies."""
        return tf.cast(sigma(self.activation)(c), dtype)

    def gates(self, x: Any, r: Any, state: tuple, consts: Any) -> dict[str, tf.Tensor]:
        """Returns the values of the gates and of the candidate, in the order of the weights."""
        x = x[0] if isinstance(x, tuple) else x
        return self.compute_gates(self.gate_inputs(x, r), state[1])[0]

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        x, *zoneout_masks = x if isinstance(x, tuple) else (x,)
        gate, c = self.compute_gates(self.gate_inputs(x, r), state[1])
        h = gate["output"] * self.cell_output(c, x.dtype)
        h = self.project_output(h)
        if self.zoneout or self.zoneout_cell:
            h, c = zone_out((h, c), state, (self.zoneout, self.zoneout_cell), zoneout_masks)
        return h, (h, c)

    def project_output(self, h: tf.Tensor) -> tf.Tensor:
        """Computes `h P`, if there is a projection."""
        return dot(h, self.projection_kernel) if self.projection else h
