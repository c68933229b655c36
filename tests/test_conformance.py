"""Requirements on every registered model, found through the registry."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.config import options_class
from rnnzoo.spec import SPECIAL_TOKENS
from rnnzoo.training import Trainer, TrainingOptions, checkpoint
from tests.helpers import assert_close, fresh_python, often

SPECS = {
    "text": rnnzoo.TaskSpec(
        "tokens", "token", True, 9, 9, "cross_entropy", ("bits_per_char",), vocabulary=(*SPECIAL_TOKENS, *"abcdé\n")
    ),
    "features": rnnzoo.TaskSpec("features", "vector", False, 3, 2, "mse", ("mse",)),
    "class per step": rnnzoo.TaskSpec("features", "class", True, 3, 4, "cross_entropy", ("accuracy",)),
}
WRITERS = [n for n in rnnzoo.list_models() if "tied_embeddings" in options_class(rnnzoo.MODELS[n]).__annotations__]
TREES = [n for n in rnnzoo.list_models() if "composition" in options_class(rnnzoo.MODELS[n]).__annotations__]
MODELS = [n for n in rnnzoo.list_models() if n not in WRITERS + TREES]  # the others: tests/models, tests/compositions
CAUSAL = [name for name in MODELS if name != "bidirectional"]
ARRANGEMENTS = ("stacked", "deep-input", "deep-transition", "deep-output", "bidirectional")


def inputs_for(spec, batch=3, time=6, seed=0):
    rng = np.random.default_rng(seed)
    if spec.inputs == "tokens":
        return rng.integers(len(SPECIAL_TOKENS), spec.input_size, (batch, time)).astype("int32")
    return rng.normal(size=(batch, time, spec.input_size)).astype("float32")


def targets_for(spec, batch=3, time=6, seed=1):
    rng = np.random.default_rng(seed)
    shape = (batch, time) if spec.per_step else (batch,)
    if spec.outputs == "vector":
        return rng.normal(size=(*shape, spec.output_size)).astype("float32")
    return rng.integers(len(SPECIAL_TOKENS) if spec.vocabulary else 0, spec.output_size, shape).astype("int32")


def model_for(name, spec, **options):
    keras.utils.set_random_seed(1)
    return rnnzoo.create_model(name, spec, **{"units": 8, "embedding": 4} | options)


def specs_for(name):
    return {kind: spec for kind, spec in SPECS.items() if name in CAUSAL or not spec.predicts_next}


EVERY = [(name, kind) for name in MODELS for kind in specs_for(name)]


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_shape_finite_gradients_graph_mask_stream(name, kind):
    check_all(model_for(name, SPECS[kind], layers=2), SPECS[kind])


@pytest.mark.parametrize("cell", often("feedforward", "lstm", of=rnnzoo.list_cells()))
@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_every_wrapper_of_every_cell(name, cell):
    """All depths at once where the cell supports them, and its own options such as zoneout."""
    options = {"cell": cell, "layers": 2, "residual": True, "output_dropout": 0.1, "input_depth": 2, "output_depth": 2}
    if name == "deep-transition" and cell == "feedforward":
        with pytest.raises(rnnzoo.UserError, match="FeedforwardCell does not support a deep transition"):
            model_for(name, SPECS["features"], **options)
        return
    if name == "deep-transition":
        options["shortcut"] = True
    if cell.startswith("lstm"):
        options |= {"zoneout": 0.1, "projection": 4, "units": 8}
    if name == "bidirectional":
        options["merge_mode"] = "ave"
    check_all(model_for(name, SPECS["class per step"], **options), SPECS["class per step"], graph=False)


def check_all(model, spec, graph=True):
    """Shapes, gradients, masks; eager equals graph; for causal models streaming equals one pass."""
    x = inputs_for(spec)
    y = model(x)
    assert y.shape == ((3, 6) if spec.per_step else (3,)) + (spec.output_size,)
    assert np.isfinite(y).all()
    if graph:
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
    if not model.causal:
        with pytest.raises(rnnzoo.UserError, match="is bidirectional and cannot stream"):
            model.step(x[:, 0], state)
        return
    for t in range(6):
        output, state = model.step(x[:, t], state)
    assert_close(output, y[:, -1] if spec.per_step else y, 1e-5)


def noisy(name):
    """All random numbers of a model, which XLA samples by other operations."""
    options = {"output_dropout": 0.1, "dropout": 0.1}
    return options | ({"zoneout": 0.2, "projection": 4} if name.startswith("lstm") else {})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gru", "lstm", "elman", "indrnn", "bidirectional", "stacked", "deep-transition"])
def test_trains_under_xla(name):
    """As `train.py` does: the loss falls; without noise the gradients are those of the plain graph."""
    spec = SPECS["class per step"]
    x, y = inputs_for(spec), targets_for(spec)
    mask = tf.constant(np.arange(6) < np.array([[6], [2], [4]]))

    def gradients(model, training):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x, mask=mask, training=training))
            loss = tf.reduce_mean(losses)
        return loss, tape.gradient(loss, [v.value for v in model.trainable_variables])

    plain = model_for(name, spec, units=4)
    compiled = tf.function(lambda: gradients(plain, False), jit_compile=True)()
    assert_close(compiled, gradients(plain, False), 1e-5)
    model = model_for(name, spec, **noisy(name))
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=True)
    def step():
        loss, actual = gradients(model, True)
        optimizer.apply(actual, model.trainable_variables)
        return loss

    losses = [float(step()) for _ in range(60)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


@pytest.mark.parametrize("name", sorted(set(MODELS) - set(CAUSAL)))
def test_non_causal_models_are_not_language_models(name):
    with pytest.raises(rnnzoo.UserError, match="is bidirectional, so it cannot be a language model"):
        model_for(name, SPECS["text"])


@pytest.mark.parametrize("name", CAUSAL)
def test_no_output_depends_on_later_inputs(name):
    spec = SPECS["class per step"]
    model = model_for(name, spec, layers=2)
    x = inputs_for(spec)
    changed = np.concatenate([x[:, :3], x[:, 3:] + 1], 1)
    assert_close(model(changed)[:, :3], model(x)[:, :3], 1e-6)


@pytest.mark.parametrize("name", often("gru", of=MODELS))
def test_training_continues_from_a_checkpoint(name, tmp_path):
    """Restored in a new trainer after three of six steps, with all noise on: the same weights."""

    def trainer():
        options = {"output_dropout": 0.2, "dropout": 0.1}
        keras.utils.set_random_seed(5)
        task = rnnzoo.create_task("series", batch_size=4)
        model = rnnzoo.create_model(name, task.spec, units=6, layers=2, **options)
        return Trainer(model, task, TrainingOptions(steps=6, jit_compile=False))

    whole = trainer()
    for result in whole.run():
        if result.step == 3:
            checkpoint.save(tmp_path / "c.npz", whole.variables(), {"step": 3})
    again = trainer()
    again.model.set_weights([np.zeros(w.shape, "float32") for w in again.model.weights])
    again.restore(checkpoint.load(tmp_path / "c.npz")[0], 3)
    assert [result.step for result in again.run()] == [4, 5, 6]
    for ours, theirs in zip(again.model.weights, whole.model.weights, strict=True):
        assert_close(ours, theirs, 1e-6)  # not bit for bit: operations are deterministic only where that is asked for


@pytest.mark.parametrize("name", often("bidirectional", "jordan", of=MODELS))
def test_overfits_eight_examples(name):
    spec = SPECS["features"]
    model = model_for(name, spec)
    model.compile(keras.optimizers.Adam(0.02), "mse")
    x, y = inputs_for(spec, 8), np.tanh(targets_for(spec, 8, seed=2))
    before = model.evaluate(x, y, verbose=0)
    model.fit(tf.data.Dataset.from_tensors((x, y)).repeat(400), steps_per_epoch=400, verbose=0)
    assert model.evaluate(x, y, verbose=0) < 0.05 * before


LOAD = """
import sys, keras, numpy as np, rnnzoo
for path in sys.argv[1:]:
    data = np.load(path + ".npz")
    np.testing.assert_allclose(keras.models.load_model(path)(data["x"]), data["y"], atol=1e-6)
print("same")
"""


@pytest.mark.slow
def test_keras_files_of_all_models(tmp_path):
    paths = []
    for name in MODELS:
        for kind, spec in specs_for(name).items():
            if kind == "class per step" and name != "bidirectional":
                continue
            model = model_for(name, spec)
            path = str(tmp_path / f"{name}-{kind}.keras")
            model.save(path)
            np.savez(path + ".npz", x=inputs_for(spec), y=model(inputs_for(spec)))
            paths.append(path)
    assert fresh_python(LOAD, *paths).strip() == "same"


EXPORTED = [("deep-transition", "text"), ("bidirectional", "features"), ("jordan", "class per step")]
REST = [case for case in EVERY if "text" in case and case not in EXPORTED]  # other kinds: tests/test_convert.py


@pytest.mark.parametrize(("name", "kind"), EXPORTED + [pytest.param(*case, marks=pytest.mark.slow) for case in REST])
def test_export_gives_the_models_answers(name, kind, tmp_path):
    spec = SPECS[kind]
    model = model_for(name, spec)
    path = rnnzoo.export_saved_model(model, tmp_path / "export")
    signatures = tf.saved_model.load(str(path)).signatures
    x = inputs_for(spec, 2, 5)
    if spec.is_language_model:
        text = ["".join(spec.vocabulary[i] for i in row) for row in x]
        logits = model(np.concatenate([np.full((2, 1), 2, "int32"), x[:, :-1]], 1))
        expected = tf.reduce_sum(tf.gather(tf.nn.log_softmax(logits), x, batch_dims=2), 1)
        assert_close(signatures["serving_default"](text=tf.constant(text))["log_probability"], expected, 1e-4)
    else:
        assert_close(signatures["serving_default"](features=tf.constant(x))["predictions"], model(x), 1e-5)
    assert ("step" in signatures) == model.causal
    if not model.causal:
        return
    state = signatures["initial_state"](rows=tf.zeros([2], tf.int32))
    for t in range(5):
        output = signatures["step"](inputs=tf.constant(x[:, t]), **state)
        state = {key: value for key, value in output.items() if key != "outputs"}
    whole = model(x)
    assert_close(output["outputs"], whole[:, -1] if spec.per_step else whole, 1e-5)
