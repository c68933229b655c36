"""The features that Keras's own tests of recurrent layers cover, with Keras's layers as the oracle."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from tests.helpers import assert_close, normal, often, randomise

LAYERS, CELLS = rnnzoo.layers, rnnzoo.cells
OURS = {"LSTM": LAYERS.LSTM, "GRU": LAYERS.GRU, "SimpleRNN": LAYERS.ElmanRNN}
OUR_CELLS = {"LSTM": CELLS.LSTMCell, "GRU": CELLS.GRUCell, "SimpleRNN": CELLS.ElmanCell}
STATES = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}
UNITS, BATCH, TIME, FEATURES = 4, 3, 6, 5
MASKS = {
    "padded behind": [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]],
    "padded before": [[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]],
    "with holes": [[1, 0, 1, 0, 0, 1], [0, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0]],
}
every_layer = pytest.mark.parametrize("name", often("LSTM", of=OURS))
wrappers = pytest.mark.parametrize("wrapper", [LAYERS.Bidirectional, keras.layers.Bidirectional], ids=["ours", "Keras"])


def theirs_of(name):
    return getattr(keras.layers, name)


def share_weights(ours, theirs, *shape, seed=0):
    """Both built for inputs of a shape, with the same random weights."""
    shape = shape or (BATCH, TIME, FEATURES)
    for layer in (ours, theirs):
        if not layer.built:
            layer.build(shape)
    randomise(theirs, seed)
    ours.set_weights(theirs.get_weights())
    return ours, theirs


def twins(name, units=UNITS, **options):
    """Our layer and Keras's, with the same weights."""
    return share_weights(OURS[name](units, **options), theirs_of(name)(units, **options))


def bidirectional_twins(name, wrapper=LAYERS.Bidirectional, merge_mode="concat", **options):
    ours = wrapper(OURS[name](UNITS, **options), merge_mode=merge_mode)
    theirs = keras.layers.Bidirectional(theirs_of(name)(UNITS, **options), merge_mode=merge_mode)
    return share_weights(ours, theirs)


def sequences(seed=0):
    return normal(BATCH, TIME, FEATURES, seed=seed)


def states(name, directions=1):
    return [normal(BATCH, UNITS, seed=10 + k) for k in range(directions * STATES[name])]


def mask(kind):
    return np.array(MASKS[kind], bool)


def shapes(nest):
    return [tuple(t.shape) for t in tf.nest.flatten(nest)]


def serialised(value):
    """Converts a value to its configuration, so that equal objects compare equal."""
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return keras.saving.serialize_keras_object(value)


# outputs and their shapes


@every_layer
@pytest.mark.parametrize("return_state", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("masked", [None, *MASKS])
def test_outputs_and_their_shapes(name, return_state, return_sequences, go_backwards, masked):
    options = {"return_state": return_state, "return_sequences": return_sequences, "go_backwards": go_backwards}
    ours, theirs = twins(name, **options)
    given = None if masked is None else mask(masked)
    got, expected = ours(sequences(), mask=given), theirs(sequences(), mask=given)
    assert shapes(got) == shapes(expected)
    assert_close(got, expected, 1e-6)
    for shape in ((BATCH, TIME, FEATURES), (None, None, FEATURES)):
        assert ours.compute_output_shape(shape) == theirs.compute_output_shape(shape)
    assert type(got) is type(expected) or not return_state


@every_layer
@pytest.mark.parametrize("masked", [None, "with holes"])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_unroll_does_not_change_results(name, masked, return_sequences):
    ours, theirs = twins(name, unroll=True, return_sequences=return_sequences)
    given = None if masked is None else mask(masked)
    assert_close(ours(sequences(), mask=given), theirs(sequences(), mask=given), 1e-6)
    model = keras.Sequential([keras.Input((TIME, FEATURES)), ours])
    assert_close(model.predict(sequences(), verbose=0), theirs(sequences()), 1e-6)


@every_layer
@pytest.mark.parametrize("implementation", [1, 2])
def test_implementation_and_use_cudnn_do_not_change_results(name, implementation):
    options = {} if name == "SimpleRNN" else {"implementation": implementation, "use_cudnn": False}
    ours, theirs = twins(name, use_bias=False, **options)
    assert_close(ours(sequences()), theirs(sequences()), 1e-6)


@every_layer
def test_symbolic_outputs_have_known_shapes(name):
    inputs = keras.Input((None, FEATURES))
    for options in ({}, {"return_sequences": True}, {"return_state": True}):
        got, expected = OURS[name](UNITS, **options)(inputs), theirs_of(name)(UNITS, **options)(inputs)
        assert shapes(got) == shapes(expected)


@every_layer
def test_zero_output_for_mask_equals_keras(name):
    ours, theirs = twins(name, return_sequences=True, zero_output_for_mask=True)
    for kind in MASKS:
        assert_close(ours(sequences(), mask=mask(kind)), theirs(sequences(), mask=mask(kind)), 1e-6)


@every_layer
def test_three_weights_in_the_order_of_keras(name):
    ours, theirs = twins(name)
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    assert shapes(ours.trainable_weights) == shapes(theirs.trainable_weights)
    assert ours.non_trainable_weights == [] and ours.count_params() == theirs.count_params()


@every_layer
def test_training_gives_the_same_weights(name):
    models = []
    for layer in twins(name, kernel_regularizer="l2", dropout=0.0):
        head = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed=1))
        models.append(keras.Sequential([keras.Input((TIME, FEATURES)), layer, head]))
        models[-1].compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        models[-1].fit(sequences(), normal(BATCH, 1, seed=5), epochs=3, batch_size=BATCH, verbose=0)
    assert_close(models[0].get_weights(), models[1].get_weights(), 1e-5)


# cells by themselves


@every_layer
def test_one_step_of_a_cell(name):
    ours, theirs = OUR_CELLS[name](UNITS), getattr(keras.layers, f"{name}Cell")(UNITS)
    share_weights(ours, theirs, BATCH, FEATURES)
    x = normal(BATCH, FEATURES)
    assert_close(ours(x, states(name)), theirs(x, states(name)), 1e-6)
    zeros = theirs.get_initial_state(batch_size=2)
    assert shapes(ours.get_initial_state(batch_size=2)) == shapes(zeros)
    assert ours.state_size == theirs.state_size and ours.output_size == theirs.output_size


@every_layer
@pytest.mark.parametrize("rnn", [LAYERS.RNN, keras.layers.RNN], ids=["ours", "Keras"])
def test_cells_run_in_both_rnn_layers(name, rnn):
    options = {"return_sequences": True, "return_state": True}
    ours = rnn(OUR_CELLS[name](UNITS), **options)
    share_weights(ours, theirs := theirs_of(name)(UNITS, **options))
    for kind in MASKS:
        assert_close(ours(sequences(), mask=mask(kind)), theirs(sequences(), mask=mask(kind)), 1e-6)


# states


@every_layer
@pytest.mark.parametrize("options", [{}, {"return_sequences": True}, {"unroll": True}, {"go_backwards": True}])
def test_stateful_layers_continue_until_reset(name, options):
    ours, theirs = twins(name, stateful=True, return_state=True, **options)
    first = ours(sequences(0))
    assert_close(first, theirs(sequences(0)), 1e-6)
    for seed in (1, 2):
        assert_close(ours(sequences(seed)), theirs(sequences(seed)), 1e-6)
    assert_close([s.value for s in ours.states], [s.value for s in theirs.states], 1e-6)
    ours.reset_state()
    assert not any(np.any(s) for s in ours.states)
    assert_close(ours(sequences(0)), first, 1e-6)
    ours.reset_states()
    assert_close(ours(sequences(0)), first, 1e-6)


@every_layer
def test_stateful_layer_with_an_initial_state(name):
    ours, theirs = twins(name, stateful=True)
    for call in ({}, {"initial_state": states(name)}, {}, {"mask": mask("with holes")}, {}):
        assert_close(ours(sequences(), **call), theirs(sequences(), **call), 1e-6)


@every_layer
def test_stateful_model_predicts_across_batches(name):
    models = []
    for layer in twins(name, stateful=True):
        models.append(keras.Sequential([keras.Input(batch_shape=(BATCH, TIME, FEATURES)), layer]))
    x = np.concatenate([sequences(0), sequences(1)])
    for _ in range(2):  # two batches in each call, and both calls hang together
        got, expected = (model.predict(x, batch_size=BATCH, verbose=0) for model in models)
        assert_close(got, expected, 1e-6)
    before = got
    for model in models:
        model.layers[0].reset_state()
    got, expected = (model.predict(x, batch_size=BATCH, verbose=0) for model in models)
    assert_close(got, expected, 1e-6)
    assert np.abs(got - before).max() > 1e-3


@every_layer
def test_a_stateful_layer_refuses_a_batch_of_another_size(name):
    layer = OURS[name](UNITS, stateful=True)
    layer(sequences())
    with pytest.raises(ValueError, match=f"fixed at {BATCH}, but got 1"):
        layer(sequences()[:1])
    with pytest.raises(ValueError, match="batch"):
        OURS[name](UNITS, stateful=True)(keras.Input((TIME, FEATURES)))


@every_layer
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("container", [list, tuple])
def test_initial_state_as_arrays(name, go_backwards, container):
    ours, theirs = twins(name, go_backwards=go_backwards, return_state=True)
    given = container(states(name))
    assert_close(ours(sequences(), initial_state=given), theirs(sequences(), initial_state=given), 1e-6)
    assert_close(ours(sequences(), given), theirs(sequences(), given), 1e-6)


@pytest.mark.parametrize("name", ["GRU", "SimpleRNN"])
def test_a_single_initial_state_needs_no_list(name):
    ours, theirs = twins(name)
    (given,) = states(name)
    assert_close(ours(sequences(), initial_state=given), theirs(sequences(), initial_state=given), 1e-6)


@every_layer
def test_initial_state_as_inputs_of_a_functional_model(name):
    models = []
    for layer in twins(name, return_state=True):
        x = keras.Input((TIME, FEATURES))
        given = [keras.Input((UNITS,)) for _ in range(STATES[name])]
        models.append(keras.Model([x, *given], list(layer(x, initial_state=given))))
    model_inputs = [sequences(), *states(name)]
    assert_close(*(model(model_inputs) for model in models), 1e-6)
    assert_close(*(model.predict(model_inputs, verbose=0) for model in models), 1e-6)
    restored = keras.Model.from_config(models[0].get_config())
    restored.set_weights(models[0].get_weights())
    assert_close(restored(model_inputs), models[1](model_inputs), 1e-6)


@every_layer
def test_states_of_one_layer_initialize_another(name):
    models = []
    for cls in (OURS[name], theirs_of(name)):
        x, y = keras.Input((None, FEATURES)), keras.Input((None, 2))
        _, *final = cls(UNITS, return_state=True)(x)
        models.append(keras.Model([x, y], cls(UNITS, return_sequences=True)(y, initial_state=final)))
    randomise(models[1])
    models[0].set_weights(models[1].get_weights())
    model_inputs = [sequences(), normal(BATCH, 4, 2)]
    assert_close(models[0].predict(model_inputs, verbose=0), models[1].predict(model_inputs, verbose=0), 1e-6)


# masks from a layer before


@every_layer
@pytest.mark.parametrize("wrapped", [False, True])
def test_mask_of_an_upstream_layer_propagates(name, wrapped):
    x = sequences()
    x[~mask("with holes")] = -1.0
    models = []
    for layers, wrap in ((OURS[name], LAYERS.Bidirectional), (theirs_of(name), keras.layers.Bidirectional)):
        first, second = layers(UNITS, return_sequences=True), layers(3)
        first = wrap(first) if wrapped else first
        models.append(keras.Sequential([keras.Input((TIME, FEATURES)), keras.layers.Masking(-1.0), first, second]))
    randomise(models[1])
    models[0].set_weights(models[1].get_weights())
    assert_close(models[0](x), models[1](x), 1e-6)
    assert_close(models[0].predict(x, verbose=0), models[1].predict(x, verbose=0), 1e-6)


@every_layer
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("return_state", [False, True])
def test_output_mask(name, return_sequences, return_state):
    ours, theirs = twins(name, return_sequences=return_sequences, return_state=return_state)
    assert ours.supports_masking
    given = tf.constant(mask("with holes"))
    got, expected = ours.compute_mask(None, given), theirs.compute_mask(None, given)
    assert [m is None for m in tf.nest.flatten(got)] == [m is None for m in tf.nest.flatten(expected)]


# both directions


@every_layer
@wrappers
@pytest.mark.parametrize("merge_mode", ["concat", "sum", "ave", "mul", None])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_bidirectional_with_each_merge_mode(name, wrapper, merge_mode, return_sequences):
    ours, theirs = bidirectional_twins(name, wrapper, merge_mode, return_sequences=return_sequences)
    for given in (None, mask("with holes")):
        got, expected = ours(sequences(), mask=given), theirs(sequences(), mask=given)
        assert shapes(got) == shapes(expected)
        assert_close(got, expected, 1e-6)
    shape = (BATCH, TIME, FEATURES)
    assert list(ours.compute_output_shape(shape)) == list(theirs.compute_output_shape(shape))


@every_layer
@wrappers
@pytest.mark.parametrize("merge_mode", ["concat", None])
def test_bidirectional_with_states(name, wrapper, merge_mode):
    ours, theirs = bidirectional_twins(name, wrapper, merge_mode, return_state=True, return_sequences=True)
    for call in ({}, {"initial_state": states(name, 2)}, {"mask": mask("with holes")}):
        assert_close(ours(sequences(), **call), theirs(sequences(), **call), 1e-6)
    assert shapes(ours(sequences())) == [tuple(s) for s in ours.compute_output_shape((BATCH, TIME, FEATURES))]


@every_layer
def test_bidirectional_with_states_as_inputs_of_a_functional_model(name):
    models = []
    for layer in bidirectional_twins(name, return_state=True):
        x = keras.Input((TIME, FEATURES))
        given = [keras.Input((UNITS,)) for _ in range(2 * STATES[name])]
        models.append(keras.Model([x, *given], list(layer(x, initial_state=given))))
    model_inputs = [sequences(), *states(name, 2)]
    assert_close(*(model.predict(model_inputs, verbose=0) for model in models), 1e-6)


@every_layer
@wrappers
def test_bidirectional_with_a_backward_layer(name, wrapper):
    layers = []
    for cls, wrap in ((OURS[name], wrapper), (theirs_of(name), keras.layers.Bidirectional)):
        backward = cls(UNITS, activation="relu", use_bias=False, go_backwards=True, return_sequences=True)
        layers.append(wrap(cls(UNITS, return_sequences=True), backward_layer=backward, merge_mode="mul"))
    ours, theirs = share_weights(*layers)
    assert_close(ours(sequences()), theirs(sequences()), 1e-6)
    again = type(ours).from_config(ours.get_config())
    again.build((BATCH, TIME, FEATURES))
    again.set_weights(ours.get_weights())
    assert again.backward_layer.activation is keras.activations.relu and not again.backward_layer.use_bias
    assert_close(again(sequences()), theirs(sequences()), 1e-6)
    with pytest.raises(ValueError, match="go_backwards"):
        wrapper(OURS[name](UNITS), backward_layer=OURS[name](UNITS))
    with pytest.raises(ValueError, match="return_sequences"):
        wrapper(OURS[name](UNITS), backward_layer=OURS[name](UNITS, go_backwards=True, return_sequences=True))


@every_layer
@wrappers
def test_bidirectional_and_stateful(name, wrapper):
    ours, theirs = bidirectional_twins(name, wrapper, stateful=True, return_sequences=True)
    assert ours.stateful
    for seed in range(3):
        assert_close(ours(sequences(seed)), theirs(sequences(seed)), 1e-6)
    for layer in (ours, theirs):
        layer.reset_state()
    assert_close(ours(sequences(4)), theirs(sequences(4)), 1e-6)


@every_layer
def test_bidirectional_with_initial_weights(name):
    theirs = bidirectional_twins(name)[1]  # made without: Keras takes them and leaves it at that
    layer = LAYERS.Bidirectional(OURS[name](UNITS), weights=theirs.get_weights())
    assert_close(layer(sequences()), theirs(sequences()), 1e-6)
    again = LAYERS.Bidirectional.from_config(layer.get_config())
    again(sequences())
    assert shapes(again.get_weights()) == shapes(layer.get_weights())


@every_layer
def test_bidirectional_copies_the_layer(name):
    layer = OURS[name](UNITS)
    layer(sequences())
    before = layer.get_weights()
    both = LAYERS.Bidirectional(layer)
    both(sequences())
    assert np.abs(both.get_weights()[0] - before[0]).max() > 1e-3
    assert_close(layer.get_weights(), before, 0, 0)
    assert both.forward_layer.name == f"forward_{layer.name}" and both.backward_layer.name == f"backward_{layer.name}"
    assert (both.forward_layer.go_backwards, both.backward_layer.go_backwards) == (False, True)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
@wrappers
@pytest.mark.parametrize("use_cudnn", [True, False, "auto"])
def test_bidirectional_keeps_use_cudnn(name, wrapper, use_cudnn):
    both = wrapper(OURS[name](UNITS, use_cudnn=use_cudnn))
    assert both.forward_layer.use_cudnn == both.backward_layer.use_cudnn == use_cudnn


# cells one on top of another


def stacked(name, **options):
    """Two of our cells and two of Keras's, in the RNN of either."""
    ours = LAYERS.RNN([OUR_CELLS[name](UNITS), OUR_CELLS[name](2)], **options)
    cell = getattr(keras.layers, f"{name}Cell")
    return share_weights(ours, keras.layers.RNN([cell(UNITS), cell(2)], **options))


@every_layer
@pytest.mark.parametrize("options", [{}, {"return_sequences": True}, {"go_backwards": True}, {"unroll": True}])
def test_stacked_cells(name, options):
    ours, theirs = stacked(name, **options)
    for given in (None, mask("with holes")):
        assert_close(ours(sequences(), mask=given), theirs(sequences(), mask=given), 1e-6)
    shape = (BATCH, TIME, FEATURES)
    assert ours.compute_output_shape(shape) == theirs.compute_output_shape(shape)


@every_layer
def test_stacked_cells_with_states(name):
    ours, theirs = stacked(name, return_state=True)
    nested = [[normal(BATCH, size, seed=size + k) for k in range(STATES[name])] for size in (UNITS, 2)]
    nested = nested if name == "LSTM" else tf.nest.flatten(nested)
    assert_close(ours(sequences()), theirs(sequences()), 1e-6)
    got, expected = ours(sequences(), initial_state=nested), theirs(sequences(), initial_state=nested)
    assert_close(got, expected, 1e-6)  # the values, one after another
    assert_close(ours(sequences(), initial_state=tf.nest.flatten(nested)), expected, 1e-6)


@every_layer
def test_stacked_cells_and_stateful(name):
    ours, theirs = stacked(name, stateful=True)
    first = ours(sequences(0))
    assert_close(first, theirs(sequences(0)), 1e-6)
    for seed in (1, 2):
        assert_close(ours(sequences(seed)), theirs(sequences(seed)), 1e-6)
    ours.reset_state()  # Keras's own layer cannot
    assert_close(ours(sequences(0)), first, 1e-6)


@every_layer
@pytest.mark.parametrize("inner", [keras.layers.StackedRNNCells, CELLS.StackedCells], ids=["Keras", "ours"])
def test_stacked_cells_given_as_one_cell(name, inner):
    ours = LAYERS.RNN(inner([OUR_CELLS[name](UNITS), OUR_CELLS[name](2)]), return_sequences=True)
    theirs = stacked(name, return_sequences=True)[1]
    share_weights(ours, theirs)
    assert_close(ours(sequences()), theirs(sequences()), 1e-6)
    again = LAYERS.RNN.from_config(ours.get_config())
    again.build((BATCH, TIME, FEATURES))
    again.set_weights(ours.get_weights())
    assert_close(again(sequences()), theirs(sequences()), 1e-6)


def test_stacked_cells_of_several_kinds_in_the_rnn_of_keras():
    cells = [CELLS.LSTMCell(UNITS), CELLS.GRUCell(3), CELLS.ElmanCell(2)]
    theirs = [keras.layers.LSTMCell(UNITS), keras.layers.GRUCell(3), keras.layers.SimpleRNNCell(2)]
    ours, theirs = share_weights(keras.layers.RNN(cells), keras.layers.RNN(theirs))
    assert_close(ours(sequences()), theirs(sequences()), 1e-6)


# TimeDistributed


@every_layer
@pytest.mark.parametrize("wrapped", [False, True])
def test_time_distributed_around_a_layer(name, wrapped):
    ours, theirs = bidirectional_twins(name) if wrapped else twins(name)
    ours, theirs = keras.layers.TimeDistributed(ours), keras.layers.TimeDistributed(theirs)
    x = normal(BATCH, 2, TIME, FEATURES)
    assert_close(ours(x), theirs(x), 1e-6)
    inputs = keras.Input((None, TIME, FEATURES))
    assert keras.Model(inputs, ours(inputs)).predict(x, verbose=0).shape == tuple(theirs(x).shape)
    again = keras.layers.TimeDistributed.from_config(ours.get_config())
    assert shapes(again(x)) == shapes(theirs(x))


@every_layer
def test_time_distributed_after_a_masked_layer(name):
    x = sequences()
    x[~mask("padded behind")] = 0.0
    models = []
    for layer in twins(name, return_sequences=True):
        head = keras.layers.TimeDistributed(keras.layers.Dense(2, kernel_initializer=keras.initializers.Constant(0.3)))
        models.append(keras.Sequential([keras.Input((TIME, FEATURES)), keras.layers.Masking(), layer, head]))
    assert_close(models[0].predict(x, verbose=0), models[1].predict(x, verbose=0), 1e-6)


# arguments and attributes

VALUES = {
    "units": UNITS,
    "activation": "relu",
    "recurrent_activation": "hard_sigmoid",
    "use_bias": False,
    "kernel_initializer": "he_normal",
    "recurrent_initializer": "glorot_normal",
    "bias_initializer": "ones",
    "unit_forget_bias": False,
    "kernel_regularizer": "l1",
    "recurrent_regularizer": "l2",
    "bias_regularizer": keras.regularizers.L1L2(0.1, 0.2),
    "activity_regularizer": "l2",
    "kernel_constraint": "max_norm",
    "recurrent_constraint": "unit_norm",
    "bias_constraint": "non_neg",
    "dropout": 0.25,
    "recurrent_dropout": 0.125,
    "seed": 7,
    "return_sequences": True,
    "return_state": True,
    "go_backwards": True,
    "stateful": True,
    "unroll": True,
    "zero_output_for_mask": True,
    "reset_after": False,
    "use_cudnn": False,
}


def taken(cls):
    """Returns the argument names of a Keras constructor, in order, that have a value here."""
    names = [n for n in inspect.signature(cls.__init__).parameters if n not in ("self", "kwargs")]
    return names[: next((i for i, n in enumerate(names) if n not in VALUES), len(names))]


def told(layer, names):
    """Returns an attribute of a layer, or of its cell."""
    return {n: serialised(getattr(layer if hasattr(layer, n) else layer.cell, n)) for n in names}


@every_layer
def test_layer_arguments_by_position_and_by_keyword(name):
    names = taken(theirs_of(name))
    assert len(names) >= 21
    values = {n: VALUES[n] for n in names}
    theirs = theirs_of(name)(*values.values())
    theirs.activity_regularizer = keras.regularizers.get("l2")  # which Keras's SimpleRNN forgets
    for ours in (OURS[name](*values.values()), OURS[name](**values)):
        assert told(ours, names) == told(theirs, names)
    again = OURS[name].from_config(OURS[name](**values).get_config())
    assert told(again, names) == told(theirs, names)


@every_layer
def test_cell_arguments_by_position_and_by_keyword(name):
    cls = getattr(keras.layers, f"{name}Cell")
    names = taken(cls)
    assert len(names) >= 14
    values = {n: VALUES[n] for n in names}
    theirs = cls(*values.values())
    for ours in (OUR_CELLS[name](*values.values()), OUR_CELLS[name](**values)):
        assert told(ours, names) == told(theirs, names)


@every_layer
def test_default_attributes_equal_those_of_keras(name):
    ours, theirs = OURS[name](UNITS), theirs_of(name)(UNITS)
    names = [n for n in VALUES if hasattr(theirs, n)]
    assert told(ours, names) == told(theirs, names)
    assert list(ours.state_size) == list(theirs.state_size)


def test_positional_arguments_of_the_wrappers():
    rnn = LAYERS.RNN(CELLS.GRUCell(UNITS), True, True, True, False, True, True)
    flags = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")
    assert [getattr(rnn, flag) for flag in flags] == [True, True, True, False, True, True]
    backward = LAYERS.GRU(UNITS, go_backwards=True, use_bias=False)
    both = LAYERS.Bidirectional(LAYERS.GRU(UNITS), "sum", None, backward)
    assert both.merge_mode == "sum" and not both.backward_layer.use_bias


# configurations and files


@every_layer
def test_keras_configuration_creates_our_layer(name):
    theirs = theirs_of(name)(UNITS, "relu", return_sequences=True, kernel_regularizer="l2", name="mine")
    ours = OURS[name].from_config(theirs.get_config())
    share_weights(ours, theirs)
    assert ours.name == "mine" and ours.kernel_regularizer is not None
    assert_close(ours(sequences()), theirs(sequences()), 1e-6)


@every_layer
@pytest.mark.parametrize("wrapped", [False, True])
def test_configuration_round_trip(name, wrapped):
    layer = OURS[name](UNITS, dropout=0.1, seed=3, return_sequences=True, bias_constraint="non_neg", dtype="float64")
    layer = LAYERS.Bidirectional(layer, merge_mode="ave") if wrapped else layer
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == layer.get_config()
    copied = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copied) is type(layer) and copied.get_config() == layer.get_config()
    assert type(layer).from_config(config).get_config() == layer.get_config()  # which was not used up


@keras.saving.register_keras_serializable("tests_of_ported_habits")
class Scaled(CELLS.Cell):
    """A user's cell, with arguments of types that JSON lacks."""

    def __init__(self, sizes, gains, limits=(0.0, 1.0), **kwargs):
        super().__init__(**kwargs)
        self.sizes, self.gains, self.limits = sizes, gains, limits
        self.state_size, self.output_size = list(sizes), sizes[0]

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.sizes[0]), name="kernel")

    def project(self, inputs, training=False):
        return rnnzoo.cells.dot(inputs, self.kernel)

    def step(self, x, r, state, consts):
        low, high = self.limits
        h = tf.clip_by_value(x * self.gains["x"] + state[0] * self.gains["h"][0], low, high)
        return h, (h, state[1] + self.gains["h"][1])


@pytest.mark.parametrize("wrapped", [False, True])
def test_tuples_and_dictionaries_of_a_users_cell_are_restored(tmp_path, wrapped):
    layer = LAYERS.RNN(Scaled((3, 2), {"x": 0.5, "h": (0.25, 2.0)}, limits=(-0.5, 0.75)), return_sequences=True)
    layer = LAYERS.Bidirectional(layer) if wrapped else layer
    model = keras.Sequential([keras.Input((TIME, FEATURES)), layer])
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    cell = (again.layers[0].forward_layer if wrapped else again.layers[0]).cell
    assert tuple(cell.sizes) == (3, 2) and tuple(cell.limits) == (-0.5, 0.75)
    assert cell.gains["x"] == 0.5 and tuple(cell.gains["h"]) == (0.25, 2.0)
    assert type(cell.sizes) is tuple and type(cell.gains["h"]) is tuple
    assert_close(again(sequences()), model(sequences()), 0, 0)


@every_layer
@pytest.mark.parametrize("kind", ["plain", "bidirectional", "RNN of cells"])
def test_model_file_round_trip(tmp_path, name, kind):
    layer = OURS[name](UNITS, return_sequences=True, recurrent_dropout=0.1, kernel_regularizer="l2")
    if kind == "bidirectional":
        layer = LAYERS.Bidirectional(layer, merge_mode="sum")
    elif kind == "RNN of cells":
        layer = LAYERS.RNN([OUR_CELLS[name](UNITS), OUR_CELLS[name](2)])
    model = keras.Sequential([keras.Input((TIME, FEATURES)), keras.layers.Masking(), layer])
    randomise(model)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert_close(again.predict(sequences(), verbose=0), model.predict(sequences(), verbose=0), 1e-7)


def model_of(*layers):
    return keras.Sequential([keras.Input((TIME, FEATURES)), *layers])


@every_layer
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("way", ["from a subclass", "to a subclass", "from Keras"])
def test_weights_files_load_into_other_classes(tmp_path, name, wrapped, way):
    plain = OURS[name]
    child = type("Mine", (plain,), {})
    written, read = {
        "from a subclass": (child, plain),
        "to a subclass": (plain, child),
        "from Keras": (theirs_of(name), plain),
    }[way]

    def model(cls):
        first, second = cls(UNITS, return_sequences=True), cls(2)
        if wrapped:
            wrap = keras.layers.Bidirectional if cls.__module__.startswith("keras") else LAYERS.Bidirectional
            with keras.saving.custom_object_scope({"Mine": child}):
                first, second = wrap(first), wrap(second)
        return model_of(first, keras.layers.Dense(3), second)

    source, target = model(written), model(read)
    randomise(source)
    source.save_weights(tmp_path / "m.weights.h5")
    target.load_weights(tmp_path / "m.weights.h5")
    assert_close(target.get_weights(), source.get_weights(), 0, 0)
    assert_close(target(sequences()), source(sequences()), 1e-6)


# losses


@every_layer
@pytest.mark.parametrize("return_state", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_an_activity_regularizer_adds_the_losses_of_keras(name, return_state, return_sequences):
    options = {"return_state": return_state, "return_sequences": return_sequences}
    ours, theirs = twins(name, activity_regularizer=keras.regularizers.L2(0.3), **options)
    theirs.activity_regularizer = ours.activity_regularizer  # which Keras's SimpleRNN forgets
    ours(sequences())
    theirs(sequences())
    assert len(theirs.losses) > 0
    assert_close(ours.losses, theirs.losses, 1e-6)


@every_layer
@wrappers
@pytest.mark.parametrize("return_state", [False, True])
@pytest.mark.parametrize("where", ["inside", "outside", "both"])
def test_an_activity_regularizer_and_bidirectional(name, wrapper, return_state, where):
    layers = []
    for cls, wrap in ((OURS[name], wrapper), (theirs_of(name), keras.layers.Bidirectional)):
        inner = {} if where == "outside" else {"activity_regularizer": keras.regularizers.L1(0.2)}
        outer = {} if where == "inside" else {"activity_regularizer": keras.regularizers.L2(0.3)}
        layers.append(wrap(cls(UNITS, return_state=return_state, **inner), **outer))
    ours, theirs = share_weights(*layers)
    for part in (theirs.forward_layer, theirs.backward_layer):  # Keras's SimpleRNN forgets it
        part.activity_regularizer = inner.get("activity_regularizer")
    ours(sequences())
    theirs(sequences())
    assert len(theirs.losses) > 0
    assert_close(sorted(map(float, ours.losses)), sorted(map(float, theirs.losses)), 1e-5)


@every_layer
def test_weight_regularizers_add_the_losses_of_keras(name):
    kinds = {"kernel_regularizer": "l2", "recurrent_regularizer": "l1", "bias_regularizer": "L1L2"}
    ours, theirs = twins(name, **kinds)
    assert len(ours.losses) == 3
    assert_close(sorted(map(float, ours.losses)), sorted(map(float, theirs.losses)), 1e-6)
