"""Conversion of Keras models: equal answers, and what stays as it is."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.errors import UserError
from rnnzoo.interop import convert_keras
from tests.helpers import assert_close, normal

K = keras.layers
X = normal(3, 7, 4)


def masked(*layers):
    return keras.Sequential([keras.Input((None, 4)), K.Masking(), *layers])


SEQUENTIAL = {
    "LSTM": lambda: masked(K.LSTM(5, activation="relu", unit_forget_bias=False), K.Dense(2)),
    "LSTM without bias": lambda: masked(K.LSTM(5, use_bias=False, return_sequences=True), K.GlobalMaxPooling1D()),
    "GRU": lambda: masked(K.GRU(5, dropout=0.2, recurrent_dropout=0.1)),
    "GRU before": lambda: masked(K.GRU(5, reset_after=False, return_sequences=True, zero_output_for_mask=True)),
    "SimpleRNN": lambda: masked(K.SimpleRNN(5, return_sequences=True, go_backwards=True), K.SimpleRNN(3)),
    "Bidirectional": lambda: masked(
        K.Bidirectional(K.LSTM(5, return_sequences=True), "ave"), K.Bidirectional(K.GRU(3))
    ),
    "two directions": lambda: masked(K.Bidirectional(K.LSTM(5), backward_layer=K.GRU(3, go_backwards=True))),
    "RNN": lambda: masked(K.RNN(K.GRUCell(5))),
    "stacked cells": lambda: masked(K.RNN(K.StackedRNNCells([K.LSTMCell(5), K.GRUCell(4), K.SimpleRNNCell(3)]))),
    "list of cells": lambda: masked(K.RNN([K.LSTMCell(5), K.LSTMCell(4)], return_sequences=True)),
}


def functional():
    """An encoder and a decoder that shares its layer between two inputs."""
    source, target = keras.Input((None, 4)), keras.Input((None, 4))
    _, h, c = K.LSTM(6, return_state=True)(source)
    decoder = K.LSTM(6, return_sequences=True)
    first = decoder(target, initial_state=[h, c])
    return keras.Model([source, target], [first, K.Dense(2)(decoder(source))])


def nested():
    inputs = keras.Input((None, 4))
    inner = keras.Sequential([keras.Input((None, 4)), K.Bidirectional(K.LSTM(3, return_sequences=True))])
    return keras.Model(inputs, K.GRU(2)(inner(inputs)))


def randomize(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) * 0.5 for w in model.get_weights()])
    return model


def layers_of(model):
    return [
        layer for layer in model._flatten_layers() if isinstance(layer, (K.RNN, K.Bidirectional, rnnzoo.layers.RNN))
    ]


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_models(name):
    theirs = randomize(SEQUENTIAL[name]())
    x = X.copy()
    x[1, 5:] = 0
    before = [w.copy() for w in theirs.get_weights()]
    ours = convert_keras(theirs)
    assert_close(ours(x), theirs(x), 1e-5)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert all(type(layer).__module__.startswith("rnnzoo.") for layer in layers_of(ours)) and layers_of(ours)
    for one, other in zip(before, theirs.get_weights(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("make", [functional, nested])
def test_functional_models(make):
    theirs = randomize(make())
    ours = convert_keras(theirs)
    x = [X, X[:, :4]][: len(theirs.inputs)]
    x = x if len(x) > 1 else x[0]
    tf.nest.map_structure(lambda a, b: assert_close(a, b, 1e-5), ours(x), theirs(x))
    assert all(type(layer).__module__.startswith("rnnzoo.") for layer in layers_of(ours)) and layers_of(ours)


@pytest.mark.slow
def test_a_file_and_training(tmp_path):
    theirs = randomize(SEQUENTIAL["Bidirectional"]())
    theirs.compile("sgd", "mse", metrics=["mae"])
    theirs.save(tmp_path / "model.keras")
    ours = convert_keras(tmp_path / "model.keras")
    y = normal(3, 6)
    for model in (theirs, ours):
        model.fit(X, y, epochs=2, batch_size=3, verbose=0)
    assert_close(ours(X), theirs(X), 1e-4)
    ours.save(tmp_path / "ours.keras")
    assert_close(keras.models.load_model(tmp_path / "ours.keras")(X), ours(X), 1e-6)


def test_options_and_policies_are_kept():
    theirs = masked(
        K.LSTM(5, kernel_regularizer="l2", recurrent_initializer="zeros", dtype="mixed_bfloat16", trainable=False)
    )
    ours = convert_keras(theirs)
    layer = ours.layers[-1]
    assert layer.cell.kernel_regularizer is not None and not layer.trainable
    assert ours(X).dtype == theirs(X).dtype == tf.bfloat16 and len(ours.losses) == len(theirs.losses)


class OwnCell(K.SimpleRNNCell):
    """A cell that only its author knows."""


def test_layers_without_a_counterpart_stay_and_are_named():
    theirs = masked(K.RNN(OwnCell(5), return_sequences=True, name="own"), K.LSTM(3))
    with pytest.warns(UserWarning, match=r"are copied: own \(RNN\)"):
        ours = convert_keras(theirs)
    assert type(ours.layers[1]) is K.RNN and isinstance(ours.layers[2], rnnzoo.layers.LSTM)
    assert_close(ours(X), theirs(X), 1e-5)


def test_models_that_cannot_be_converted(tmp_path):
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    for model, message in [
        (Own(), "needs a sequential or functional"),
        (keras.Sequential([K.LSTM(3)]), "is not built"),
        (tmp_path / "missing.keras", "is not the path of a .keras file"),
    ]:
        with pytest.raises(UserError, match=message):
            convert_keras(model)
    (tmp_path / "damaged.keras").write_bytes(b"PK not a zip")
    with pytest.raises(UserError, match="cannot be loaded"):
        convert_keras(tmp_path / "damaged.keras")
