"""The gated recurrent unit (GRU) of Cho et al. (2014)."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.activations import activation_name, label_activation
from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.base import NativeKernel
from rnnzoo.cells.chrono import check_chrono, sample_bias
from rnnzoo.cells.ops import dot, weight
from rnnzoo.cells.unit_equations import Term, UnitEquation, activation_equation, name_input
from rnnzoo.registry import CELLS
from rnnzoo.serialization import accept_positional


@CELLS.register("gru")
@accept_positional(keras.layers.GRUCell)
class GRUCell(AffineCell):
    """Gated recurrent unit: an update gate and a reset gate control the hidden state.

        z_t = sigma(x_t W_z + h_{t-1} U_z + b_z)                 update gate
        r_t = sigma(x_t W_r + h_{t-1} U_r + b_r)                 reset gate
        g_t = tanh(x_t W_h + r_t * (h_{t-1} U_h + d_h) + b_h)    candidate, reset_after
        g_t = tanh(x_t W_h + (r_t * h_{t-1}) U_h + b_h)          candidate, as in the paper
        h_t = z_t * h_{t-1} + (1 - z_t) * g_t

    Shapes: inputs `[batch, time, features]`, state and output `h [batch, units]`; weights `kernel` W
    `[features, 3 units]`, `recurrent_kernel` U `[units, 3 units]`, in the order z, r, h of `keras.layers.GRU`, `bias`
    `[3 units]`, or with `reset_after` `[2, 3 units]`: the bias of the inputs (b) and of the recurrence (d; its d_z
    and d_r add to b_z and b_r). Weights are interchangeable with those of `keras.layers.GRU`.

    Args:
        units: size of h.
        recurrent_activation: sigma, of the gates; `activation` is the tanh of the equations.
        reset_after: whether the reset gate is applied after the product with U_h, so that U needs a single product.
        chrono: the longest dependencies in time steps, T: b_z is initialized to log(u) with u uniform from 1 to T - 1,
            so that values in h are kept for up to T time steps.

    Raises:
        ValueError: `chrono` is below 2, or given without biases.

    >>> import tensorflow as tf, rnnzoo
    >>> rnnzoo.layers.GRU(4, return_sequences=True)(tf.zeros([2, 7, 3])).shape
    TensorShape([2, 7, 4])

    Cho et al. (2014), Learning phrase representations using RNN encoder-decoder for statistical machine translation,
    EMNLP; `reset_after` as in Chetlur et al. (2014), cuDNN; chrono initialization: Tallec & Ollivier (2018), Can
    recurrent neural networks warp time?, arXiv 1804.11188.
    """

    blocks = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        reset_after: bool = True,
        chrono: int | None = None,
        **kwargs,
    ):
        super().__init__(units, activation, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.reset_after = reset_after
        self.chrono = chrono
        check_chrono(chrono, self.use_bias)
        self.has_additive_recurrence = reset_after

    def native_kernel(self) -> NativeKernel | None:
        """Returns the declaration of the native kernel, or None if no kernel computes these equations."""
        names = activation_name(self.activation), activation_name(self.recurrent_activation)
        return NativeKernel("gru" if self.reset_after else "gru-2014") if names == ("tanh", "sigmoid") else None

    def bias_shape(self, width: int) -> tuple[int, ...]:
        return (2, width) if self.reset_after else (width,)

    def default_bias_initializer(self) -> Any:
        if not self.chrono:
            return None
        rest, chrono = self.bias_initializer, self.chrono

        def bias(shape: Any, dtype: Any = None) -> Any:
            update = sample_bias(self.units, chrono, self.seed, dtype)
            others = rest((*shape[:-1], shape[-1] - self.units), dtype=dtype)
            if self.reset_after:  # b_z is in the bias of the inputs
                update = tf.stack([update, tf.zeros_like(update)])
            return tf.concat([update, others], -1)

        return bias

    def input_bias(self) -> tf.Tensor | None:
        return None if self.bias is None else self._bias(0, self.compute_dtype)

    def recurrent(self, state: tuple, consts: Any) -> Any:
        h = self.recurrent_input(state, consts)
        if not self.reset_after:
            return dot(h, self.recurrent_kernel, end=2 * self.units)
        r = dot(h, self.recurrent_kernel)
        return r if self.bias is None else r + self._bias(1, r.dtype)

    def gates(self, x: Any, r: Any, state: tuple, consts: Any) -> dict[str, tf.Tensor]:
        """Returns the values of both gates and of the candidate, in the order of the weights."""
        n, s = self.units, sigma(self.recurrent_activation)
        x_gates, x_h = tf.split(x, [2 * n, n], -1)
        r_gates, r_h = tf.split(r, [2 * n, n], -1) if self.reset_after else (r, None)
        z, reset = tf.split(s(x_gates + r_gates), 2, -1)
        recurrent_part = reset * r_h if self.reset_after else self._reset_product(reset, state, consts)
        return {"update": z, "reset": reset, "candidate": sigma(self.activation)(x_h + recurrent_part)}

    def _reset_product(self, reset: tf.Tensor, state: tuple, consts: Any) -> tf.Tensor:
        """Computes `(r * h) U_h`."""
        return dot(reset * self.recurrent_input(state, consts), self.recurrent_kernel, start=2 * self.units)

    def unit_equations(self, x: Any, r: Any, state: tuple, consts: Any) -> list[UnitEquation]:
        gates = self.gates(x, r, state, consts)
        z, reset, g = (Term(f"{symbol}_t", value) for symbol, value in zip("zrg", gates.values(), strict=True))
        x_z, x_r, x_h = (Term(name_input(self, f"_{b}"), v) for b, v in zip("zrh", tf.split(x, 3, -1), strict=True))
        d = " + d_{}" if self.reset_after and self.bias is not None else ""
        r_parts = zip("zrh", tf.split(r, 3 if self.reset_after else 2, -1), strict=False)
        r_z, r_r, *r_h = (Term(f"h_{{t-1}} U_{b}{d.format(b)}", value) for b, value in r_parts)
        if self.reset_after:
            terms = (x_h, reset, Term(f"({r_h[0].name})", r_h[0].value))
            candidate = UnitEquation("g_t", f"{label_activation(self.activation)}({{}} + {{}} * {{}})", terms, g.value)
        else:
            product = Term("(r_t * h_{t-1}) U_h", self._reset_product(reset.value, state, consts))
            candidate = activation_equation("g_t", self.activation, (x_h, product), g.value)
        h, _ = self.step(x, r, state, consts)
        return [
            activation_equation("z_t", self.recurrent_activation, (x_z, r_z), z.value),
            activation_equation("r_t", self.recurrent_activation, (x_r, r_r), reset.value),
            candidate,
            UnitEquation("h_t", "{} * {} + (1 - {}) * {}", (z, Term("h_{t-1}", state[0]), z, g), h),
        ]

    def step(self, x: Any, r: Any, state: tuple, consts: Any) -> tuple[tf.Tensor, tuple]:
        gate = self.gates(x, r, state, consts)
        h = gate["candidate"] + gate["update"] * (state[0] - gate["candidate"])  # [batch, units]
        return h, (h,)

    def _bias(self, row: int, dtype: Any) -> tf.Tensor:
        bias = weight(self.bias, dtype)
        return bias[row] if self.reset_after else bias
