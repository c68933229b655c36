"""Each cell against NumPy from the paper's equations, and in Keras's own loop."""

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
    "lstm, projected": ("lstm", {"projection": 3}, oracles.lstm_projected),
    "lstm, zoneout": (
        "lstm",
        {"zoneout": 0.2, "zoneout_cell": 0.6},
        functools.partial(oracles.lstm_zoneout, rate=0.2, rate_cell=0.6),
    ),
    "lstm-peephole": ("lstm-peephole", {}, oracles.lstm_peephole),
    "lstm-peephole of 1997": ("lstm-peephole", {"forget_gate": False}, oracles.lstm_peephole_1997),
    "lstm-layernorm": ("lstm-layernorm", {}, oracles.lstm_layernorm),
    "gru": ("gru", {}, oracles.gru),
    "gru of 2014": ("gru", {"reset_after": False}, oracles.gru_reset_before),
    "indrnn": ("indrnn", {}, oracles.indrnn),
    "DT(S)": ("deep+elman", {"depth": 3, "shortcut": True}, oracles.deep_transition),
    "DT": ("deep+elman", {"depth": 2}, functools.partial(oracles.deep_transition, depth=2, shortcut=False)),
    "feedforward": ("feedforward", {"context": 3}, functools.partial(oracles.feedforward, window=3)),
}


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("case", CASES)
def test_equals_numpy(case, mask):
    name, options, step_fn = CASES[case]
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
    for row, (expected, last) in enumerate(oracles.run(step_fn, weights, x, [[]] if window else state, mask)):
        if expected.shape[-1]:
            assert_close(y[row : row + 1], expected)
        else:
            assert_close(y[row], np.zeros_like(y[row]), 0, 0)
        if not window:
            assert_close([f[row : row + 1] for f in final], last)


def test_every_cell_has_an_oracle():
    assert {name for name, _, _ in CASES.values()} == {*rnnzoo.list_cells(), "deep+elman"}


@pytest.mark.parametrize("name", rnnzoo.list_cells())
def test_runs_in_keras_rnn(name):
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


def test_dampening_is_a_weight_only_if_trainable():
    for learned, block_names in ((False, ["kernel", "bias"]), (True, ["kernel", "dampening", "bias"])):
        layer = rnnzoo.layers.DampenedRNN(UNITS, trainable_dampening=learned, dampening=0.25)
        layer.build((None, None, 3))
        assert [w.name for w in layer.weights] == block_names
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


@pytest.mark.parametrize("reset_after", [True, False])
def test_gates_of_the_gru(reset_after):
    layer = rnnzoo.layers.GRU(UNITS, reset_after=reset_after, return_sequences=True)
    x = normal(5, 6, 3)
    gates = layer.gates(x)
    h = layer(x)
    before = np.concatenate([np.zeros((5, 1, UNITS)), h[:, :-1]], 1)
    assert list(gates) == ["update", "reset", "candidate"]
    assert_close(gates["update"] * before + (1 - gates["update"]) * gates["candidate"], h)


@pytest.mark.parametrize("name", ["lstm", "lstm-peephole", "lstm-layernorm"])
def test_zoneout_keeps_units_with_its_probability(name):
    """In training each unit of h and c has either its previous value or that of the equations."""
    rates = {"zoneout": 0.3, "zoneout_cell": 0.6}
    shared = rnnzoo.CELLS[name](400, **rates, seed=1)
    state = [normal(5, 400, seed=1), normal(5, 400, seed=2)]
    shared.build((None, 3))
    _, new = shared(normal(5, 3), state, training=True)
    plain = rnnzoo.CELLS[name](400)
    plain.build((None, 3))
    plain.set_weights(shared.get_weights())
    _, expected = plain(normal(5, 3), state)
    for old, now, full, rate in zip(state, new, expected, rates.values(), strict=True):
        kept = np.equal(old, now)
        assert abs(kept.mean() - rate) < 0.05
        assert_close(now, np.where(kept, old, full), 1e-6)


def test_zoneout_is_sampled_at_every_step():
    layer = rnnzoo.layers.LSTM(50, zoneout=0.5, return_sequences=True, seed=3)
    h = layer(normal(2, 8, 3), training=True).numpy()
    kept = np.equal(h[:, 1:], h[:, :-1])
    assert 0.3 < kept.mean() < 0.7
    assert (kept[:, 0] != kept[:, 1]).any()


@pytest.mark.parametrize("options", [{"zoneout": 0.0}, {"projection": None}])
def test_default_options_give_the_plain_lstm(options):
    x = normal(3, 6, 4)
    a, b = rnnzoo.layers.LSTM(UNITS, **options), keras.layers.LSTM(UNITS)
    a.build(x.shape)
    b.build(x.shape)
    a.set_weights(b.get_weights())
    assert_close(a(x, training=True), b(x, training=True), 1e-6)


def test_indrnn_bounds_its_recurrent_weights():
    layer = rnnzoo.layers.IndRNN(6, recurrent_max=0.5, recurrent_initializer="ones")
    model = keras.Sequential([keras.Input([None, 2]), layer])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(normal(4, 3, 2), normal(4, 6), verbose=0)
    assert_close(layer.cell.recurrent_kernel, np.full(6, 0.5), 0, 0)
    again = type(layer).from_config(layer.get_config())
    assert again.recurrent_max == 0.5


def test_gates_of_a_cell_without_gates_are_refused():
    with pytest.raises(ValueError, match="ElmanCell has no gates"):
        rnnzoo.layers.ElmanRNN(3).gates(normal(1, 2, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rnnzoo.cells.ElmanCell(0), "units must be an integer of at least 1, got 0"),
        (lambda: rnnzoo.cells.ElmanCell(2.5), "units must be an integer"),
        (lambda: rnnzoo.cells.LSTMCell(3, dropout=1.0), "dropout must be at least 0 and below 1"),
        (lambda: rnnzoo.cells.LSTMCell(3, recurrent_dropout=-0.1), "recurrent_dropout must be"),
        (lambda: rnnzoo.cells.DampenedCell(3, dampening=float("nan")), "dampening must be a finite number"),
        (lambda: rnnzoo.cells.JordanCell(3, output_units=0), "output_units must be at least 1"),
        (lambda: rnnzoo.cells.LSTMCell(3, zoneout=1.0), "zoneout must be at least 0 and below 1"),
        (lambda: rnnzoo.cells.LSTMCell(3, zoneout_cell=-0.5), "zoneout_cell must be at least 0"),
        (lambda: rnnzoo.cells.LSTMCell(3, projection=0), "projection must be at least 1"),
        (lambda: rnnzoo.cells.IndRNNCell(3, recurrent_max=0.0), "recurrent_max must be above 0"),
        (
            lambda: rnnzoo.cells.IndRNNCell(3, recurrent_max=1.0, recurrent_constraint="non_neg"),
            "exclude each other",
        ),
        (lambda: cell("deep+feedforward"), "FeedforwardCell does not support a deep transition"),
        (lambda: cell("deep+repeat"), "Repeat does not support a deep transition"),
        (lambda: cell("deep+elman", depth=0), "depth must be at least 1"),
        (lambda: cell("deep+elman", depth=1, shortcut=True), "needs a depth of at least 2"),
        (lambda: cell("deep+gru", shortcut=True, reset_after=False), "GRUCell with these options multiplies"),
        (lambda: rnnzoo.cells.FeedforwardCell(3, context=0), "context must be at least 1"),
        (lambda: rnnzoo.cells.FeedforwardCell(3, recurrent_dropout=0.1), "recurrent_dropout does not apply"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_random_numbers_inside_a_step_are_refused():
    class Noisy(rnnzoo.cells.Cell):
        state_size = 3

        def step(self, x, r, state, consts):
            return x + tf.random.normal(tf.shape(x)), state

    with pytest.raises(ValueError, match=r"Noisy uses random numbers .* in project\(\) or constants\(\)"):
        rnnzoo.layers.RNN(Noisy())(normal(2, 4, 3))
