"""Masked values, leaked graphs, wrapped layers, empty sequences, invalid inputs."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from tests.helpers import assert_close, normal, often, randomise

L = rnnzoo.layers
MASK = np.array([[True, True, False, True], [False, True, True, False], [False] * 4, [True] * 4])
NAMED = ["DampenedRNN", "ElmanRNN", "GRU", "IndRNN", "JordanRNN", "LSTM", "LayerNormLSTM", "PeepholeLSTM"]
LAYERS = {name: (lambda name=name, **o: getattr(L, name)(3, **o)) for name in NAMED}
LAYERS |= {
    "feedforward": lambda **o: L.RNN(rnnzoo.cells.FeedforwardCell(3), **o),
    "stacked cells": lambda **o: L.RNN([rnnzoo.cells.LSTMCell(3), rnnzoo.cells.GRUCell(2)], **o),
    "deep transition": lambda **o: L.DeepTransition(rnnzoo.cells.LSTMCell(3), depth=2, **o),
    "truncated": lambda **o: L.LSTM(3, truncate=2, **o),
    "backwards": lambda **o: L.LSTM(3, go_backwards=True, **o),
    "bidirectional": lambda **o: L.Bidirectional(L.GRU(3, **o)),
    "deep input": lambda **o: L.DeepInput(L.LSTM(3), units=3, **o),
    "stack": lambda **o: L.Stack([keras.layers.Dense(3), L.LSTM(3), L.ElmanRNN(3)], residual=True, **o),
    "bidirectional stack": lambda **o: L.Bidirectional(L.Stack([keras.layers.Dense(3), L.LSTM(3)], **o)),
    "keras bidirectional": lambda **o: keras.layers.Bidirectional(L.LSTM(3, **o)),
}
COMPILED = ("LSTM", "GRU")  # by XLA too


def step(layer, x, mask, **options):
    """Outputs, and gradients by the inputs and all weights."""
    variables = [v.value for v in layer.trainable_variables]

    @tf.function(**options)
    def run(x, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.nest.flatten(layer(x, mask=mask, training=True))
            loss = tf.add_n([tf.reduce_sum(tf.sin(3.0 * o)) for o in y])
        return y, tape.gradient(loss, [x, *variables], unconnected_gradients="zero")

    return run(tf.constant(x), tf.constant(mask))


@pytest.mark.parametrize("held", often(np.nan, of=[1e38]))
@pytest.mark.parametrize("name", often("LSTM", "stack", "bidirectional", of=LAYERS))
def test_contents_of_masked_steps_have_no_effect(name, held):
    layer = LAYERS[name](return_sequences=True)
    x = normal(4, 4, 3)
    layer.build(x.shape)
    randomise(layer)
    clean, spoilt = np.where(MASK[..., None], x, 0.0), np.where(MASK[..., None], x, held).astype("float32")
    wanted, got = step(layer, clean, MASK), step(layer, spoilt, MASK)
    assert all(np.isfinite(value).all() for value in tf.nest.flatten(got))
    assert_close(got, wanted, 0, 0)
    if name in COMPILED:
        assert_close(step(layer, spoilt, MASK, jit_compile=True), wanted, 1e-5)


def test_contents_of_masked_memory_have_no_effect():
    memory, query = normal(2, 4, 3), normal(2, 5, 3)
    mask = np.array([[True, True, False, False], [True] * 4])
    for score in ("dot", "general", "additive"):
        attention = L.Attention(3, score)
        attention.build(query.shape, memory.shape)
        actual = []
        for held in (0.0, np.nan):
            given = np.where(mask[..., None], memory, held).astype("float32")
            with tf.GradientTape() as tape:
                y = attention(query, given, tf.constant(mask))
                loss = tf.reduce_sum(y**2)
            actual.append([y, *tape.gradient(loss, [v.value for v in attention.trainable_variables])])
        assert np.isfinite(actual[1][0]).all()
        assert_close(actual[1], actual[0], 0, 0)


def graphs():
    gc.collect()
    return sum(type(o).__name__ == "FuncGraph" for o in gc.get_objects())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stack", "GRU", "truncated", "cell", "attention", "decoder", "tree", "model"])
def test_eager_calls_leak_no_graphs(name):
    x = tf.constant(normal(2, 3, 3))
    if name in LAYERS:
        call = LAYERS[name]()
    elif name == "cell":
        cell = rnnzoo.cells.LSTMCell(3)
        call = lambda x: cell(x[:, 0], cell.get_initial_state(2))[0]  # noqa: E731
    elif name == "attention":
        attention = L.Attention(3)
        call = lambda x: attention(x, x)  # noqa: E731
    elif name == "decoder":
        decoder = L.Decoder(L.LSTM(3), L.Attention(3))
        call = lambda x: decoder(x, memory=x)  # noqa: E731
    elif name == "tree":
        tree = L.Recursive(rnnzoo.compositions.ChildSumTreeLSTM(3))
        call = lambda x: tree(x, tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]] * 2))  # noqa: E731
    else:
        call = rnnzoo.create_model("lstm", rnnzoo.create_task("adding").spec, units=3)
        x = x[..., :2]

    def once():
        call(x)
        with tf.GradientTape() as t:
            t.watch(x)
            loss = tf.add_n([tf.reduce_sum(o) for o in tf.nest.flatten(call(x))])
        t.gradient(loss, x)

    once()
    before = graphs()
    for _ in range(5):
        once()
    assert graphs() == before


def test_wrappers_do_not_change_their_layers():
    flags = ("return_sequences", "return_state", "zero_output_for_mask", "go_backwards", "name")
    x, mask = normal(2, 4, 3), tf.constant(MASK[:2])

    def state(layer):
        return {flag: getattr(layer, flag) for flag in flags}

    forward, backward = L.LSTM(3), L.LSTM(3, go_backwards=True)
    low, high, alone = L.GRU(3), L.LSTM(2), L.ElmanRNN(3)
    given = [forward, backward, low, high, alone]
    before = [state(layer) for layer in given]
    both = L.Bidirectional(forward, backward_layer=backward)
    stack = L.Stack([low, high], return_sequences=True, return_state=True)
    decoder = L.Decoder(alone, L.Attention(3), return_state=True)
    for _ in range(2):
        both(x, mask=mask)
        stack(x, mask=mask)
        decoder(x, memory=x)
        assert [state(layer) for layer in given] == before
    assert backward(x).shape == (2, 3) and high(normal(2, 4, 3)).shape == (2, 2)
    assert not forward.built  # a copy of it reads forward
    L.Bidirectional(forward, backward_layer=backward)(x)


@pytest.mark.parametrize("states", [False, True])
def test_activity_regularizers_of_wrapped_layers(states):
    """Number and sum of the losses equal those of Keras: of the outputs, and of returned states."""
    x = normal(2, 4, 3)
    options = {"activity_regularizer": keras.regularizers.L2(0.1), "return_state": states}
    ours, theirs = (layers.Bidirectional(layers.LSTM(5, **options)) for layers in (L, keras.layers))
    theirs(x)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    ours(x)
    assert len(ours.losses) == len(theirs.losses) == (6 if states else 2)
    assert_close(sum(ours.losses), sum(theirs.losses), 1e-6)
    layers = [L.LSTM(4, activity_regularizer="l2"), L.GRU(3, activity_regularizer="l2")]
    stack = L.Stack(layers, return_sequences=True)
    stack(x)
    hidden = L.LSTM(4, return_sequences=True)
    hidden.build(x.shape)
    hidden.set_weights(layers[0].get_weights())
    above = L.GRU(3, return_sequences=True)
    above.build((2, 4, 4))
    above.set_weights(layers[1].get_weights())
    below = hidden(x)
    wanted = 0.01 * (tf.reduce_sum(below**2) + tf.reduce_sum(above(below) ** 2)) / len(x)  # as Keras, a row
    assert len(stack.losses) == 2
    assert_close(sum(stack.losses), wanted, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", often("LSTM", of=["JordanRNN", "GRU", "ElmanRNN", "bidirectional", "truncated"]))
def test_empty_sequences_and_batches(name):
    jit = name in ("LSTM", "bidirectional")
    layer = LAYERS[name](return_sequences=True)
    layer(normal(2, 3, 3))

    @tf.function(jit_compile=jit)
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return y, tape.gradient(y, [x, *(v.value for v in layer.trainable_variables)])

    for shape in ((2, 0, 3), (0, 4, 3), (0, 0, 3)):
        y, actual = run(tf.zeros(shape))
        assert y.shape[:2] == shape[:2]
        assert actual[0].shape == shape and not any(np.any(g) for g in actual[1:])
    assert_close(run(tf.constant(normal(2, 3, 3)))[0], layer(normal(2, 3, 3)), 1e-5)


BAD = {
    "rank 2": (lambda: tf.zeros([2, 3]), "expected ndim=3, found ndim=2"),
    "rank 4": (lambda: tf.zeros([2, 4, 3, 1]), "expected ndim=3, found ndim=4"),
    "features": (lambda: tf.zeros([2, 4, 5]), "expected axis -1 of input shape to have value 3"),
    "ragged": (lambda: tf.ragged.constant([[[1.0] * 3]], ragged_rank=1), r"ragged.*x\.to_tensor\(\) and mask="),
    "sparse": (lambda: tf.sparse.from_dense(tf.ones([2, 4, 3])), "sparse.*to_dense"),
    "complex": (lambda: tf.zeros([2, 4, 3], tf.complex64), "expects real numbers, but got complex64"),
    "strings": (lambda: tf.constant([[["a"] * 3]]), "expects numbers, but got strings"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["LSTM", "bidirectional", "stack", "stacked cells"])
def test_wrong_inputs_are_named(name, bad):
    make, message = BAD[bad]
    layer = LAYERS[name]()
    layer(normal(2, 4, 3))
    with pytest.raises(ValueError, match=message) as error:
        layer(make())
    assert layer.name in str(error.value)


def test_symbolic_inputs_of_four_dimensions_are_refused_at_once():
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=4"):
        L.LSTM(4)(keras.Input([28, 28, 1]))


def test_wrong_masks_and_states_are_named():
    layer = L.LSTM(3, name="reader")
    with pytest.raises(ValueError, match=r"reader expects a mask \[batch, time\] of shape \(2, 4\), but got \(2, 5\)"):
        layer(normal(2, 4, 3), mask=tf.ones([2, 5], tf.bool))
    with pytest.raises(ValueError, match=r"reader: state 1 has shape \(2, 3\).*was given \(2, 4\)"):
        layer(normal(2, 4, 3), initial_state=[tf.zeros([2, 3]), tf.zeros([2, 4])])
    assert_close(layer(normal(2, 4, 3), mask=MASK[:2, :, None]), layer(normal(2, 4, 3), mask=MASK[:2]), 0, 0)


def test_stateful_layer_refuses_a_smaller_last_batch():
    layer = L.LSTM(3, stateful=True, name="carrying")
    layer(normal(4, 2, 3))
    run = tf.function(layer, input_signature=[tf.TensorSpec([None, None, 3])])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"carrying is stateful.*fixed at 4.*drop or pad"):
        run(tf.zeros([3, 2, 3]))


def test_layers_and_cells_are_not_interchangeable():
    with pytest.raises(ValueError, match=r"expects a cell.*LSTM is a layer: give its cell, rnnzoo\.cells\.LSTMCell"):
        L.DeepTransition(L.LSTM(4), 5)
    with pytest.raises(ValueError, match="it is a layer already"):
        L.RNN(L.LSTM(4))
    with pytest.raises(ValueError, match=r"is a cell: use the layer rnnzoo\.layers\.RNN\(cell\)"):
        L.Stack([L.LSTM(4), rnnzoo.cells.LSTMCell(4)])
    with pytest.raises(ValueError, match=r"rnnzoo\.layers\.Stack"):
        L.RNN([L.LSTM(4), L.LSTM(4)])


def test_layer_norm_options():
    half = keras.initializers.Constant(0.5)
    layer = L.LayerNormLSTM(3, epsilon=1e-3, gamma_initializer=half, beta_initializer="ones")
    layer.build((None, None, 2))
    cell = layer.cell
    assert set(cell.input_gain.numpy()) == set(cell.cell_gain.numpy()) == {0.5}
    assert cell.cell_bias.numpy().tolist() == [1.0] * 3
    again = L.LayerNormLSTM.from_config(layer.get_config())
    assert again.epsilon == 1e-3 and isinstance(again.beta_initializer, keras.initializers.Ones)
    with pytest.raises(ValueError, match="epsilon must be above 0, got 0"):
        L.LayerNormLSTM(3, epsilon=0)


@keras.saving.register_keras_serializable(package="tests")
class Configured(rnnzoo.cells.ElmanCell):
    """A user's cell with arguments of every kind."""

    def __init__(self, units, window=(1, 2), table=None, inner=None, **kwargs):
        super().__init__(units, **kwargs)
        self.window, self.table, self.inner = window, table, inner


def test_arguments_of_users_cells_are_restored(tmp_path):
    table = {"a": (1, [2, (3,)]), "b": {"c": keras.initializers.Constant(2.0)}, "d": None}
    table["e"] = {1: "one", (2, 3): {"class_name": "mine", "config": {}}}
    inner = [keras.layers.Dense(3), (keras.layers.LayerNormalization(), "x")]
    cell = Configured(3, (4, (5,)), table=table, inner=inner)
    model = keras.Sequential([keras.Input([None, 2]), L.RNN(cell)])
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras").layers[-1].cell
    assert again.window == (4, (5,)) and isinstance(again.window[1], tuple)
    assert again._arguments["table"]["a"] == (1, [2, (3,)]) and again._arguments["table"]["d"] is None
    assert isinstance(again._arguments["table"]["b"]["c"], keras.initializers.Constant)
    assert again._arguments["table"]["e"] == table["e"]
    first, (second, text) = again._arguments["inner"]
    assert isinstance(first, keras.layers.Dense) and isinstance(second, keras.layers.LayerNormalization) and text == "x"


class Mine(L.LSTM):
    """A user's subclass, whose groups in a `.weights.h5` file have its name."""


def test_weights_files_never_load_the_weights_of_another_layer(tmp_path):
    def model(*classes):
        made = [cls(4, return_sequences=True) for cls in classes]
        return keras.Sequential([keras.Input([None, 4]), *made])  # all of the same shapes

    def same(first, second):
        return np.array_equal(first(normal(2, 5, 4)), second(normal(2, 5, 4)))

    path = tmp_path / "a.weights.h5"
    for saved, loaded, fits in [
        ((Mine, Mine), (L.LSTM, L.LSTM), True),
        ((L.LSTM, L.LSTM), (Mine, Mine), True),
        ((L.LSTM, L.GRU), (Mine, L.GRU), True),
        ((L.LSTM, L.LSTM), (L.LSTM, Mine), False),
        ((L.LSTM, L.LSTM), (Mine, L.LSTM), False),
        ((L.LSTM,), (L.LSTM, Mine), False),
    ]:
        source, target = model(*saved), model(*loaded)
        source.save_weights(path, overwrite=True)
        if fits:
            target.load_weights(path)
            assert same(source, target)
        else:
            with pytest.raises(ValueError, match=r"could not be loaded|expected 3 variables|another class"):
                target.load_weights(path)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_masks_of_numbers(dtype):
    for layer in (LAYERS["stack"](), LAYERS["LSTM"](), LAYERS["bidirectional stack"]()):
        x = normal(4, 4, 3)
        assert_close(layer(x, mask=MASK.astype(dtype)), layer(x, mask=MASK), 0, 0)
