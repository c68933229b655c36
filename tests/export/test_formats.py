"""Conversion to ONNX and LiteRT, run by their runtimes (`pip install 'rnnzoo[onnx,litert]'`)."""

import importlib
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.export.saved_model import make_serving
from tests.export import kinds

pytestmark = pytest.mark.slow
L = rnnzoo.layers
MAKE = {
    "LSTM": lambda **o: L.LSTM(5, **o),
    "GRU": lambda **o: L.GRU(5, **o),
    "GRU before": lambda **o: L.GRU(5, reset_after=False, **o),
    "ElmanRNN": lambda **o: L.ElmanRNN(5, **o),
    "JordanRNN": lambda **o: L.JordanRNN(5, **o),
    "IndRNN": lambda **o: L.IndRNN(5, **o),
    "DampenedRNN": lambda **o: L.DampenedRNN(5, **o),
    "LayerNormLSTM": lambda **o: L.LayerNormLSTM(5, **o),
    "PeepholeLSTM": lambda **o: L.PeepholeLSTM(5, **o),
    "projection": lambda **o: L.LSTM(5, projection=3, **o),
    "Bidirectional": lambda **o: L.Bidirectional(L.LSTM(5, **o)),
    "Stack": lambda **o: L.Stack([L.GRU(4), L.LSTM(5)], **o),
    "StackedCells": lambda **o: L.RNN([rnnzoo.cells.LSTMCell(4), rnnzoo.cells.GRUCell(5)], **o),
    "DeepTransition": lambda **o: L.DeepTransition(rnnzoo.cells.ElmanCell(5), depth=2, **o),
}


VARIANTS = dict.fromkeys(MAKE, (True, True)) | {"LSTM": (False, False)}  # masked, sequences
KINDS = ("pairs with attention",)  # tests/test_convert.py converts all of them


def needed(name):
    """Imports a module; if it is missing, the test is skipped, or fails where skips are not allowed."""
    return importlib.import_module(name) if os.environ.get("CI") else pytest.importorskip(name)


def model_and_data(name, sequences, masked, shape=(None, None, 3), **options):
    x = inputs = keras.Input(batch_shape=shape)
    x = keras.layers.Masking()(x) if masked else x
    model = keras.Model(inputs, MAKE[name](return_sequences=sequences, **options)(x))
    data = []
    for batch, time in ((3, 7), (1, 2)):
        x = np.random.default_rng(0).normal(size=(batch or 1, time, 3)).astype("float32")
        x[0, time - 1 :] = 0
        x[batch - 1, :1] = 0
        data.append(x)
    return model, [x for x in data if shape[0] in (None, len(x)) and shape[1] in (None, x.shape[1])]


@pytest.mark.parametrize("name", MAKE)
def test_onnx(name, tmp_path):
    masked, sequences = VARIANTS[name]
    runtime = needed("onnxruntime")
    needed("tf2onnx")
    model, data = model_and_data(name, sequences, masked)
    model(data[0])
    model.export(tmp_path / "m.onnx", format="onnx", verbose=False)
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    for x in data:
        (got,) = session.run(None, {session.get_inputs()[0].name: x})
        np.testing.assert_allclose(got, model(x), atol=1e-4)


LITERT = [(name, *VARIANTS[name], (None, None, 3), {}) for name in MAKE]  # of any batch and time
LITERT += [(name, True, True, (3, 7, 3), {"unroll": True}) for name in ("LSTM", "GRU", "Bidirectional")]  # and of one


@pytest.mark.parametrize(("name", "masked", "sequences", "shape", "options"), LITERT)
def test_litert(name, masked, sequences, shape, options, tmp_path):
    runtime = needed("ai_edge_litert.interpreter")
    model, data = model_and_data(name, sequences, masked, shape, **options)
    model.export(tmp_path / "m.tflite", format="litert", verbose=False)
    for x in data:
        interpreter = runtime.Interpreter(str(tmp_path / "m.tflite"))
        (entry,) = interpreter.get_input_details()
        interpreter.resize_tensor_input(entry["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], x)
        interpreter.invoke()
        got = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_allclose(got, model(x), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_litert_of_the_numeric_signatures_of_an_export(kind, tmp_path):
    runtime = needed("ai_edge_litert.interpreter")
    model = kinds.make(kind)
    path = rnnzoo.export_saved_model(model, tmp_path / "export")
    serving = make_serving(model)
    converted = {}
    for signature, _, inputs in serving.probes():
        outputs = serving.functions[signature](*inputs.values())
        strings = [v for name, v in {**inputs, **outputs}.items() if v.dtype == tf.string and name != "label"]
        if strings:
            continue
        if signature not in converted:
            converter = tf.lite.TFLiteConverter.from_saved_model(str(path), signature_keys=[signature])
            converted[signature] = converter.convert()
        run = runtime.Interpreter(model_content=converted[signature]).get_signature_runner(signature)
        got = run(**{name: np.asarray(value) for name, value in inputs.items()})
        for name, expected in outputs.items():
            if expected.dtype == tf.string:
                assert got[name].tolist() == expected.numpy().tolist()
            else:
                assert np.isfinite(got[name]).all()
                np.testing.assert_allclose(got[name], expected, atol=1e-5)
    assert converted
