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
