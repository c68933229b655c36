"""The conditional random field against the enumeration of all label sequences."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import rnnzoo
from tests.helpers import often

MODES = ("eager", "graph", "xla")


def random_crf(labels, seed=0):
    initializer = keras.initializers.RandomNormal(stddev=1.5, seed=seed)
    crf = rnnzoo.layers.CRF(transition_initializer=initializer)
    crf.build((None, None, labels))
    return crf


def score(e, transitions, y):
    return sum(e[t, label] for t, label in enumerate(y)) + sum(transitions[i, j] for i, j in itertools.pairwise(y))


def enumerate_sequences(e, transitions):
    """Returns the score of every label sequence for emission scores `[time, labels]`."""
    time, labels = e.shape
    return {y: score(e, transitions, y) for y in itertools.product(range(labels), repeat=time)}


def run(crf, mode, e, y, mask):
    def compute(e):
        with tf.GradientTape() as tape:
            tape.watch(e)
            losses = crf.negative_log_likelihood(e, y, mask)
            loss = tf.reduce_sum(losses)
        gradients = tape.gradient(loss, [e, crf.transitions.value])
        return losses, crf.decode(e, mask), gradients

    function = compute if mode == "eager" else tf.function(compute, jit_compile=mode == "xla")
    return function(tf.constant(e))


@pytest.mark.slow
@pytest.mark.parametrize("mode", often("graph", of=MODES))
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking compiles anew
@given(st.data())
def test_likelihood_and_decoding_equal_enumeration(mode, data):
    batch, time, labels = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 3)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    mask = rng.random((batch, time)) < 0.7 if data.draw(st.booleans()) else None
    e = rng.normal(size=(batch, time, labels)).astype("float32") * 3
    y = rng.integers(labels, size=(batch, time))
    crf = random_crf(labels)
    transitions = crf.transitions.numpy()
    losses, decoded, _ = run(crf, mode, e, y, mask)
    for row in range(batch):
        valid = np.arange(time) if mask is None else np.flatnonzero(mask[row])
        scores = enumerate_sequences(e[row, valid].astype("float64"), transitions.astype("float64"))
        expected = np.log(sum(np.exp(s) for s in scores.values())) - scores[tuple(y[row, valid])]
        np.testing.assert_allclose(losses[row].numpy().sum(), expected, rtol=1e-4, atol=1e-4)
        best = max(scores, key=scores.get)
        found = scores[tuple(decoded[row].numpy()[valid])]
        np.testing.assert_allclose(found, scores[best], atol=1e-4)
        if mask is not None:
            assert not decoded[row].numpy()[~mask[row]].any()


@pytest.mark.parametrize("mode", MODES)
def test_gradients_equal_finite_differences(mode):
    rng = np.random.default_rng(1)
    e, y = rng.normal(size=(2, 4, 3)).astype("float32"), rng.integers(3, size=(2, 4))
    mask = np.array([[True, True, False, True], [True, True, True, False]])
    crf = random_crf(3)
    transitions = crf.transitions.numpy().astype("float64")

    def loss(e, transitions):
        total = 0.0
        for row in range(2):
            valid = np.flatnonzero(mask[row])
            scores = enumerate_sequences(e[row, valid], transitions)
            total += np.log(sum(np.exp(s) for s in scores.values())) - scores[tuple(y[row, valid])]
        return total

    _, _, (d_e, d_transitions) = run(crf, mode, e, y, mask)
    exact = [e.astype("float64"), transitions]
    for i, gradient in enumerate((d_e, d_transitions)):
        for index in np.ndindex(exact[i].shape):
            step = np.zeros(exact[i].shape)
            step[index] = 1e-5
            arguments = [[v + sign * step if k == i else v for k, v in enumerate(exact)] for sign in (1, -1)]
            expected = (loss(*arguments[0]) - loss(*arguments[1])) / 2e-5
            np.testing.assert_allclose(np.asarray(gradient)[index], expected, atol=1e-4)


def test_fit_learns_a_rule_of_neighbours_that_single_labels_cannot_express():
    """Emission scores are noise; only the transitions tell that labels alternate."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 6, 2)).astype("float32") * 0.1
    y = (np.arange(6)[None] + rng.integers(2, size=(64, 1))) % 2
    crf = rnnzoo.layers.CRF()
    scores = keras.Input([None, 2])
    model = keras.Model(scores, crf(scores))
    model.compile(keras.optimizers.Adam(0.1), crf.loss)
    model.fit(x, y, epochs=30, batch_size=64, verbose=0)
    decoded = crf.decode(model(x)).numpy()
    assert (decoded[:, 1:] != decoded[:, :-1]).all()


def test_loss_in_fit_is_that_of_the_mask_of_keras():
    words = keras.Input([None], dtype="int32")
    crf = rnnzoo.layers.CRF()
    embedded = keras.layers.Embedding(10, 3, mask_zero=True)(words)
    model = keras.Model(words, crf(embedded))
    model.compile("sgd", crf.loss)
    x, y = np.array([[0, 3, 4, 0, 5], [6, 7, 0, 0, 0]]), np.array([[9, 1, 2, 9, 0], [2, 1, 9, 9, 9]]) % 3
    losses = crf.negative_log_likelihood(model.layers[1](x), y, x != 0).numpy()
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), losses.sum() / (x != 0).sum(), rtol=1e-5)


def test_saves_loads_and_passes_masks(tmp_path):
    words = keras.Input([None], dtype="int32")
    crf = rnnzoo.layers.CRF(transition_initializer="orthogonal")
    model = keras.Model(words, crf(keras.layers.Embedding(10, 3, mask_zero=True)(words)))
    path = tmp_path / "tagger.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert loaded.layers[-1].get_config()["transition_initializer"] == crf.get_config()["transition_initializer"]
    np.testing.assert_array_equal(loaded.layers[-1].transitions.numpy(), crf.transitions.numpy())
    assert model(np.array([[1, 0]]))._keras_mask.numpy().tolist() == [[True, False]]


def test_refuses_scores_without_a_fixed_number_of_labels():
    with pytest.raises(ValueError, match="fixed number of labels"):
        rnnzoo.layers.CRF()(keras.Input([None, None]))


def test_half_precision_policy_computes_in_float32():
    crf = rnnzoo.layers.CRF(dtype="mixed_bfloat16")
    e = tf.random.stateless_normal([2, 300, 4], [0, 1])
    y = tf.zeros([2, 300], tf.int32)
    half = tf.cast(e, tf.bfloat16)
    crf.build((None, None, 4))
    losses = crf.negative_log_likelihood(half, y)
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(losses, crf.negative_log_likelihood(tf.cast(half, tf.float32), y))
