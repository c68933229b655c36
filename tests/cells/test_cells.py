"""Each cell against NumPy written from the paper, and against Keras's own loop."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from tests import oracles
from tests.helpers import UNITS, assert_close, cell, normal, randomise

MASK = np.array(
    [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1], [1, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0]], bool
)

CASES = {
    "dampened": ("dampened", {"dampening": 0.7}, functools.partial(oracles.dampened, dampening=0.7)),
    "dampened, learned": ("dampened", {"trainable_dampening": True}, oracles.dampened),
    "elman": ("elman", {}, oracles.elman),
    "jordan": ("jordan", {}, oracles.jordan),
    "jordan, fewer outputs": ("jordan", {"output_units": 2}, oracles.jordan),
    "lstm": ("lstm", {}, oracles.lstm),
    "lstm of 1997": ("lstm", {"forget_gate": False}, oracles.lstm_1997),
    "feedforward": ("feedforward", {"window": 3}, functools.partial(oracles.feedforward, window=3)),
}


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("case", CASES)
def test_equals_numpy(case, mask):
    name, options, tick = CASES[case]
    layer = rnnzoo.layers.RNN(cell(name, **options), return_sequences=True, return_state=True)
    x = normal(5, 6, 3)
    layer.build(x.shape)
    randomise(layer)
    window = name == "feedforward"
    sizes = layer.state_size
    state = [normal(5, size, seed=i + 1) for i, size in enumerate(sizes)]
    given = {} if window else {"initial_state": state}
    y, *final = layer(x, mask=None if mask is None else tf.constant(mask), **given)
    weights = layer.get_weights()
    for row, (wanted, last) in enumerate(oracles.run(tick, weights, x, [[]] if window else state, mask)):
        if wanted.shape[-1]:
            assert_close(y[row : row + 1], wanted)
        else:
            assert_close(y[row], np.zeros_like(y[row]), 0, 0)
        if not window:
            assert_close([f[row : row + 1] for f in final], last)


def test_every_cell_has_an_oracle():
    assert {name for name, _, _ in CASES.values()} == set(rnnzoo.list_cells())


@pytest.mark.parametrize("name", rnnzoo.list_cells())
def test_runs_in_keras_own_loop(name):
    shared = cell(name)
    x, mask = normal(5, 6, 3), tf.constant(MASK)
    theirs = keras.layers.RNN(shared, return_sequences=True)
    theirs.build(x.shape)
    randomise(theirs)
    ours = rnnzoo.layers.RNN(shared, return_sequences=True)
    assert_close(ours(x, mask=mask), theirs(x, mask=mask), 1e-6)


def test_unit_forget_bias():
    layer = rnnzoo.layers.LSTM(UNITS)
    layer.build((None, None, 3))
    assert_close(layer.cell.bias, np.repeat([0.0, 1.0, 0.0, 0.0], UNITS), 0, 0)
    layer = rnnzoo.layers.LSTM(UNITS, unit_forget_bias=False, bias_initializer="ones")
    layer.build((None, None, 3))
    assert_close(layer.cell.bias, np.ones(4 * UNITS), 0, 0)


def test_dampening_is_a_weight_only_if_learned():
    for learned, names in ((False, ["kernel", "bias"]), (True, ["kernel", "bias", "dampening"])):
        layer = rnnzoo.layers.DampenedRNN(UNITS, trainable_dampening=learned, dampening=0.25)
        layer.build((None, None, 3))
        assert [w.name for w in layer.weights] == names
        assert float(layer.cell.dampening) == 0.25


@pytest.mark.parametrize("forget_gate", [True, False])
def test_gates(forget_gate):
    layer = rnnzoo.layers.LSTM(UNITS, forget_gate=forget_gate, return_sequences=True, return_state=True)
    x = normal(5, 6, 3)
    gates = layer.gates(x, mask=tf.constant(MASK))
    assert list(gates) == ["input", *["forget"][: int(forget_gate)], "candidate", "output"]
    assert {tuple(g.shape) for g in gates.values()} == {(5, 6, UNITS)}
    c = np.zeros((5, UNITS))
    for t in range(6):
        gate = {name: value[:, t].numpy() for name, value in gates.items()}
        new = gate.get("forget", 1) * c + gate["input"] * gate["candidate"]
        c = np.where(MASK[:, t, None], new, c)
    assert_close(layer(x, mask=tf.constant(MASK))[2], c)


def test_a_layer_without_gates_says_so():
    with pytest.raises(ValueError, match="ElmanCell has no gates"):
        rnnzoo.layers.ElmanRNN(3).gates(normal(1, 2, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rnnzoo.cells.ElmanCell(0), "units must be an integer of at least 1, not 0"),
        (lambda: rnnzoo.cells.ElmanCell(2.5), "units must be an integer"),
        (lambda: rnnzoo.cells.LSTMCell(3, dropout=1.0), "dropout must be at least 0 and below 1"),
        (lambda: rnnzoo.cells.LSTMCell(3, recurrent_dropout=-0.1), "recurrent_dropout must be"),
        (lambda: rnnzoo.cells.DampenedCell(3, dampening=float("nan")), "dampening must be a finite number"),
        (lambda: rnnzoo.cells.JordanCell(3, output_units=0), "output_units must be at least 1"),
        (lambda: rnnzoo.cells.FeedforwardCell(3, window=0), "window must be at least 1"),
        (lambda: rnnzoo.cells.FeedforwardCell(3, recurrent_dropout=0.1), "recurrent_dropout does not apply"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_noise_inside_a_step_is_refused():
    class Noisy(rnnzoo.cells.Cell):
        state_size = 3

        def step(self, x, r, state, consts):
            return x + tf.random.normal(tf.shape(x)), state

    with pytest.raises(ValueError, match=r"Noisy draws random numbers .* in project\(\) or constants\(\)"):
        rnnzoo.layers.RNN(Noisy())(normal(2, 4, 3))
