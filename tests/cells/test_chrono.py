"""Initial biases of gates: a number for the forget gate, and chrono initialization."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo

UNITS, CHRONO = 400, 200
LSTMS = (rnnzoo.layers.LSTM, rnnzoo.layers.PeepholeLSTM, rnnzoo.layers.LayerNormLSTM)


def bias_of(layer):
    layer.build((None, 3, 2))
    (bias,) = (weight for weight in layer.weights if weight.name == "bias")
    return bias.numpy()


def check_spans(b):
    """b is log(u), u uniform from 1 to T - 1: so the half-life of a gate sigma(b) is uniform too."""
    spans = np.exp(b)
    assert spans.min() >= 1 and spans.max() <= CHRONO - 1 + 1e-3
    np.testing.assert_allclose(np.quantile(spans, [0.25, 0.5, 0.75]), [50, 100, 150], atol=15)


@pytest.mark.parametrize("cls", LSTMS)
def test_the_forget_gate_keeps_what_the_input_gate_lets_in(cls):
    i, f, *others = np.split(bias_of(cls(UNITS, chrono=CHRONO, seed=1)), 4)
    check_spans(f)
    np.testing.assert_array_equal(i, -f)
    np.testing.assert_array_equal(others, np.zeros([2, UNITS]))


@pytest.mark.parametrize("reset_after", [True, False])
def test_the_update_gate_of_a_gru_keeps_its_state(reset_after):
    bias = bias_of(rnnzoo.layers.GRU(UNITS, chrono=CHRONO, reset_after=reset_after, seed=1, bias_initializer="ones"))
    of_inputs, of_recurrence = bias if reset_after else (bias, None)
    z, *others = np.split(of_inputs, 3)
    check_spans(z)
    np.testing.assert_array_equal(others, np.ones([2, UNITS]))
    if reset_after:
        np.testing.assert_array_equal(of_recurrence, np.repeat([0.0, 1.0, 1.0], UNITS))


@pytest.mark.parametrize("cls", LSTMS)
@pytest.mark.parametrize(("options", "value"), [({"forget_bias": 3.5}, 3.5), ({}, 1), ({"unit_forget_bias": False}, 0)])
def test_the_bias_of_the_forget_gate(cls, options, value):
    bias = bias_of(cls(4, bias_initializer="zeros", **options))
    np.testing.assert_array_equal(bias, np.repeat([0, value, 0, 0], 4))
    assert bias_of(cls(4, forget_bias=0.0, unit_forget_bias=True)).max() == 0


def test_the_seed_decides():
    def draw(seed):
        return bias_of(rnnzoo.layers.LSTM(5, chrono=50, seed=seed))

    np.testing.assert_array_equal(draw(3), draw(3))
    assert (draw(3) != draw(4)).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chrono": 1}, "chrono must be at least 2 time steps, got 1"),
        ({"chrono": True}, "chrono must be at least 2"),
        ({"chrono": 9, "forget_bias": 1.0}, "exclude each other"),
        ({"chrono": 9, "forget_gate": False}, "chrono applies to the forget gate, and forget_gate is False"),
        ({"forget_bias": 2.0, "forget_gate": False}, "forget_bias applies to the forget gate"),
        ({"forget_bias": 2.0, "use_bias": False}, "forget_bias sets a bias, and use_bias is False"),
        ({"chrono": 9, "use_bias": False}, "chrono sets biases, and use_bias is False"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=message):
        rnnzoo.layers.LSTM(4, **options)
    if "forget" not in str(options):
        with pytest.raises(ValueError, match=message):
            rnnzoo.layers.GRU(4, **options)


@pytest.mark.parametrize("cls", [rnnzoo.layers.LSTM, rnnzoo.layers.GRU])
def test_a_gradient_is_kept_as_long_as_asked(cls):
    """A hundredth of the gradient comes 100 steps back; without chrono nothing does."""
    x = tf.constant(np.random.default_rng(0).normal(0, 0.1, [4, 100, 3]), tf.float32)

    def kept(**options):
        layer = cls(64, seed=2, **options)
        keras.utils.set_random_seed(0)
        layer.build(x.shape)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) ** 2)
        norms = tf.norm(tape.gradient(loss, x), axis=[0, 2]).numpy()
        return norms[0] / norms[-1]

    assert kept(chrono=400) > 0.01 > 1e4 * kept()


def test_a_file_keeps_the_options(tmp_path):
    layers = rnnzoo.layers.LSTM(4, chrono=30, return_sequences=True), rnnzoo.layers.GRU(4, chrono=20)
    model = keras.Sequential([keras.Input([None, 3]), *layers])
    model.save(tmp_path / "m.keras")
    lstm, gru = keras.models.load_model(tmp_path / "m.keras").layers
    assert (lstm.chrono, lstm.forget_bias, gru.chrono) == (30, None, 20)
    np.testing.assert_array_equal(lstm.get_weights()[2], model.layers[0].get_weights()[2])
