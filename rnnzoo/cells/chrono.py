"""Biases of gates for a time span: chrono initialization (Tallec & Ollivier 2018)."""

from typing import Any

import keras
import tensorflow as tf


def check_chrono(chrono: int | None, use_bias: bool) -> None:
    """Raises `ValueError` for a time span below 2, or a cell without biases."""
    if chrono is None:
        return
    if isinstance(chrono, bool) or chrono < 2:
        raise ValueError(f"chrono must be at least 2 time steps, got {chrono!r}")
    if not use_bias:
        raise ValueError("chrono sets biases, and use_bias is False")


def sample_bias(units: int, chrono: int, seed: int | None, dtype: Any) -> tf.Tensor:
    """Samples `log(u)`, u uniform from 1 to `chrono` - 1, for gates that keep a unit for about u time steps."""
    spans = keras.initializers.RandomUniform(1.0, float(chrono - 1), seed=seed)((units,), dtype="float32")
    return tf.cast(tf.math.log(spans), dtype or "float32")


def check_forget_bias(forget_bias: float | None, chrono: int | None, forget_gate: bool, use_bias: bool) -> None:
    """Raises `ValueError` for options of the bias of a forget gate that do not go together."""
    check_chrono(chrono, use_bias)
    given = [name for name, value in (("forget_bias", forget_bias), ("chrono", chrono)) if value is not None]
    if len(given) > 1:
        raise ValueError("forget_bias and chrono exclude each other")
    if given and not forget_gate:
        raise ValueError(f"{given[0]} applies to the forget gate, and forget_gate is False")
    if given and not use_bias:
        raise ValueError(f"{given[0]} sets a bias, and use_bias is False")


class LSTMBias:
    """Initializer of the biases of an LSTM, in the order i, f, c, o.

    Args:
        units: the number of units.
        rest: the initializer of the other biases.
        forget_bias: the bias of the forget gate.
        chrono: the longest dependencies, which decide the biases of forget gate and input gate, or None.
        seed: the seed of what is sampled.
    """

    def __init__(self, units: int, rest: Any, forget_bias: float, chrono: int | None, seed: int | None):
        self._units, self._rest, self._forget_bias = units, rest, forget_bias
        self._chrono, self._seed = chrono, seed

    def __call__(self, shape: Any, dtype: Any = None) -> tf.Tensor:
        n = self._units
        if self._chrono:
            forget = sample_bias(n, self._chrono, self._seed, dtype)
            gates = [-forget, forget]
        else:
            gates = [self._rest((n,), dtype=dtype), tf.fill((n,), tf.cast(self._forget_bias, dtype))]
        return tf.concat([*gates, self._rest((2 * n,), dtype=dtype)], 0)
