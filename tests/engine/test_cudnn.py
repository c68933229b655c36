"""The choice of cuDNN, and the graph that is traced for it, on a machine without a GPU.

A reference takes the place of the operation: it computes an LSTM or GRU from cuDNN's packed parameters, with zeros at
padding.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.engine import cudnn
from rnnzoo.layers import GRU, LSTM, Bidirectional
from rnnzoo.training.engine import choose_engine
from tests.helpers import assert_close, normal, randomise

UNITS, FEATURES, BATCH, TIME = 4, 3, 5, 6
KERAS = {LSTM: keras.layers.LSTM, GRU: keras.layers.GRU}
LENGTHS = np.array([6, 3, 1, 5, 2])
RIGHT = np.arange(TIME) < LENGTHS[:, None]


@pytest.fixture
def gpu(monkeypatch):
    """Makes Keras and us believe that there is a GPU."""
    listed = tf.config.list_logical_devices

    def list_devices(kind=None):
        return ["gpu"] if kind == "GPU" else listed(kind)

    monkeypatch.setattr(tf.config, "list_logical_devices", list_devices)


@pytest.fixture
def reference(gpu, monkeypatch):
    """Replaces the operation by the reference; returns the list of its calls."""
    calls = []

    def op(input, input_h, input_c, params, is_training, rnn_mode, sequence_lengths, time_major):
        calls.append((rnn_mode, params))
        outputs, h, c = run_reference(input, input_h[:, 0], input_c, params, rnn_mode, sequence_lengths)
        return outputs, h[:, None], c if isinstance(c, int) else c[:, None], None, None

    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", op)
    return calls


def run_reference(inputs, h, c, params, mode, lengths):
    """Computes cuDNN's equations: blocks r, z, n of a GRU or i, f, g, o of an LSTM, each with two biases."""
    blocks, units = (3 if mode == "gru" else 4), h.shape[-1]
    sizes = [units * FEATURES] * blocks + [units * units] * blocks + [units] * 2 * blocks
    parts = tf.split(params, sizes)
    W = [tf.transpose(tf.reshape(part, [units, FEATURES])) for part in parts[:blocks]]
    R = [tf.transpose(tf.reshape(part, [units, units])) for part in parts[blocks : 2 * blocks]]
    b, d = parts[2 * blocks : 3 * blocks], parts[3 * blocks :]
    c = None if isinstance(c, int) else c[:, 0]
    outputs = []
    for t in range(inputs.shape[1]):
        x = [inputs[:, t] @ W[k] + b[k] for k in range(blocks)]
        r = [h @ R[k] + d[k] for k in range(blocks)]
        if mode == "gru":
            reset, update = tf.sigmoid(x[0] + r[0]), tf.sigmoid(x[1] + r[1])
            new_h, new_c = (1 - update) * tf.tanh(x[2] + reset * r[2]) + update * h, None
        else:
            i, f, g, o = (x[k] + r[k] for k in range(4))
            new_c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            new_h = tf.sigmoid(o) * tf.tanh(new_c)
        valid = (t < lengths)[:, None]
        outputs.append(tf.where(valid, new_h, 0.0))
        h = tf.where(valid, new_h, h)
        c = None if new_c is None else tf.where(valid, new_c, c)
    return tf.stack(outputs, 1), h, 0 if c is None else c


def layer_of(cls, **options):
    layer = cls(UNITS, return_state=True, **options)
    layer.build((None, TIME, FEATURES))
    randomise(layer)
    return layer


@pytest.mark.parametrize("cls", [LSTM, GRU])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("mask", [None, RIGHT, RIGHT[:, ::-1], RIGHT & (LENGTHS > 1)[:, None]], ids=str)
def test_outputs_and_gradients_are_those_of_the_cpu(cls, return_sequences, go_backwards, mask, reference):
    options = {"return_sequences": return_sequences, "go_backwards": go_backwards}
    x = tf.constant(normal(BATCH, TIME, FEATURES))
    results = []
    for use_cudnn in (False, "auto"):
        layer = layer_of(cls, use_cudnn=use_cudnn, **options)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, mask=mask)
            loss = sum(tf.reduce_sum(output**2) for output in outputs)
        results.append([*outputs, *tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)])])
        assert bool(reference) == (use_cudnn == "auto" and (mask is None or mask is RIGHT))
    assert_close(*results)


@pytest.mark.parametrize("cls", [LSTM, GRU])
def test_dropout_takes_the_random_numbers_of_the_cpu(cls, reference):
    x = tf.constant(normal(BATCH, TIME, FEATURES))
    for mask in (None, RIGHT, RIGHT[:, ::-1]):
        layers = (layer_of(cls, dropout=0.4, seed=3, use_cudnn=use_cudnn) for use_cudnn in (False, "auto"))
        assert_close(*(layer(x, mask=mask, training=True) for layer in layers))


@pytest.mark.parametrize("cls", [LSTM, GRU])
def test_the_graph_holds_the_operation_and_its_gradient(cls, gpu):
    layer = layer_of(cls)

    @tf.function
    def train(x, mask):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, mask=mask)[0])
        return tape.gradient(loss, [v.value for v in layer.trainable_variables])

    spec = tf.TensorSpec([None, None, FEATURES]), None
    graph = train.get_concrete_function(*spec).graph
    operations = {op.type: op for op in graph.get_operations()}
    assert "CudnnRNNBackpropV3" in operations
    blocks = 4 if cls is LSTM else 3
    assert operations["CudnnRNNV3"].inputs[3].shape == [blocks * UNITS * (FEATURES + UNITS + 2)]
    masked = train.get_concrete_function(spec[0], tf.TensorSpec([None, None], tf.bool)).graph
    inside = {node.op for function in masked.as_graph_def().library.function for node in function.node_def}
    assert {"CudnnRNNV3", "CudnnRNNBackpropV3"} <= inside


@pytest.mark.parametrize("cls", [LSTM, GRU])
def test_weights_are_packed_as_those_of_keras(cls, reference):
    x = tf.constant(normal(BATCH, TIME, FEATURES))
    for layer in (layer_of(cls), KERAS[cls](UNITS)):
        layer.build((None, TIME, FEATURES))
        randomise(layer)
        layer(x)
    assert len(reference) == 2 and np.array_equal(reference[0][1], reference[1][1])


def test_what_cudnn_cannot_run():
    assert "there is no GPU" in cudnn.find_problem(layer_of(LSTM).cell)


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (lambda: LSTM(UNITS, activation="relu"), "equations, activations"),
        (lambda: LSTM(UNITS, zoneout=0.1), "equations, activations"),
        (lambda: LSTM(UNITS, projection=2), "equations, activations"),
        (lambda: LSTM(UNITS, forget_gate=False), "equations, activations"),
        (lambda: GRU(UNITS, reset_after=False), "equations, activations"),
        (lambda: rnnzoo.layers.PeepholeLSTM(UNITS), "equations, activations"),
        (lambda: LSTM(UNITS, use_bias=False), "no bias"),
        (lambda: LSTM(UNITS, recurrent_dropout=0.1), "recurrent dropout"),
        (lambda: LSTM(UNITS, truncate=2), "truncates"),
        (lambda: LSTM(UNITS, unroll=True), "unrolled"),
        (lambda: LSTM(UNITS, dtype="mixed_float16"), "another precision"),
    ],
)
def test_other_options_take_the_loop_or_are_refused(layer, problem, reference):
    layer, x = layer(), tf.constant(normal(BATCH, TIME, FEATURES))
    layer(x, training=True)
    assert not reference
    layer.use_cudnn = True
    with pytest.raises(ValueError, match=f"use_cudnn=True, and cuDNN cannot run this layer: .*{problem}"):
        layer(x, training=True)


def test_use_cudnn_is_checked():
    with pytest.raises(ValueError, match='use_cudnn must be "auto", True or False'):
        LSTM(3, use_cudnn="yes")


def test_required_cudnn_asserts_right_padding(reference):
    layer, x = layer_of(LSTM, use_cudnn=True), tf.constant(normal(BATCH, TIME, FEATURES))
    layer(x, mask=RIGHT)
    with pytest.raises(ValueError, match="the mask pads otherwise than at the end"):
        layer(x, mask=RIGHT[:, ::-1])


def test_both_directions_are_run(reference):
    layer = Bidirectional(LSTM(UNITS, return_sequences=True))
    layer(tf.constant(normal(BATCH, TIME, FEATURES)))
    assert [mode for mode, _ in reference] == ["lstm", "lstm"]


@pytest.mark.slow
def test_no_export_and_no_compiled_graph_holds_the_operation(reference, tmp_path):
    spec = rnnzoo.TaskSpec("features", "vector", True, FEATURES, 2, "mse", ("mse",))
    model = rnnzoo.create_model("lstm", spec, units=UNITS)
    x = tf.constant(normal(BATCH, TIME, FEATURES))
    expected = model(x)
    assert reference and choose_engine(model) == {"name": "cudnn"}
    assert choose_engine(model, True) == {"name": "xla"}
    assert not model.core.layers[0].supports_jit
    reference.clear()
    rnnzoo.export_saved_model(model, tmp_path / "export")
    assert_close(tf.function(model, jit_compile=True)(x), expected)
    assert not reference
    served = tf.saved_model.load(tmp_path / "export").signatures["serving_default"]
    assert_close(next(iter(served(features=x).values())), expected)


def test_the_configuration_is_kept():
    config = json.loads(json.dumps(LSTM(3, use_cudnn=False).get_config()))
    assert LSTM.from_config(config).use_cudnn is False
