"""Truncated gradients against the gradient of each step's loss."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from tests.helpers import assert_close, normal, randomise

LAYERS = {
    "elman": lambda **options: rnnzoo.layers.ElmanRNN(3, return_sequences=True, dtype="float64", **options),
    "lstm": lambda **options: rnnzoo.layers.LSTM(3, return_sequences=True, dtype="float64", **options),
    "gru": lambda **options: rnnzoo.layers.GRU(3, return_sequences=True, dtype="float64", **options),
    "jordan": lambda **options: rnnzoo.layers.JordanRNN(
        3, output_units=2, return_sequences=True, dtype="float64", **options
    ),
}


def by_each_step(layer, x, weights, steps):
    """Sums over t the gradients of step t's loss, with the states `steps` before it as constants."""
    total = [0.0] * (1 + len(layer.trainable_weights))
    states = [layer.get_initial_state(batch_size=x.shape[0])]
    for t in range(x.shape[1]):
        states.append(layer.cell(x[:, t], states[-1])[1])
    for t in range(x.shape[1]):
        first = max(0, t - steps + 1)
        with tf.GradientTape() as tape:
            tape.watch(x)
            state = [tf.stop_gradient(s) for s in states[first]]
            for i in range(first, t + 1):
                y, state = layer.cell(x[:, i], state)
            loss = tf.reduce_sum(y * weights[:, t])
        actual = tape.gradient(loss, [x, *(v.value for v in layer.trainable_weights)], unconnected_gradients="zero")
        total = [a + tf.convert_to_tensor(b) for a, b in zip(total, actual, strict=True)]
    return total


def whole(layer, x, weights, **call):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x, training=True, **call) * weights)
    return tape.gradient(loss, [x, *(v.value for v in layer.trainable_weights)], unconnected_gradients="zero")


@pytest.mark.slow
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_truncated(name, steps, graph):
    layer = LAYERS[name](truncate=steps)
    x = tf.constant(normal(4, 7, 2, dtype="float64"))
    weights = tf.constant(normal(*layer(x).shape, seed=1, dtype="float64"))
    randomise(layer)
    run = tf.function(whole) if graph else whole
    for got, expected in zip(run(layer, x, weights), by_each_step(layer, x, weights, steps), strict=True):
        assert_close(tf.convert_to_tensor(got), expected, absolute=1e-10)


@pytest.mark.parametrize("steps", [1, 3])
def test_masked_steps_do_not_count(steps):
    """The gradients are those of the sequence without the masked steps."""
    layer = LAYERS["lstm"](truncate=steps)
    x, keep = normal(2, 8, 2, dtype="float64"), np.array([1, 0, 1, 1, 0, 0, 1, 1], bool)
    layer(x)
    randomise(layer)
    weights = normal(2, 8, 3, seed=1, dtype="float64") * keep[None, :, None]
    masked = whole(layer, tf.constant(x), tf.constant(weights), mask=tf.constant(np.stack([keep, keep])))
    short = whole(layer, tf.constant(x[:, keep]), tf.constant(weights[:, keep]))
    assert_close(masked[0].numpy()[:, keep], short[0])
    for got, expected in zip(masked[1:], short[1:], strict=True):
        assert_close(tf.convert_to_tensor(got), tf.convert_to_tensor(expected))


def test_truncation_beyond_the_length_and_serialization(tmp_path):
    x, weights = tf.constant(normal(2, 6, 2, dtype="float64")), tf.constant(normal(2, 6, 3, seed=1, dtype="float64"))
    cut, full = (LAYERS["gru"](truncate=steps) for steps in (6, None))
    cut(x), full(x)
    full.set_weights(cut.get_weights())
    for got, expected in zip(whole(cut, x, weights), whole(full, x, weights), strict=True):
        assert_close(tf.convert_to_tensor(got), tf.convert_to_tensor(expected), absolute=1e-12)
    model = keras.Sequential([keras.Input((6, 2)), rnnzoo.layers.ElmanRNN(3, truncate=2)])
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").layers[0].truncate == 2
    with pytest.raises(ValueError, match="truncate must be at least 1"):
        rnnzoo.layers.LSTM(3, truncate=0)
    model = rnnzoo.create_model("elman", rnnzoo.create_task("adding", seq_length=10).spec, units=4, truncate=1)
    assert model.core.recurrent_layers[0].truncate == 1
