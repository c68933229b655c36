"""Layers in a user's own model under `tf.distribute.MirroredStrategy`."""

import json

import pytest

from tests.helpers import fresh_python

FIT = """
import contextlib, json, sys
import keras, numpy as np, tensorflow as tf

devices, stateful = int(sys.argv[1]), sys.argv[2] == "stateful"
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import rnnzoo
from rnnzoo import layers

reduction = tf.distribute.ReductionToOneDevice()
strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"], reduction) if devices == 2 else None
keras.utils.set_random_seed(1)
rng = np.random.default_rng(0)
x, y = rng.integers(0, 9, [32, 6]), rng.normal(size=[32, 1])
x[:, 4:] *= rng.integers(0, 2, [32, 2])
with strategy.scope() if strategy else contextlib.nullcontext():
    model = keras.Sequential([
        keras.Input([6], batch_size=8 if stateful else None),
        keras.layers.Embedding(9, 4, mask_zero=True),
        layers.LSTM(5, return_sequences=True, dropout=0.2, recurrent_dropout=0.3, stateful=stateful),
        layers.Bidirectional(layers.GRU(5, recurrent_dropout=0.2), merge_mode="sum"),
        keras.layers.Dense(1),
    ])
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
history = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
print(json.dumps([*history.history["loss"], *(float(np.abs(w).sum()) for w in model.get_weights())]))
"""


@pytest.mark.slow
def test_fit_on_two_devices_equals_fit_on_one():
    one, two = (json.loads(fresh_python(FIT, devices, "").splitlines()[-1]) for devices in (1, 2))
    assert two == pytest.approx(one, rel=1e-5)


@pytest.mark.slow
def test_a_stateful_layer_on_two_devices_is_refused():
    with pytest.raises(AssertionError, match="lstm is stateful, which is for one device"):
        fresh_python(FIT, 2, "stateful")
