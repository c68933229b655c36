"""Attention against NumPy from the papers' equations; masks; input feeding against finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnzoo
from rnnzoo.cells import AttentionCell
from rnnzoo.layers import Attention, scan
from tests.engine.test_gradients import directions
from tests.helpers import assert_close, cell, normal, randomise

SCORES = ("dot", "general", "additive")
SIZE, PLACES, UNITS = 4, 6, 3


def oracle(score, weights, query, memory, there):
    """Computes y and a of one query `[size]` and one memory `[source_time, size]`."""
    if score == "dot":
        e = memory @ query
    elif score == "general":
        W_a, *weights = weights
        e = memory @ W_a @ query
    else:
        W_a, W_h, b, v, *weights = weights
        e = np.array([(np.tanh(query @ W_h + m @ W_a + b) @ v)[0] for m in memory])
    a = np.where(there, np.exp(e - e[there].max(initial=-np.inf)) if there.any() else 0.0, 0.0)
    a = a / a.sum() if a.sum() else a
    return np.tanh(np.concatenate([a @ memory, query]) @ weights[0]), a


def made(score, dtype="float64", **options):
    attention = Attention(UNITS, score, return_weights=True, dtype=dtype, **options)
    attention.build((None, None, SIZE), (None, None, SIZE))
    randomise(attention)
    return attention


@pytest.mark.parametrize("score", SCORES)
def test_equations(score):
    attention = made(score)
    query, memory = normal(3, 2, SIZE, dtype="float64"), normal(3, PLACES, SIZE, seed=1, dtype="float64")
    there = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0], [0, 1, 0, 1, 1, 0]], bool)
    y, a = attention(query, memory, memory_mask=there)
    for row in range(3):
        for t in range(2):
            expected = oracle(score, attention.get_weights(), query[row, t], memory[row], there[row])
            assert_close((y[row, t], a[row, t]), expected, 1e-12)


@pytest.mark.parametrize("score", SCORES)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_padding(score, data):
    """Weights of padding are exactly 0, rows sum to 1, and more padding or NaN in it has no effect."""
    batch, places, more = (data.draw(st.integers(1, n)) for n in (3, 5, 4))
    there = np.array(
        data.draw(st.lists(st.lists(st.booleans(), min_size=places, max_size=places), min_size=batch, max_size=batch))
    )
    attention = made(score, dtype="float32")
    query, memory = normal(batch, 2, SIZE), normal(batch, places, SIZE, seed=2) * 10
    y, a = attention(query, memory, memory_mask=there)
    assert np.isfinite(y).all()
    assert (a.numpy()[~np.repeat(there[:, None], 2, 1)] == 0).all()
    np.testing.assert_allclose(a.numpy().sum(-1), np.repeat(there.any(1)[:, None], 2, 1), atol=1e-6)
    padded = np.concatenate([memory, np.full((batch, more, SIZE), 1e3, "float32")], 1)
    again, _ = attention(query, padded, memory_mask=np.pad(there, [(0, 0), (0, more)]))
    assert_close(again, y, 1e-6)


def test_keras_mask_reaches_attention():
    ids = keras.Input([None], dtype="int32")
    embedded = keras.layers.Embedding(9, SIZE, mask_zero=True)(ids)
    a = Attention(UNITS, "general", return_weights=True)(embedded, embedded)[1]
    weights = keras.Model(ids, a)(np.array([[3, 4, 0, 0]]))
    assert (weights.numpy()[..., 2:] == 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Attention(3, "cosine"), "score must be one of dot, general, additive"),
        (lambda: Attention(0), "units must be an integer of at least 1"),
        (lambda: Attention(3, "dot")(tf.ones([1, 2, 3]), tf.ones([1, 2, 5])), "use 'general', which has a matrix"),
        (lambda: AttentionCell([cell("lstm", dropout=0.1)], Attention(3), 4), "use dropout between the layers"),
        (
            lambda: AttentionCell([cell("lstm"), rnnzoo.cells.ElmanCell(7)], Attention(3), 4, residual=True).build(
                (None, 9)
            ),
            "cell 1 has 5 inputs and 7 outputs",
        ),
        (
            lambda: rnnzoo.layers.RNN(AttentionCell([cell("lstm")], Attention(3), 4))(tf.ones([1, 2, 3])),
            "needs memory=",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("score", "cells"),
    [
        pytest.param("additive", ["lstm", "elman"], marks=pytest.mark.slow),
        ("general", ["gru"]),
        pytest.param("general", ["deep+elman", "lstm-layernorm"], marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_input_feeding_by_finite_differences(score, cells):
    """Gradients of all weights, states, inputs and of the memory, with masks on both sides."""
    feeding_cell = AttentionCell(
        [cell(name, dtype="float64") for name in cells],
        Attention(UNITS, score, dtype="float64"),
        SIZE,
        residual=len(cells) > 1,
        dtype="float64",
    )
    feeding_cell.build((None, 3))
    randomise(feeding_cell, scale=0.7)
    states = [
        tf.constant(normal(2, s.shape[-1], seed=i, dtype="float64"))
        for i, s in enumerate(feeding_cell.get_initial_state(2))
    ]
    tensors = [
        tf.constant(normal(2, 4, 3, dtype="float64")),
        tf.constant(normal(2, PLACES, SIZE, seed=9, dtype="float64")),
    ]
    mask = tf.constant([[True] * 4, [True, True, False, False]])
    there = tf.constant([[True] * PLACES, [True, False, True, False, False, False]])

    @tf.function
    def loss(tensors):
        x, memory, *state = tensors
        y, final = scan(
            feeding_cell, x, state, mask, training=True, memory=feeding_cell.attention.prepare(memory, there)
        )
        return tf.reduce_sum(tf.sin(y)) + tf.add_n([tf.reduce_sum(tf.cos(s) * (i + 2.0)) for i, s in enumerate(final)])

    for what, autodiff, difference in directions(loss, feeding_cell.trainable_variables, [*tensors, *states]):
        assert autodiff == pytest.approx(difference, rel=1e-6, abs=1e-8), what
        assert difference != 0, what


def test_input_feeding_step_by_step():
    """The attention output of a step is an input of the next, computed by cell and attention separately."""
    inner, attention = rnnzoo.cells.LSTMCell(5), Attention(UNITS, "general")
    layer = rnnzoo.layers.RNN(AttentionCell([inner], attention, SIZE), return_sequences=True)
    x, memory = normal(2, 4, 3), tf.constant(normal(2, PLACES, SIZE, seed=1))
    layer.build(x.shape)
    randomise(layer)
    prepared = attention.prepare(memory)
    y, state = tf.zeros([2, UNITS]), inner.get_initial_state(2)
    steps, found_weights = [], []
    for t in range(4):
        h, state = inner(tf.concat([x[:, t], y], 1), state)
        y, a = attention.attend_steps(h, prepared)
        steps.append(y)
        found_weights.append(a)
    assert_close(layer(x, memory=prepared), tf.stack(steps, 1))
    assert_close(layer.gates(x, memory=prepared)["attention"], tf.stack(found_weights, 1))


def test_dropout_between_cells_is_the_same_in_the_backward_pass():
    attention = Attention(UNITS, dtype="float64")
    cells = [cell("elman", dtype="float64") for _ in range(2)]
    feeding_cell = AttentionCell(cells, attention, SIZE, dropout=0.5, dtype="float64")
    layer = rnnzoo.layers.RNN(feeding_cell, return_sequences=True, dtype="float64")
    x, memory = tf.constant(normal(2, 4, 3, dtype="float64")), tf.constant(normal(2, PLACES, SIZE, dtype="float64"))
    layer.build(x.shape)
    seed = feeding_cell.seed_generator.state

    def loss(tensors):
        seed.assign([3, 4])
        return tf.reduce_sum(tf.sin(layer(tensors[0], memory=feeding_cell.attention.prepare(memory), training=True)))

    for what, autodiff, difference in directions(loss, layer.trainable_variables, [x]):
        assert autodiff == pytest.approx(difference, rel=1e-5, abs=1e-8), what
