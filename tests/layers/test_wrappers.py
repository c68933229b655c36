"""Stacked, deep and bidirectional layers against NumPy from the papers, Keras and one another."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnzoo
from rnnzoo.layers import GRU, LSTM, RNN, Bidirectional, DeepInput, DeepOutput, DeepTransition, ElmanRNN, Stack
from rnnzoo.layers.wrapper import override_attributes
from tests import oracles
from tests.helpers import assert_close, gradients, normal, randomise

MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1], [1, 0, 1, 0, 0, 1], [0] * 6], bool)
X = normal(5, 6, 3)


def stacked(weights, x, count, residual):
    """sRNN of Pascanu et al. 2013 in NumPy, from zero states."""
    for level in range(count):
        W, U, b = weights[3 * level : 3 * level + 3]
        h, below = np.zeros((len(x), len(b))), x
        steps = []
        for t in range(x.shape[1]):
            h = np.tanh(below[:, t] @ W + h @ U + b)
            steps.append(h)
        x = np.stack(steps, 1) + (below if residual and level else 0)
    return x


@pytest.mark.parametrize("residual", [False, True])
def test_stacked_equals_the_srnn_of_the_paper(residual):
    layer = Stack([ElmanRNN(4) for _ in range(3)], residual=residual, return_sequences=True)
    layer.build(X.shape)
    randomise(layer)
    expected = stacked(layer.get_weights(), X, 3, residual)
    assert_close(layer(X), expected)
    layer.return_sequences = False
    assert_close(layer(X), expected[:, -1])


def dense(weights, x):
    return np.tanh(x @ weights[0] + weights[1])


def test_deep_input_and_deep_output_equal_the_paper():
    deep = DeepInput(ElmanRNN(4), units=5, depth=3, return_sequences=True)
    deep.build(X.shape)
    randomise(deep)
    w = deep.get_weights()
    # weights of recurrent layers come first or last, as the layers stand
    assert [v.shape for v in w] == [(3, 5), (5,), (5, 5), (5,), (5, 4), (4, 4), (4,)]
    assert_close(deep(X), stacked(w[4:], dense(w[2:], dense(w, X)), 1, False))

    deep = DeepOutput(ElmanRNN(4), units=5, depth=3, return_sequences=True)
    deep.build(X.shape)
    randomise(deep)
    w = deep.get_weights()
    assert [v.shape for v in w] == [(3, 4), (4, 4), (4,), (4, 5), (5,), (5, 5), (5,)]
    expected = dense(w[5:], dense(w[3:], stacked(w, X, 1, False)))
    assert_close(deep(X), expected)
    deep.return_sequences = False
    assert_close(deep(X), expected[:, -1])


def test_deep_transition_equals_the_paper():
    deep = DeepTransition(rnnzoo.cells.ElmanCell(4), depth=3, shortcut=True, return_sequences=True)
    deep.build(X.shape)
    randomise(deep)
    rows = oracles.run(oracles.deep_transition, deep.get_weights(), X, [np.zeros((5, 4))])
    assert_close(deep(X), np.concatenate([y for y, _ in rows]))


@pytest.mark.parametrize("name", [n for n in rnnzoo.list_cells() if n != "feedforward"])
def test_depth_one_equals_the_plain_network(name):
    cell = rnnzoo.CELLS[name](4)
    plain = RNN(cell, return_sequences=True)
    expected = plain(X)
    assert_close(DeepTransition(cell, depth=1, return_sequences=True)(X), expected, 1e-6)  # not by a native kernel
    deep = (
        DeepInput(plain, 5, depth=1, return_sequences=True),
        DeepOutput(plain, 5, depth=1, return_sequences=True),
        Stack([plain], return_sequences=True),
    )
    for layer in deep:
        assert_close(layer(X), expected, 0, 0)


@pytest.mark.parametrize("name", [n for n in rnnzoo.list_cells() if n != "feedforward"])
def test_deep_transition_of_a_gated_cell_is_a_chain_of_steps(name):
    deep = rnnzoo.cells.DeepTransitionCell(rnnzoo.CELLS[name](4), depth=2)
    deep.build((None, 3))
    randomise(deep)
    state = [normal(5, s.shape[-1], seed=7) for s in deep.get_initial_state(1)]
    output, new = deep(X[:, 0], state)
    first, second = deep.cells
    _, between = first(X[:, 0], state)
    expected, final = second(np.zeros((5, 0), "float32"), between)
    assert_close([output, *new], [expected, *final], 1e-6)


KERAS = {"lstm": (LSTM, keras.layers.LSTM), "gru": (GRU, keras.layers.GRU), "elman": (ElmanRNN, keras.layers.SimpleRNN)}


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_bidirectional_equals_keras(data):
    ours, theirs = KERAS[data.draw(st.sampled_from(sorted(KERAS)), "layer")]
    merge = data.draw(st.sampled_from(["concat", "sum", "ave", "mul", None]), "merge")
    options = {name: data.draw(st.booleans(), name) for name in ("return_sequences", "return_state")}
    batch, time, features, units = (data.draw(st.integers(1, top)) for top in (4, 7, 4, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    x = rng.normal(size=(batch, time, features)).astype("float32")
    a, b = (
        Bidirectional(ours(units, **options), merge_mode=merge),
        keras.layers.Bidirectional(theirs(units, **options), merge_mode=merge),
    )
    a.build(x.shape)
    b.build(x.shape)
    assert [v.shape for v in a.weights] == [v.shape for v in b.weights]
    randomise(b)
    a.set_weights(b.get_weights())
    call = {}
    if data.draw(st.booleans(), "masked"):
        call["mask"] = tf.constant(rng.random((batch, time)) < data.draw(st.sampled_from([0.0, 0.5, 0.9])))
    if data.draw(st.booleans(), "initial_state"):
        count = 4 if ours is LSTM else 2
        call["initial_state"] = [tf.constant(rng.normal(size=(batch, units)).astype("float32")) for _ in range(count)]

    def both(layer):
        return gradients(layer, x, 1.0, **call)

    got = tf.function(both)(a) if data.draw(st.booleans(), "graph") else both(a)
    assert_close(got, both(b), 2e-5, 1e-4)
    shapes = a.compute_output_shape(x.shape)
    shapes = [shapes] if isinstance(shapes[0], (int, type(None))) else list(shapes)
    assert [tuple(s) for s in shapes] == [tuple(o.shape) for o in tf.nest.flatten(a(x))]


def test_bidirectional_over_a_stack_is_two_stacks():
    layer = Bidirectional(Stack([GRU(4), LSTM(3)], return_sequences=True, return_state=True))
    mask = tf.constant(MASK)
    y, *states = layer(X, mask=mask)
    forward, backward = layer.recurrent_layers
    with (
        override_attributes(forward, zero_output_for_mask=True),
        override_attributes(backward, zero_output_for_mask=True),
    ):
        f, *f_states = forward(X, mask=mask)
        b, *b_states = backward(X, mask=mask)
    assert y.shape == (5, 6, 6)
    assert len(states) == 6
    assert_close(y, tf.concat([f, tf.reverse(b, [1])], -1), 0, 0)
    assert_close(states, [*f_states, *b_states], 0, 0)
    # the backward one read the reversed sequence with the same rule for masks
    reversed_stack = Stack(backward.layers, return_sequences=True, zero_output_for_mask=True)
    assert_close(reversed_stack(X[:, ::-1], mask=mask[:, ::-1]), b, 1e-6)
    again, *ends = layer(X, mask=mask, initial_state=states)
    assert not np.allclose(again, y)
    assert len(ends) == 6


@pytest.mark.parametrize("last", [True, False])
def test_padding_has_no_effect(last):
    """A padded row equals the row alone, in nested wrappers."""
    layer = Stack(
        [keras.layers.Dense(4), Bidirectional(GRU(2)), Bidirectional(LSTM(2)), keras.layers.Dense(3)],
        residual=True,
        return_sequences=not last,
    )
    mask = MASK.copy()
    mask[2:4] = np.arange(6) < 4
    got = layer(X, mask=tf.constant(mask))
    for row in (1, 2):
        length = mask[row].sum()
        alone = layer(X[row : row + 1, :length])
        assert_close(got[row : row + 1] if last else got[row : row + 1, :length], alone, 1e-6)


@pytest.mark.slow
def test_functional_model_file_round_trip(tmp_path):
    ids = keras.Input([None], dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    x = Stack([Bidirectional(LSTM(4)), Bidirectional(Stack([GRU(4), LSTM(4)]))], residual=True, return_sequences=True)(
        x
    )
    x = DeepInput(DeepTransition(rnnzoo.cells.LSTMCell(3), shortcut=True), units=5, depth=2, return_sequences=True)(x)
    x = DeepOutput(Bidirectional(ElmanRNN(3), merge_mode="sum"), units=4)(x)
    model = keras.Model(ids, keras.layers.Dense(1)(x))
    model.compile("adam", "mse")
    data = np.array([[1, 2, 3, 0], [4, 5, 6, 7], [8, 1, 0, 0]])
    before = model.evaluate(data, np.ones((3, 1)), verbose=0)
    model.fit(data, np.ones((3, 1)), epochs=20, verbose=0)
    assert model.evaluate(data, np.ones((3, 1)), verbose=0) < before
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert_close(again(data), model(data), 1e-6)
    assert [w.path.split("/")[-1] for w in again.weights] == [w.path.split("/")[-1] for w in model.weights]
    short = np.array([[1, 2, 3], [8, 1, 0]])
    assert_close(model(short), tf.gather(model(data), [0, 2]), 1e-6)


def test_backward_layer_of_another_class():
    layer = Bidirectional(
        LSTM(4, return_sequences=True), backward_layer=GRU(4, return_sequences=True, go_backwards=True)
    )
    theirs = keras.layers.Bidirectional(
        keras.layers.LSTM(4, return_sequences=True),
        backward_layer=keras.layers.GRU(4, return_sequences=True, go_backwards=True),
    )
    layer.build(X.shape)
    theirs.build(X.shape)
    layer.set_weights(theirs.get_weights())
    assert_close(layer(X), theirs(X), 1e-6)
    copy = Bidirectional.from_config(layer.get_config())
    copy.build(X.shape)
    copy.set_weights(layer.get_weights())
    assert_close(copy(X), layer(X), 0, 0)


def test_residual_of_a_bidirectional_layer():
    """The last output of the backward layer is at the first step, and so is its residual."""
    parts = [Bidirectional(LSTM(2)), Bidirectional(LSTM(2))]
    layer = Stack(parts, residual=True)
    mask = tf.constant(MASK)
    got = layer(X, mask=mask)
    assert not any(part.return_sequences or part.return_state for part in parts)  # as they were given
    with override_attributes(parts[0], return_sequences=True):
        below = parts[0](X, mask=mask)
    above = parts[1](below, mask=mask)
    for row, valid in enumerate(MASK):
        at = np.flatnonzero(valid)
        ends = tf.concat([below[row, at[-1], :2], below[row, at[0], 2:]], 0) if len(at) else tf.zeros(4)
        assert_close(got[row], above[row] + ends, 1e-6)


def test_dropout_between_layers_applies_in_training_only():
    layer = Stack([LSTM(30), keras.layers.Dense(30, kernel_initializer="identity")], dropout=0.5, return_sequences=True)
    quiet, noisy = layer(X), layer(X, training=True)
    hidden = noisy.numpy() == 0
    assert 0.3 < hidden.mean() < 0.7
    assert_close(noisy, np.where(hidden, 0, 2 * quiet), 1e-6)
    assert (hidden[:, 0] != hidden[:, 1]).any()


def test_stateful_wrappers_carry_and_reset_states():
    layer = Bidirectional(Stack([LSTM(3, stateful=True), GRU(2, stateful=True)]))
    assert layer.stateful
    first, second = layer(X), layer(X)
    assert not np.allclose(first, second)
    layer.reset_state()
    assert_close(layer(X), first, 0, 0)


def test_non_causal_layers_refuse_to_step():
    layer = Bidirectional(LSTM(3))
    assert not layer.causal
    assert not Stack([LSTM(3), layer]).causal
    assert Stack([LSTM(3), ElmanRNN(2)]).causal
    with pytest.raises(ValueError, match="is bidirectional and cannot run step by step"):
        layer.step(X[:, 0], layer.get_initial_state(5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bidirectional(LSTM(3), merge_mode="max"), "merge_mode must be one of concat, sum, ave, mul, None"),
        (lambda: Bidirectional(LSTM(3), backward_layer="sum"), "recurrent layer of rnnzoo.layers, got 'sum'"),
        (lambda: Bidirectional(keras.layers.Dense(3)), "recurrent layer of rnnzoo.layers"),
        (lambda: Bidirectional(Bidirectional(LSTM(3))), "stack Bidirectional layers instead"),
        (lambda: Bidirectional(Stack([Bidirectional(LSTM(3))])), "stack Bidirectional layers instead"),
        (lambda: Bidirectional(LSTM(3), backward_layer=LSTM(3)), "read in the same direction"),
        (
            lambda: Bidirectional(LSTM(3), backward_layer=LSTM(3, go_backwards=True, stateful=True)),
            "differ in stateful",
        ),
        (lambda: Stack([LSTM(3), LSTM(3, go_backwards=True)]), "set go_backwards of the Stack"),
        (lambda: Stack([keras.layers.LSTM(3)]), "not a recurrent layer of rnnzoo.layers: use the layer of that name"),
        (lambda: Bidirectional(keras.layers.GRU(3)), "not a recurrent layer of rnnzoo.layers"),
        (lambda: Stack([]), "at least one recurrent layer"),
        (lambda: Stack([keras.layers.Dense(3)]), "at least one recurrent layer"),
        (lambda: Stack([LSTM(3)], dropout=1.0), "dropout must be at least 0 and below 1"),
        (lambda: Stack([LSTM(3), LSTM(4)], residual=True)(X), "has 3 inputs and 4 outputs"),
        (lambda: DeepInput(LSTM(3), 4, depth=0), "depth must be at least 1"),
        (lambda: DeepOutput(LSTM(3), 4, depth=0), "depth must be at least 1"),
        (lambda: Stack([LSTM(3)])(X, initial_state=[tf.zeros([5, 3])]), "has 2 states, but was given 1"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
