"""Recurrent layers: masks, streaming, states, fit, files, precision, tracing."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnzoo
from rnnzoo.layers.stack import Stack
from rnnzoo.layers.wrapper import override_attributes
from tests.helpers import UNITS, Repeat, assert_close, cell, fresh_python, gradients, normal, randomise

CELLS = [*rnnzoo.list_cells(), "repeat"]
LAYERS = {
    "dampened": rnnzoo.layers.DampenedRNN,
    "elman": rnnzoo.layers.ElmanRNN,
    "jordan": rnnzoo.layers.JordanRNN,
    "lstm": rnnzoo.layers.LSTM,
}


def layer_of(name, x, **options):
    layer = rnnzoo.layers.RNN(cell(name), return_sequences=True, return_state=True, **options)
    layer.build(x.shape)
    randomise(layer)
    return layer


@pytest.mark.parametrize("name", CELLS)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_padded_row_equals_the_row_without_padding(name, data):
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=6, max_size=6)))
    x = normal(1, 6, 3)
    layer = layer_of(name, x)
    y, *final = layer(x, mask=tf.constant(mask[None]))
    if not mask.any():
        assert_close([y, *final], [tf.zeros_like(y), *layer.get_initial_state(1)], 0, 0)
        return
    short, *last = layer(x[:, mask])
    assert_close(y.numpy()[:, mask], short, 1e-6)
    assert_close(final, last, 1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_all_padding_returns_the_initial_state(name):
    x = normal(3, 4, 3)
    layer = layer_of(name, x)
    state = [tf.constant(normal(3, s.shape[-1])) for s in layer.get_initial_state(3)]
    (y, *final), actual = gradients(layer, x, 1.0, mask=tf.zeros([3, 4], tf.bool), initial_state=state)
    assert_close([y, *final], [tf.zeros_like(y), *state], 0, 0)
    assert all(np.isfinite(g).all() for g in actual)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("name", CELLS)
def test_streaming_equals_one_pass(name, batch):
    x = normal(batch, 6, 3)
    layer = layer_of(name, x)
    y, *final = layer(x)
    state, steps = layer.get_initial_state(batch), []
    for t in range(6):
        output, state = layer.step(x[:, t], state)
        steps.append(output)
    assert_close([tf.stack(steps, 1), *state], [y, *final], 1e-5)
    first, *state = layer(x[:, :2])
    rest, *last = layer(x[:, 2:], initial_state=state)
    assert_close([tf.concat([first, rest], 1), *last], [y, *final], 1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_last_output_is_the_last_of_the_sequence(name):
    x, mask = normal(4, 6, 3), tf.constant(normal(4, 6) > 0)
    layer = layer_of(name, x)
    for call in ({}, {"mask": mask}):
        layer.return_sequences = True
        y, *_ = layer(x, **call)
        layer.return_sequences = False
        assert_close(layer(x, **call)[0], y[:, -1], 0, 0)


def test_stateful():
    x = normal(2, 6, 3)
    whole = layer_of("lstm", x)
    layer = rnnzoo.layers.LSTM(UNITS, stateful=True, return_sequences=True)
    layer.build(x.shape)
    layer.set_weights(whole.get_weights())
    parts = [layer(x[:, :2]), layer(x[:, 2:])]
    assert_close(tf.concat(parts, 1), whole(x)[0], 1e-6)
    layer.reset_state()
    assert_close(layer(x[:, :2]), parts[0], 1e-6)


def test_wrong_number_of_initial_states():
    layer = rnnzoo.layers.LSTM(3)
    with pytest.raises(ValueError, match="2 states, but was given 1"):
        layer(normal(1, 2, 3), initial_state=[tf.zeros([1, 3])])


def test_other_cells_are_refused():
    with pytest.raises(ValueError, match=r"needs a cell of rnnzoo\.cells"):
        rnnzoo.layers.RNN(keras.layers.LSTMCell(3))


@pytest.mark.parametrize("name", LAYERS)
def test_keras_bidirectional(name):
    x = normal(2, 5, 3)
    both = keras.layers.Bidirectional(LAYERS[name](UNITS, return_sequences=True))
    y = both(x)
    forward, backward = both.forward_layer, both.backward_layer
    assert backward.go_backwards and type(backward) is LAYERS[name]
    assert_close(y, tf.concat([forward(x), backward(x)[:, ::-1]], -1), 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("name", rnnzoo.list_cells())
def test_precision(name, policy):
    keras.utils.set_random_seed(1)
    layer = rnnzoo.layers.RNN(cell(name, dtype=policy), return_sequences=True, return_state=True, dtype=policy)
    variables = "float64" if policy == "float64" else "float32"
    model = keras.Sequential([keras.Input([None, 3]), layer, keras.layers.Lambda(lambda outputs: outputs[0])])
    model.compile("sgd", "mse")
    losses = model.fit(normal(16, 6, 3), normal(16, 6, UNITS), epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert {v.dtype for v in layer.trainable_variables} == {variables}
    y, *states = layer(normal(2, 3, 3))
    assert y.dtype == layer.compute_dtype
    assert states[-1].dtype == (variables if name.startswith("lstm") else layer.compute_dtype)


def test_mixed_precision_is_close_to_single():
    x = normal(2, 20, 3)
    exact = layer_of("lstm", x)
    layer = rnnzoo.layers.LSTM(UNITS, return_sequences=True, dtype="mixed_bfloat16")
    layer.build(x.shape)
    layer.set_weights(exact.get_weights())
    assert_close(layer(x), exact(x)[0], 0.05, 0.05)


def test_regularizers_constraints_and_dropout_by_name_or_object():
    layer = rnnzoo.layers.LSTM(
        UNITS,
        kernel_regularizer=keras.regularizers.L2(0.1),
        recurrent_regularizer="l1",
        bias_constraint=keras.constraints.NonNeg(),
        kernel_initializer=keras.initializers.Constant(2.0),
    )
    x = normal(2, 3, 3)
    layer(x)
    kernel, recurrent = layer.cell.kernel.numpy(), layer.cell.recurrent_kernel.numpy()
    assert sum(map(float, layer.losses)) == pytest.approx(
        0.1 * np.sum(kernel**2) + 0.01 * np.sum(abs(recurrent)), rel=1e-5
    )
    assert (kernel == 2).all()
    model = keras.Sequential([layer])
    model.compile(keras.optimizers.SGD(10.0), "mse")
    model.fit(x, normal(2, UNITS), verbose=0)
    assert (layer.cell.bias.numpy() >= 0).all()


def test_dropout_drops_the_same_inputs_at_every_step():
    layer = rnnzoo.layers.RNN(rnnzoo.cells.DampenedCell(1, "linear", dropout=0.5, dampening=0.0), return_sequences=True)
    x = np.ones([200, 6, 1], "float32")
    y = layer(x, training=True).numpy()[..., 0]
    assert (y == y[:, :1]).all()
    assert 0.3 < (y[:, 0] == 0).mean() < 0.7
    assert (layer(x).numpy() == layer(x).numpy()[0, 0]).all()


def test_one_trace_for_all_lengths_and_no_xla():
    model = keras.Sequential([keras.Input([None], dtype="int32"), keras.layers.Embedding(9, 4, mask_zero=True)])
    model.add(rnnzoo.layers.LSTM(UNITS, return_sequences=True))
    model.add(rnnzoo.layers.ElmanRNN(2))
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def step(ids):
        traces.append(1)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(ids, training=True) ** 2)
        return tape.gradient(loss, [v.value for v in model.trainable_variables])

    for batch, time in ((1, 1), (3, 12), (2, 40)):
        ids = np.random.default_rng(time).integers(0, 9, (batch, time)).astype("int32")
        assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in step(ids))
    assert len(traces) == 1
    assert "_XlaMustCompile" not in str(step.get_concrete_function().graph.as_graph_def())


def test_a_sequence_of_no_steps():
    x = tf.zeros([2, 0, 3])
    layer = layer_of("lstm", tf.zeros([2, 1, 3]))
    y, *final = layer(x)
    assert y.shape == (2, 0, UNITS)
    assert_close(final, layer.get_initial_state(2), 0, 0)


@pytest.mark.slow
def test_functional_model_with_masks_and_states_learns():
    keras.utils.set_random_seed(0)
    ids = keras.Input([None], dtype="int32")
    embedded = keras.layers.Embedding(6, 8, mask_zero=True)(ids)
    y, h, c = rnnzoo.layers.LSTM(16, return_sequences=True, return_state=True)(embedded)
    y = rnnzoo.layers.LSTM(16)(y, initial_state=[h, c])
    model = keras.Model(ids, keras.layers.Dense(6, activation="softmax")(y))
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = np.random.default_rng(0).integers(1, 6, (64, 7))
    x[::2, 5:] = 0  # the first token is to be remembered, past the padding
    history = model.fit(x, x[:, 0], epochs=80, verbose=0).history
    assert history["accuracy"][-1] > 0.95


@pytest.mark.parametrize("jit", [False, True], ids=["plain", "xla"])
def test_fit_equals_keras(jit):
    x, y = normal(32, 9, 4), normal(32, 6)
    losses = []
    for layer in (keras.layers.LSTM(6), rnnzoo.layers.LSTM(6)):
        model = keras.Sequential([keras.Input([None, 4]), layer])
        layer.set_weights([normal(*w.shape, seed=3) * 0.3 for w in layer.get_weights()])
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
        losses.append(model.fit(x, y, epochs=4, batch_size=8, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_config_round_trip():
    for make in LAYERS.values():
        layer = make(
            3, activation="relu", return_state=True, kernel_regularizer=keras.regularizers.L2(1e-4), dropout=0.1
        )
        again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
        assert again.get_config() == layer.get_config()
        assert again.cell.dropout == 0.1 and again.return_state
    wrapped = rnnzoo.layers.RNN(rnnzoo.cells.JordanCell(3, output_units=2), go_backwards=True)
    again = rnnzoo.layers.RNN.from_config(json.loads(json.dumps(wrapped.get_config())))
    assert again.cell.output_size == 2 and again.go_backwards


SAVED = """
import sys, keras, numpy as np, rnnzoo
for path in sys.argv[1:]:
    model = keras.models.load_model(path)
    data = np.load(path + ".npz")
    np.testing.assert_allclose(model.predict(data["x"], verbose=0), data["y"], atol=1e-6)
    model.compile("sgd", "mse")
    model.fit(data["x"], data["y"], verbose=0)
print("same")
"""


@pytest.mark.slow
def test_keras_files_load_in_a_fresh_process(tmp_path):
    layers = {
        name: make(4, kernel_regularizer=keras.regularizers.L2(1e-4), recurrent_dropout=0.1)
        for name, make in LAYERS.items()
    }
    layers["rnn"] = rnnzoo.layers.RNN(rnnzoo.cells.JordanCell(4, output_units=2))
    layers["bidirectional"] = keras.layers.Bidirectional(rnnzoo.layers.ElmanRNN(4))
    stack = Stack([rnnzoo.layers.LSTM(4), rnnzoo.layers.ElmanRNN(3)], return_state=True)
    paths = []
    for name, layer in [*layers.items(), ("stack", stack)]:
        x = keras.Input([None, 3])
        y = layer(x)
        model = keras.Model(x, y[0] if name == "stack" else y)
        path = str(tmp_path / f"{name}.keras")
        model.save(path)
        data = normal(2, 5, 3)
        np.savez(path + ".npz", x=data, y=model.predict(data, verbose=0))
        paths.append(path)
    assert fresh_python(SAVED, *paths).strip() == "same"


def test_stack_equals_layers_by_hand():
    x, mask = normal(3, 6, 4), tf.constant(normal(3, 6) > -0.5)
    stack = Stack([rnnzoo.layers.LSTM(5), rnnzoo.layers.ElmanRNN(3)], return_sequences=True, return_state=True)
    y, h, c, h2 = stack(x, mask=mask)
    low, high = stack.layers
    with override_attributes(low, return_sequences=True, return_state=True):
        hidden, *states = low(x, mask=mask)
    with override_attributes(high, return_sequences=True, return_state=True):
        assert_close([y, h2], high(hidden, mask=mask), 1e-6)
    assert_close([h, c], states, 1e-6)
    state = stack.get_initial_state(3)
    for t in range(6):
        output, state = stack.step(x[:, t], state)
    whole = stack(x)
    assert_close([output, *state], [whole[0][:, -1], *whole[1:]], 1e-5)


def test_minimal_cell():
    x = normal(2, 4, 3)
    assert_close(rnnzoo.layers.RNN(Repeat(), return_sequences=True)(x), x, 0, 0)
