"""What every registered model must do; a new one is found here by the registry."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.spec import SPECIAL
from tests.helpers import assert_close, fresh_python

SPECS = {
    "text": rnnzoo.TaskSpec(
        "tokens", "token", True, 9, 9, "cross_entropy", ("bits_per_char",), vocabulary=(*SPECIAL, *"abcdé\n")
    ),
    "features": rnnzoo.TaskSpec("features", "vector", False, 3, 2, "mse", ("mse",)),
    "class per step": rnnzoo.TaskSpec("features", "class", True, 3, 4, "cross_entropy", ("accuracy",)),
}
MODELS = rnnzoo.list_models()


def inputs_for(spec, batch=3, time=6, seed=0):
    rng = np.random.default_rng(seed)
    if spec.inputs == "tokens":
        return rng.integers(len(SPECIAL), spec.input_size, (batch, time)).astype("int32")
    return rng.normal(size=(batch, time, spec.input_size)).astype("float32")


def targets_for(spec, batch=3, time=6, seed=1):
    rng = np.random.default_rng(seed)
    shape = (batch, time) if spec.per_step else (batch,)
    if spec.outputs == "vector":
        return rng.normal(size=(*shape, spec.output_size)).astype("float32")
    return rng.integers(len(SPECIAL) if spec.vocabulary else 0, spec.output_size, shape).astype("int32")


def model_for(name, spec, **options):
    keras.utils.set_random_seed(1)
    return rnnzoo.create_model(name, spec, units=8, embedding=4, **options)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("name", MODELS)
def test_shape_finite_gradients_graph_mask_stream(name, spec):
    model = model_for(name, spec, layers=2)
    x = inputs_for(spec)
    y = model(x)
    assert y.shape == ((3, 6) if spec.per_step else (3,)) + (spec.output_size,)
    assert np.isfinite(y).all()
    assert_close(tf.function(model)(x), y, 1e-6)

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(x, training=True) ** 2)
    for variable, g in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        assert g is not None, variable.path
        g = tf.convert_to_tensor(g).numpy()
        assert np.isfinite(g).all() and g.any(), variable.path

    mask = tf.constant(np.arange(6) < np.array([[6], [2], [4]]))
    padded = model(x, mask=mask)
    for row, length in ((1, 2), (2, 4)):
        short = model(x[row : row + 1, :length])
        assert_close(padded[row : row + 1, :length] if spec.per_step else padded[row : row + 1], short, 1e-5)

    state = model.initial_state(3)
    for t in range(6):
        output, state = model.step(x[:, t], state)
    assert_close(output, y[:, -1] if spec.per_step else y, 1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_overfits_eight_examples(name):
    spec = SPECS["features"]
    model = model_for(name, spec)
    model.compile(keras.optimizers.Adam(0.02), "mse")
    x, y = inputs_for(spec, 8), np.tanh(targets_for(spec, 8))
    before = model.evaluate(x, y, verbose=0)
    model.fit(tf.data.Dataset.from_tensors((x, y)).repeat(300), steps_per_epoch=300, verbose=0)
    assert model.evaluate(x, y, verbose=0) < 0.05 * before


LOAD = """
import sys, keras, numpy as np, rnnzoo
for path in sys.argv[1:]:
    data = np.load(path + ".npz")
    np.testing.assert_allclose(keras.models.load_model(path)(data["x"]), data["y"], atol=1e-6)
print("same")
"""


def test_keras_files_of_all_models(tmp_path):
    paths = []
    for name in MODELS:
        for kind, spec in SPECS.items():
            model = model_for(name, spec)
            path = str(tmp_path / f"{name}-{kind}.keras")
            model.save(path)
            np.savez(path + ".npz", x=inputs_for(spec), y=model(inputs_for(spec)))
            paths.append(path)
    assert fresh_python(LOAD, *paths).strip() == "same"


EXPORTED = [(name, "text") for name in MODELS] + [("lstm", "features"), ("jordan", "class per step")]
REST = [(name, kind) for name in MODELS for kind in SPECS if (name, kind) not in EXPORTED]


@pytest.mark.parametrize(("name", "kind"), EXPORTED + [pytest.param(*case, marks=pytest.mark.slow) for case in REST])
def test_export_answers_like_the_model(name, kind, tmp_path):
    """Writing compares the export with the model in a fresh process; here it is compared by another way."""
    spec = SPECS[kind]
    model = model_for(name, spec)
    path = rnnzoo.export_saved_model(model, tmp_path / "export")
    signatures = tf.saved_model.load(str(path)).signatures
    x = inputs_for(spec, 2, 5)
    if spec.language_model:
        text = ["".join(spec.vocabulary[i] for i in row) for row in x]
        logits = model(np.concatenate([np.full((2, 1), 2, "int32"), x[:, :-1]], 1))
        wanted = tf.reduce_sum(tf.gather(tf.nn.log_softmax(logits), x, batch_dims=2), 1)
        assert_close(signatures["serving_default"](text=tf.constant(text))["log_probability"], wanted, 1e-4)
    else:
        assert_close(signatures["serving_default"](features=tf.constant(x))["predictions"], model(x), 1e-5)
    state = signatures["initial_state"](batch_size=tf.constant(2))
    for t in range(5):
        output = signatures["step"](inputs=tf.constant(x[:, t]), **state)
        state = {key: value for key, value in output.items() if key != "outputs"}
    whole = model(x)
    assert_close(output["outputs"], whole[:, -1] if spec.per_step else whole, 1e-5)
