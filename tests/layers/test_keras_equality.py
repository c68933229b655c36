"""Outputs, states and gradients equal those of `keras.layers` for random shapes, masks and states."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnzoo
from tests.helpers import assert_close, gradients, randomise

PAIRS = {
    "lstm": (rnnzoo.layers.LSTM, keras.layers.LSTM),
    "elman": (rnnzoo.layers.ElmanRNN, keras.layers.SimpleRNN),
    "gru": (rnnzoo.layers.GRU, keras.layers.GRU),
    "gru of 2014": (
        lambda units, *args, **options: rnnzoo.layers.GRU(units, *args, reset_after=False, **options),
        lambda units, *args, **options: keras.layers.GRU(units, *args, reset_after=False, **options),
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_outputs_states_and_gradients(pair, data):
    ours, theirs = PAIRS[pair]
    batch, time, features, units = (data.draw(st.integers(1, top)) for top in (4, 7, 4, 5))
    options = {name: data.draw(st.booleans(), name) for name in ("return_sequences", "go_backwards", "use_bias")}
    a, b = (layer(units, return_state=True, **options) for layer in (ours, theirs))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    x = rng.normal(size=(batch, time, features)).astype("float32")
    a.build(x.shape)
    b.build(x.shape)
    randomise(b)
    a.set_weights(b.get_weights())
    call = {"training": data.draw(st.booleans(), "training")}
    if data.draw(st.booleans(), "masked"):
        call["mask"] = tf.constant(rng.random((batch, time)) < data.draw(st.sampled_from([0.0, 0.5, 0.9])))
    if data.draw(st.booleans(), "initial_state"):
        sizes = [units] * (2 if pair == "lstm" else 1)
        call["initial_state"] = [tf.constant(rng.normal(size=(batch, n)).astype("float32")) for n in sizes]
    weights = rng.normal(size=units).astype("float32")

    def both(layer):
        return gradients(layer, x, weights, **call)

    # halves of a batch run apart in a graph, so graph and eager are two cases
    got = tf.function(both)(a) if data.draw(st.booleans(), "graph") else both(a)
    expected = both(b)
    assert_close(got[0], expected[0], 1e-5)
    assert_close(got[1], expected[1], 2e-5, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS)
def test_under_xla(pair):
    ours, theirs = PAIRS[pair]
    a, b = ours(5, return_sequences=True), theirs(5, return_sequences=True)
    x = np.random.default_rng(0).normal(size=(4, 7, 3)).astype("float32")
    a.build(x.shape)
    b.build(x.shape)
    randomise(b)
    a.set_weights(b.get_weights())
    mask = tf.constant(np.random.default_rng(1).random((4, 7)) < 0.6)
    for call in ({}, {"mask": mask}):
        compiled = tf.function(lambda call=call: gradients(a, x, 1.0, training=True, **call), jit_compile=True)
        got, expected = compiled(), gradients(b, x, 1.0, training=True, **call)
        assert_close(got, expected, 2e-5)


@pytest.mark.parametrize("pair", PAIRS)
def test_positional_arguments_equal_those_of_keras(pair):
    ours, theirs = PAIRS[pair]
    a, b = ours(3, "relu"), theirs(3, "relu")
    assert a.cell.activation is b.activation


def test_extra_positional_arguments_are_refused():
    with pytest.raises(TypeError, match="too many positional arguments"):
        rnnzoo.layers.LSTM(3, *["tanh"] * 30)
