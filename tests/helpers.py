"""Helpers of several tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rnnzoo

UNITS = 5


def cell(name, **options):
    """Creates a small registered cell; `deep+name` is a deep transition of it."""
    if name.startswith("deep+"):
        depth = {key: options.pop(key) for key in ("depth", "shortcut") if key in options}
        return rnnzoo.cells.DeepTransitionCell(cell(name[5:], **options), **depth, dtype=options.get("dtype"))
    return rnnzoo.CELLS[name](UNITS, **options) if name != "repeat" else Repeat(**options)


class Repeat(rnnzoo.cells.Cell):
    """A minimal cell, which returns its input."""

    state_size = 1

    def step(self, x, r, state, consts):
        return x, state


def often(*names, of):
    """Returns the names as parameters, and the others as parameters of slow tests."""
    return [*names, *(pytest.param(name, marks=pytest.mark.slow) for name in of if name not in names)]


def normal(*shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def randomise(layer, seed=0, scale=0.5):
    """Sets random weights, without the zeros and ones that hide mistakes."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=w.shape, scale=scale).astype(w.dtype) for w in layer.get_weights()])


def fresh_python(code, *arguments, **environment):
    """Runs code in a new interpreter from the project's root; returns what it printed."""
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def gradients(layer, x, weights_of_loss, **call):
    """Returns outputs, and gradients of inputs and weights for a loss that weights the outputs."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, **call)
        loss = sum(tf.reduce_sum(tf.cast(o, tf.float32) ** 2 * weights_of_loss) for o in tf.nest.flatten(y))
    variables = [v.value for v in layer.trainable_variables]
    return y, [loss, *tape.gradient(loss, [x, *variables], unconnected_gradients="zero")]


def assert_close(got, expected, absolute=1e-5, relative=1e-4):
    for g, w in zip(tf.nest.flatten(got), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(np.asarray(g, "float64"), np.asarray(w, "float64"), atol=absolute, rtol=relative)


def stand_in(model, path, config, **_):
    """Replaces the export of a run, which has its own tests."""
    (path / "saved_model.pb").write_text("")
    (path / "assets.extra").mkdir(exist_ok=True)
    (path / "assets.extra/config.json").write_text(json.dumps({"spec": {}, "run_id": config["run_id"]}))
