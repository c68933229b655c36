"""Layers and cells in Keras code: masks, precision, subclasses, wrong inputs."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.layers.stack import Stack
from tests.helpers import assert_close, gradients, normal, randomise

LAYERS = rnnzoo.layers


def same_weights(ours, theirs, x):
    ours.build(x.shape)
    theirs.build(x.shape)
    randomise(theirs)
    ours.set_weights(theirs.get_weights())


@pytest.mark.parametrize("sequences", [True, False])
def test_zero_output_for_mask(sequences):
    x, mask = normal(3, 5, 4), tf.constant(normal(3, 5) > 0)
    options = {"zero_output_for_mask": True, "return_sequences": sequences, "return_state": True}
    ours = LAYERS.RNN(rnnzoo.cells.LSTMCell(2), **options)
    theirs = keras.layers.RNN(keras.layers.LSTMCell(2), **options)
    same_weights(ours, theirs, x)
    if not sequences:  # the flag is of sequences, says Keras's documentation; Keras hides the last output too
        theirs.zero_output_for_mask = False
    assert_close(ours(x, mask=mask), theirs(x, mask=mask), 1e-6)
    assert type(ours).from_config(ours.get_config()).zero_output_for_mask


def test_bidirectional_after_a_masking_embedding():
    ids = np.array([[1, 2, 3, 0, 0], [4, 5, 1, 2, 3], [0, 0, 0, 0, 0]])
    embed = keras.layers.Embedding(6, 4, mask_zero=True)
    x = embed(ids)
    for sequences in (True, False):
        ours = keras.layers.Bidirectional(LAYERS.LSTM(3, return_sequences=sequences))
        theirs = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=sequences))
        same_weights(ours, theirs, x)
        assert_close(ours(x), theirs(x), 1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_stateful_layers_keep_the_precision_of_the_state(policy):
    x = normal(2, 40, 3)
    layer = LAYERS.LSTM(4, return_sequences=True, return_state=True, dtype=policy)
    y, h, c = layer(x)
    first, *state = layer(x[:, :20])
    rest, h2, c2 = layer(x[:, 20:], initial_state=state)
    assert c2.dtype == state[1].dtype == "float32"
    assert_close([tf.concat([first, rest], 1), h2, c2], [y, h, c], 0, 0)
    state = layer.get_initial_state(2)
    for t in range(40):
        _, state = layer.step(x[:, t], state)
    assert [s.dtype for s in state] == [layer.compute_dtype, "float32"]
    assert_close(state, [h, c], 0.02, 0.02)


class Accumulating(rnnzoo.cells.ElmanCell):
    """Its only state is kept in full precision."""

    def get_initial_state(self, batch_size):
        return [tf.zeros([batch_size, self.units], self.variable_dtype)]

    def step(self, x, r, state, consts):
        h = state[0] + 0.1 * tf.tanh(tf.cast(x, "float32") + r)
        return tf.cast(h, x.dtype), (h,)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_gradient_of_a_float32_state(policy):
    layer = LAYERS.RNN(Accumulating(3, dtype=policy), return_sequences=True, dtype=policy)
    _, actual = gradients(layer, normal(2, 5, 3), 1.0, training=True)
    assert all(np.isfinite(np.asarray(g, "float32")).all() for g in actual)


@pytest.mark.parametrize(("of_cell", "of_layer"), [("float32", "mixed_bfloat16"), ("mixed_bfloat16", "float32")])
def test_layer_and_cell_with_different_dtypes(of_cell, of_layer):
    layer = LAYERS.RNN(rnnzoo.cells.LSTMCell(3, dtype=of_cell), dtype=of_layer)
    y, actual = gradients(layer, normal(2, 5, 3), 1.0, training=True)
    assert y.dtype == layer.compute_dtype
    assert all(np.isfinite(np.asarray(g, "float32")).all() for g in actual)


@pytest.mark.parametrize("name", ["DampenedRNN", "ElmanRNN", "JordanRNN", "LSTM"])
def test_integer_inputs(name):
    layer, ids = getattr(LAYERS, name)(3), np.arange(24).reshape(2, 3, 4)
    assert_close(layer(ids), layer(ids.astype("float32")), 0, 0)


class Wide(LAYERS.LSTM):
    """A user's own default."""

    def __init__(self, units, **kwargs):
        kwargs.setdefault("activation", "relu")
        super().__init__(units, **kwargs)


class Plain(LAYERS.ElmanRNN):
    pass


class NoForget(rnnzoo.cells.LSTMCell):
    def __init__(self, units, **kwargs):
        super().__init__(units, forget_gate=False, **kwargs)


class PassedOn(rnnzoo.cells.ElmanCell):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


def test_subclasses_and_their_configuration():
    assert Wide.from_config(Wide(3).get_config()).activation is keras.activations.relu
    assert Plain.from_config(Plain(3, return_state=True).get_config()).return_state
    assert NoForget.from_config(NoForget(3).get_config()).blocks == 3
    assert PassedOn.from_config(PassedOn(3, "relu").get_config()).activation is keras.activations.relu
    layer = Wide(3)
    with keras.saving.custom_object_scope({"Wide": Wide}):
        copied = copy.deepcopy(layer)
    assert copied.activation is layer.activation and copied(normal(1, 2, 3)).shape == (1, 3)


def test_layer_has_the_attributes_of_its_cell():
    layer = LAYERS.LSTM(np.int64(3), recurrent_dropout=0.1, kernel_regularizer="l2", use_cudnn="auto", implementation=1)
    assert (layer.units, layer.recurrent_dropout, layer.use_bias) == (3, 0.1, True)
    assert isinstance(layer.kernel_regularizer, keras.regularizers.L2)
    assert layer.recurrent_activation is keras.activations.sigmoid
    layer.return_sequences = True
    assert LAYERS.LSTM.from_config(layer.get_config(), custom_objects={}).return_sequences


def test_wrong_batch_sizes_and_ranks():
    layer = LAYERS.LSTM(3)
    layer.build((None, None, 3))

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, 3])])
    def run(x, state):
        return layer(x, initial_state=[state, state])

    with pytest.raises(tf.errors.InvalidArgumentError, match="initial_state has another batch size"):
        run(tf.zeros([3, 4, 3]), tf.zeros([2, 3]))
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        layer(tf.zeros([3, 3]))
    stateful = LAYERS.LSTM(3, stateful=True)
    stateful(tf.zeros([2, 4, 3]))
    with pytest.raises(ValueError, match="batch size is fixed at 2, but got 3"):
        stateful(tf.zeros([3, 4, 3]))
    with pytest.raises(ValueError, match="has 1 states, but was given 2"):
        Stack([LAYERS.ElmanRNN(3)])(tf.zeros([2, 4, 3]), initial_state=[tf.zeros([2, 3])] * 2)


def test_cells_may_hold_constants_and_built_layers():
    class Periodic(rnnzoo.cells.ElmanCell):
        def build(self, input_shape):
            super().build(input_shape)
            self.period = tf.constant([1.0, 2.0, 3.0])
            self.inner = keras.layers.Dense(self.units)
            self.inner.build((None, self.units))

        def step(self, x, r, state, consts):
            h = tf.tanh(self.period * x + r + self.inner(state[0]))
            return h, (h,)

    x = normal(2, 5, 4)
    shared = Periodic(3)
    theirs = keras.layers.RNN(shared, return_sequences=True)
    ours = LAYERS.RNN(shared, return_sequences=True)
    got, wanted = gradients(ours, x, 1.0, training=True), gradients(theirs, x, 1.0, training=True)
    assert_close(got, wanted, 1e-5)


def test_impure_steps_are_refused():
    class Hidden(rnnzoo.cells.ElmanCell):
        @tf.function
        def keep(self, x):
            return tf.cast(tf.random.uniform(tf.shape(x)) > 0.5, x.dtype)

        def step(self, x, r, state, consts):
            h = (x + r) * self.keep(x)
            return h, (h,)

    with pytest.raises(ValueError, match="Hidden uses random numbers"):
        LAYERS.RNN(Hidden(3))(normal(2, 4, 3))

    class Late(rnnzoo.cells.ElmanCell):
        def __init__(self, units, **kwargs):
            super().__init__(units, **kwargs)
            self.inner = keras.layers.Dense(units)

        def step(self, x, r, state, consts):
            h = self.inner(x + r)
            return h, (h,)

    with pytest.raises(ValueError, match=r"Late creates weights in recurrent\(\) or step\(\)"):
        LAYERS.RNN(Late(3))(normal(2, 4, 3))


@pytest.mark.slow
def test_models_keep_their_dtype_policy_in_files(tmp_path, checked_exports):
    spec = rnnzoo.TaskSpec("features", "vector", False, 3, 1, "mse", ("mse",))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = rnnzoo.create_model("lstm", spec, units=4)
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.core.layers[0].compute_dtype == "bfloat16"
    assert_close(again(normal(2, 5, 3)), model(normal(2, 5, 3)), 0, 0)
    rnnzoo.export_saved_model(model, tmp_path / "export")  # compares, in a fresh process


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (lambda: keras.layers.LSTMCell(4), "for other cells use keras.layers.RNN"),
        (lambda: [keras.layers.LSTMCell(4), rnnzoo.cells.LSTMCell(3)], "for other cells use keras.layers.RNN"),
        (lambda: keras.layers.StackedRNNCells([keras.layers.LSTMCell(4)]), "for other cells use keras.layers.RNN"),
        (lambda: [keras.layers.LSTM(4)], "to stack layers use rnnzoo.layers.Stack"),
        (lambda: [rnnzoo.cells.LSTMCell(3), keras.layers.Dense(2)], "a list must contain cells only"),
        (list, "a list must contain cells only"),
        (lambda: keras.layers.LSTM(4), "it is a layer already"),
    ],
)
def test_what_is_no_cell_of_this_package_is_refused_with_a_hint(given, hint):
    with pytest.raises(ValueError, match=f"needs a cell of rnnzoo.cells, got .*; .*{hint}"):
        rnnzoo.layers.RNN(given())
