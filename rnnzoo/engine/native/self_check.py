"""Comparison of the native kernels with the graph engine, on small cases, before they are used."""

import itertools

import numpy as np
import tensorflow as tf

from rnnzoo.engine.native.library import Library, WrongResultError
from rnnzoo.engine.native.operations import ACTIVATIONS, CELLS

BATCH, TIME, FEATURES, UNITS = 7, 5, 3, 18
TOLERANCE = 1e-4


def check_library(library: Library) -> None:
    """Raises `WrongResultError` unless outputs and gradients are those of the equations.

    The equations are computed here step by step, by TensorFlow's own operations.
    """
    marker = library.path.with_suffix(".checked")
    if marker.exists():
        return
    for name, activation in itertools.product(CELLS, ACTIVATIONS):
        if activation == "tanh" or name == "elman":
            _check_cell(library, name, activation)
    marker.touch(mode=0o600)


def _check_cell(library: Library, name: str, activation: str) -> None:
    rng = np.random.default_rng(0)
    blocks = {"lstm": 4, "lstm-1997": 3, "gru": 3, "gru-2014": 3, "elman": 1}[name]
    num_states = 2 if name.startswith("lstm") else 1

    def normal(*shape: int) -> tf.Tensor:
        return tf.constant(0.5 * rng.normal(size=shape), tf.float32)

    bias = normal(blocks * UNITS * (2 if name == "gru" else 1))
    sources = [normal(BATCH, TIME, FEATURES), normal(FEATURES, blocks * UNITS), normal(UNITS, blocks * UNITS), bias]
    sources += [normal(BATCH, UNITS) for _ in range(num_states)]
    mask = tf.constant(rng.random((BATCH, TIME)) > 0.3)
    drop = tf.constant((rng.random((BATCH, UNITS)) > 0.3) / 0.7, tf.float32)
    dy, d_states = normal(BATCH, TIME, UNITS), [normal(BATCH, UNITS) for _ in range(num_states)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        expected = _reference(name, activation, sources, mask, drop)
    expected_gradients = tape.gradient(expected, sources, [dy, *d_states])
    x, w, u, b, *states = sources
    attributes = {"cell": CELLS[name], "activation": ACTIVATIONS[activation], "reverse": False}
    shared = {"x": x, "w": w, "u": u, "h0": states[0], "c0": states[-1] if num_states > 1 else tf.zeros([0])}
    shared |= {"drop": drop, "mask": mask}
    y, h, c, z, cells = library.forward(**shared, b=b, **attributes, save=True, sequence=True)
    dc = d_states[1] if num_states > 1 else tf.zeros([BATCH, 0])
    saved = {"y": y, "z": z, "cells": cells, "dy": dy, "dh": d_states[0], "dc": dc}
    dx, dw, du, db, dh0, dc0 = library.backward(**shared, **saved, **attributes)
    actual = [y, h, c][: 1 + num_states] + [dx, dw, du, db, dh0, dc0][: 4 + num_states]
    for result, value in zip(actual, [*expected, *expected_gradients], strict=True):
        if not np.allclose(result, value, rtol=TOLERANCE, atol=TOLERANCE):
            raise WrongResultError(f"the compiled kernel of {name} ({activation}) gives other numbers than TensorFlow")


def _reference(name: str, activation: str, sources: list, mask: tf.Tensor, drop: tf.Tensor) -> list:
    """Computes outputs and final states by the equations."""
    x, w, u, b, *state = sources
    sigma = {"tanh": tf.tanh, "sigmoid": tf.sigmoid, "relu": tf.nn.relu}[activation]
    h, c = state[0], state[-1]
    seen, outputs = tf.zeros([BATCH, 1], tf.bool), []
    bx, bh = tf.split(b, 2) if name == "gru" else (b, tf.zeros_like(b))
    for t in range(TIME):
        z, hd, valid = x[:, t] @ w + bx, h * drop, mask[:, t, None]
        new_c = c
        if name == "elman":
            new_h = sigma(z + hd @ u)
        elif name.startswith("lstm"):
            blocks = tf.split(z + hd @ u, 4 if name == "lstm" else 3, 1)
            forget = tf.sigmoid(blocks[1]) if name == "lstm" else 1.0
            new_c = forget * c + tf.sigmoid(blocks[0]) * tf.tanh(blocks[-2])
            new_h = tf.sigmoid(blocks[-1]) * tf.tanh(new_c)
        else:
            zx, zu = tf.split(z, 3, 1), tf.split(u, 3, 1)
            bias = tf.split(bh, 3)
            update, reset = (tf.sigmoid(zx[i] + hd @ zu[i] + bias[i]) for i in range(2))
            inner = reset * (hd @ zu[2] + bias[2]) if name == "gru" else (reset * hd) @ zu[2]
            candidate = tf.tanh(zx[2] + inner)
            new_h = update * h + (1 - update) * candidate
        h, c, seen = tf.where(valid, new_h, h), tf.where(valid, new_c, c), seen | valid
        outputs.append(tf.where(seen, h, 0.0))
    return [tf.stack(outputs, 1), h, *([c] if name.startswith("lstm") else [])]
