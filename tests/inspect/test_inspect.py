"""Inspection: gradients, gates, states and attention against independent computations; files and refusals."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo import inspect
from rnnzoo.engine.recorder import recording
from rnnzoo.inspect import InputSequences, TrainedModel, read_sequences, trace
from rnnzoo.inspect import __main__ as command
from rnnzoo.inspect.gradients import measure as gradients
from rnnzoo.inspect.plots import average_linkage
from rnnzoo.layers.wrapper import override_attributes
from rnnzoo.run import stages
from rnnzoo.run.cli import main
from tests.helpers import assert_close, normal, often, randomise

ADDING = {"seq_length": 20, "batch_size": 8, "eval_size": 32}


def adding(model="elman", **options):
    task = rnnzoo.create_task("adding", **ADDING)
    return TrainedModel(model, rnnzoo.create_model(model, task.spec, units=6, **options), task)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", ["elman", "lstm", "gru", "lstm-peephole", "jordan"])
def test_state_gradients_equal_those_of_the_remaining_sequence(name, masked, graph):
    """dL/ds_t equals the gradient of the initial state of the remaining sequence; recording has no effect."""
    layer = rnnzoo.layers.RNN(rnnzoo.CELLS[name](4), return_sequences=True)
    x, weights = tf.constant(normal(3, 7, 2)), tf.constant(normal(3, 7, 4, seed=1))
    layer(x)
    randomise(layer)
    mask = tf.constant(np.arange(7) < np.array([[7], [5], [6]])) if masked else None

    def watched():
        with tf.GradientTape() as tape, recording(tape) as seen:
            outputs = layer(x, mask=mask, training=True)
            loss = tf.reduce_sum(outputs * weights)
        return tape.gradient(loss, seen[0].state_perturbation), seen[0].step_values()[2], outputs

    actual, states, outputs = (tf.function(watched) if graph else watched)()
    assert_close(outputs, layer(x, mask=mask))
    t = 3
    start = [s[t] for s in states]
    with tf.GradientTape() as tape:
        tape.watch(start)
        rest = None if mask is None else mask[:, t + 1 :]
        loss = tf.reduce_sum(layer(x[:, t + 1 :], initial_state=start, mask=rest) * weights[:, t + 1 :])
        loss += tf.reduce_sum(start[0] * weights[:, t])
    for got, expected in zip(actual, tape.gradient(loss, start), strict=True):
        assert_close(got[t], expected)


def test_jacobians_equal_those_of_the_equations():
    """The Jacobian of an Elman network is diag(1 - h^2) U^T."""
    trained = adding()
    seen = trace(trained.model, read_sequences(trained), jacobians=20)[0]
    U = trained.model.core.recurrent_layers[0].cell.recurrent_kernel.numpy()
    h = seen.states[0][0]
    assert_close(seen.jacobians, (1 - h[:, :, None] ** 2) * U.T)
    actual = gradients(trained, read_sequences(trained))["after"]["layer 1"]
    assert actual["jacobian_norm"] <= np.linalg.norm(U, 2) + 1e-5 and actual["distance"] == list(range(20))


@pytest.mark.slow
def test_known_gradient_norms_are_described():
    """The gradient of a linear dampened network of one unit is lambda to the power of the distance."""
    task = rnnzoo.create_task("adding", **ADDING)
    for dampening, says in ((0.5, "vanishes: 2e-06"), (1.0, "is kept: 1 "), (2.0, "explodes: 5e+05")):
        model = rnnzoo.create_model("dampened", task.spec, units=1, activation="linear", dampening=dampening)
        actual = gradients(
            TrainedModel("dampened", model, task), read_sequences(TrainedModel("dampened", model, task))
        )["after"]["layer 1"]
        assert actual["summary"].startswith(says)
        assert_close(np.array(actual["norm"]) / actual["norm"][0], dampening ** np.arange(20.0))
        assert actual["spectral_radius"] == pytest.approx(dampening)


@pytest.mark.slow
def test_gradients_of_a_window_and_below_single_precision():
    """The gradient of a window is zero outside it; single precision ends at 1e-38."""
    trained = adding("feedforward", context=6)
    actual = gradients(trained, read_sequences(trained))["after"]["layer 1"]
    assert actual["norm"][0] == 0 < actual["norm_at_loss"] == max(actual["norm"])
    assert actual["summary"] == "vanishes: after 5 steps there is none"
    task = rnnzoo.create_task("adding", seq_length=300, batch_size=4, eval_size=4)
    model = rnnzoo.create_model("dampened", task.spec, units=1, activation="linear", dampening=0.5)
    trained = TrainedModel("dampened", model, task)
    says = gradients(trained, read_sequences(trained))["after"]["layer 1"]["summary"]
    assert says.endswith("smaller than single precision can hold")


@pytest.mark.slow
def test_encoder_gradients_are_relative_to_the_loss():
    task = rnnzoo.create_task("reverse", seq_length=8)
    trained = TrainedModel("s", rnnzoo.create_model("seq2seq", task.spec, units=8, attention="none"), task)
    actual = gradients(trained, read_sequences(trained))["after"]
    assert actual["encoder, layer 1"]["norm_at_loss"] == actual["decoder, layer 1"]["norm"][0]


@pytest.mark.slow
def test_loss_is_that_of_the_last_valid_step():
    """Distances are counted from the end of each sequence, in both directions."""
    task = rnnzoo.create_task("reber", batch_size=8, eval_size=32)
    model = rnnzoo.create_model("lstm", task.spec, units=5)
    trained = TrainedModel("reber", model, task)
    read = read_sequences(trained)
    actual = gradients(trained, read)["after"]["layer 1"]
    lengths = np.asarray(read.weights > 0).shape[1] - (np.asarray(read.weights)[:, ::-1] > 0).argmax(1)
    assert len(actual["norm"]) == lengths.max() and np.isfinite(actual["norm"]).all() and actual["norm"][0] > 0
    one = InputSequences(*(None if p is None else p[:1] for p in (read.inputs, read.mask, read.targets, read.weights)))
    row = gradients(trained, one)["after"]["layer 1"]
    last = lengths[0] - 1
    h, _ = trace(model, one)[0].states
    with tf.GradientTape() as tape:
        state = tf.constant(h[:, last])
        tape.watch(state)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(one.targets[:, last], model.head(state))
    assert row["norm"][0] == pytest.approx(float(tf.norm(tape.gradient(losses, state))), rel=1e-4)
    assert len(row["norm"]) == lengths[0]


def test_gates_equal_those_of_the_layer():
    trained = adding("lstm")
    actual = inspect.gates.measure(trained, read_sequences(trained))["layers"]["layer 1"]["gates"]
    assert set(actual) == {"input", "forget", "output"}
    layer, inputs = trained.model.core.recurrent_layers[0], read_sequences(trained).inputs
    expected = layer.gates(inputs)["forget"].numpy()
    assert actual["forget"]["mean"] == pytest.approx(100 * expected.mean(), rel=1e-4)
    units = [s["unit"] for s in actual["forget"]["selective"]]
    assert_close(np.array(actual["forget"]["values"]), np.round(100 * expected[0].T[units], 1), absolute=0.11)
    with pytest.raises(rnnzoo.UserError, match="gates do not apply"):
        inspect.gates.measure(adding("elman"), read_sequences(adding("elman")))


def test_states_and_their_clusters():
    task = rnnzoo.create_task("classify", seq_length=30, batch_size=16)
    trained = TrainedModel("classify", rnnzoo.create_model("bidirectional", task.spec, units=6, cell="elman"), task)
    read = read_sequences(trained, ["def f(x): return x", "while x: x -= 1"])
    actual = inspect.states.measure(trained, read)
    forward, backward = (actual["layers"][f"layer 1, {way}"] for way in ("forward", "backward"))
    x = trained.model.embedding(read.inputs)
    both = trained.model.core.recurrent_layers[0]
    with override_attributes(both.backward_layer, return_sequences=True):
        h = both.backward_layer(x, mask=read.mask).numpy()[0][np.asarray(read.mask)[0][::-1]][::-1]
    assert_close(np.array(backward["values"]), h.T[backward["shown"]], absolute=1e-3)
    assert len(forward["values"][0]) == len(actual["tokens"]) == len(read.tokens[0])
    assert "x" in forward["tree"]["symbols"] and len(forward["tree"]["joined"]) == len(forward["tree"]["symbols"]) - 1


def test_clustering_equals_scipy():
    points = np.array([[0.0], [10.0], [1.0], [12.0], [30.0]])
    assert average_linkage(points) == [(0, 2, 1.0), (1, 3, 2.0), (5, 6, 10.5), (4, 7, 24.25)]
    scipy = pytest.importorskip("scipy.cluster.hierarchy")
    points = normal(12, 3)
    assert_close(np.array([height for *_, height in average_linkage(points)]), scipy.linkage(points, "average")[:, 2])


def test_effective_context_equals_the_memory_of_the_task():
    """A network without memory has a context of one step; one that sums its inputs needs all steps."""
    task = rnnzoo.create_task("adding", **ADDING)
    model = rnnzoo.create_model("dampened", task.spec, units=4, dampening=0.0)
    actual = inspect.effective_context.measure(
        TrainedModel("none", model, task), read_sequences(TrainedModel("none", model, task))
    )
    assert actual["effective_context"] == 1 and np.ptp(actual["loss"]) < 1e-6 and actual["context"][-1] == 20
    model = rnnzoo.create_model("dampened", task.spec, units=2, dampening=1.0, activation="linear")
    cell = model.core.recurrent_layers[0].cell
    cell.kernel.assign(np.array([[1.0, 0.0], [0.0, 1.0]]))
    model.head.kernel.assign([[0.5], [0.0]])
    actual = inspect.effective_context.measure(
        TrainedModel("all", model, task), read_sequences(TrainedModel("all", model, task))
    )
    batches = list(task.evaluation("test"))
    x, y = np.concatenate([b.inputs for b in batches]), np.concatenate([b.targets for b in batches])
    for k, loss in zip(actual["context"], actual["loss"], strict=True):
        assert loss == pytest.approx(np.mean((0.5 * x[:, -k:, 0].sum(1, keepdims=True) - y) ** 2), rel=1e-3)


# a model of each kind; the others differ in their cells, which tests/test_conformance.py runs
INSPECTED = ("lstm-peephole", "bidirectional", "deep-transition", "seq2seq", "decoder", "recursive")


@pytest.mark.slow
@pytest.mark.parametrize("name", often("elman", of=INSPECTED))
def test_every_model_is_inspected_or_refused(name, tmp_path):
    """All reports that apply are written as JSON and figures; the others are mentioned."""
    options = {"units": 8, "cell": "lstm"} if name in ("bidirectional", "seq2seq", "decoder") else {"units": 8}
    if name == "recursive":
        task = rnnzoo.create_task("listops", train_size=100, eval_size=20)
        with pytest.raises(rnnzoo.UserError, match="reads trees"):
            TrainedModel(name, rnnzoo.create_model(name, task.spec, units=8), task)
        return
    task = rnnzoo.create_task("reverse", seq_length=8) if name == "seq2seq" else rnnzoo.create_task("adding", **ADDING)
    task = rnnzoo.create_task("waveform") if name == "decoder" else task
    trained = TrainedModel(name, rnnzoo.create_model(name, task.spec, **options), task)
    said = list(inspect.write_report([trained], tmp_path))
    for what in inspect.REPORTS:
        there = (tmp_path / f"{what}.json").exists()
        assert there != any(f"{what} do not apply" in line or f"{what} does not apply" in line for line in said), said
        assert (tmp_path / f"{what}.png").exists() == there
        if there:
            assert name in json.loads((tmp_path / f"{what}.json").read_text())
    assert (tmp_path / "gradients.json").exists() and (tmp_path / "states.json").exists()


@pytest.mark.slow
def test_the_command_on_two_runs(tmp_path, capsys, monkeypatch):
    """Runs with --inspect, then both in one figure; bad input is one line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stages, "export_saved_model", lambda model, path, **_: (path / "x").write_text(""))
    for name, more in (("elman", ["--inspect"]), ("gru", [])):
        flags = [f"--model={name}", "--task=adding", "--units=4", "--seq_length=12", "--eval_size=16", "--steps=2"]
        assert main(["train.py", *flags, f"--run_dir={name}", "--export_dir=e-" + name, *more]) == 0
    assert "inspect: elman: layer 1, after training: the gradient" in capsys.readouterr().out
    assert (tmp_path / "elman" / "inspect" / "gradients.png").stat().st_size > 5000
    assert command.main(["inspect", "elman", "gru", "--what=gradients,effective_context", "--out=both"]) == 0
    assert set(json.loads((tmp_path / "both/gradients.json").read_text())) == {"elman", "gru"}
    assert sorted(p.name for p in (tmp_path / "both").iterdir()) == [
        f"{what}.{kind}" for what in ("effective_context", "gradients") for kind in ("json", "png")
    ]
    assert command.main(["inspect", "--help"]) == 0 and "--text" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ([], "usage: python -m rnnzoo.inspect RUN_DIR"),
        (["none"], "none is not the folder of a run"),
        (["empty"], "empty is not the folder of a run"),
        (["elman", "--what=minds"], "--what=minds is unknown; choose from"),
        (["elman", "--what=gates"], "gates do not apply: the cells of elman have none"),
        (["elman", "--text=abc"], "--text: this model reads no text"),
        (["elman", "elman"], "two runs have the same name"),
        (["elman", "elman/../elman"], "two runs have the same name"),
    ):
        capsys.readouterr()
        assert command.main(["inspect", *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    (tmp_path / "gru" / "model.keras").unlink()
    assert command.main(["inspect", "gru"]) == 2 and "holds no model.keras" in capsys.readouterr().err


@pytest.mark.slow
def test_user_text_for_a_language_model(tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("the cat sat on the mat. " * 200, encoding="utf-8")
    task = rnnzoo.create_task("char_lm", data=str(book), seq_length=20, batch_size=4)
    trained = TrainedModel("lm", rnnzoo.create_model("gru", task.spec, units=8), task)
    read = read_sequences(trained, ["the cat"])
    assert read.tokens == (("<s>", *"the ca"),) and read.targets.shape == read.inputs.shape
    assert len(gradients(trained, read)["after"]["layer 1"]["norm"]) == 7
    assert inspect.gates.measure(trained, read)["tokens"] == list(read.tokens[0])
    actual = inspect.effective_context.measure(trained, read)
    assert np.shape(actual["by_position"]) == (len(actual["context"]), 7) and actual["tokens"] == list(read.tokens[0])
    inputs, targets = tf.constant(read.inputs[:, 2:6]), read.targets[0, 5]
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, trained.model(inputs)[0, -1])
    assert actual["by_position"][actual["context"].index(4)][5] == pytest.approx(float(loss), rel=1e-4)
    actual = inspect.effective_context.measure(trained, read_sequences(trained))
    assert max(actual["context"]) > 20, "windows that go on are put together"
    with pytest.raises(rnnzoo.UserError, match="the text is empty"):
        read_sequences(trained, [" "])


def test_attention_of_user_text(tmp_path):
    task = rnnzoo.create_task("reverse", seq_length=8)
    trained = TrainedModel("s", rnnzoo.create_model("seq2seq", task.spec, units=8, attention="dot"), task)
    actual = inspect.attention.measure(trained, read_sequences(trained, ["abc", "de"]))["sentences"]
    assert [s["source"] for s in actual] == [["a", "b", "c"], ["d", "e"]]
    for sentence in actual:
        assert np.array(sentence["weights"]).shape == (len(sentence["output"]) + 1, len(sentence["source"]))
        assert_close(np.array(sentence["weights"]).sum(1), np.ones(len(sentence["weights"])))
    read = read_sequences(trained, ["abc", "de"])
    written = [len(sentence["output"]) for sentence in actual]
    assert read.weights.sum(1).tolist() == [n + 1 for n in written]
    decoder = next(layer for layer in trace(trained.model, read) if layer.name.startswith("decoder"))
    assert decoder.valid.sum(1).tolist() == [n + 1 for n in written]
    list(inspect.write_report([trained], tmp_path, ["attention"], "abc\n\nde\n"))  # as --text has them, a line each
    assert json.loads((tmp_path / "attention.json").read_text())["s"]["sentences"] == actual


def test_untrained_model_has_the_initial_weights():
    keras.utils.set_random_seed(3)
    task = rnnzoo.create_task("adding", **ADDING)
    model = rnnzoo.create_model("gru", task.spec, units=4)
    before = [w.copy() for w in model.get_weights()]
    model.set_weights([w + 1 for w in before])
    for got, expected in zip(TrainedModel("m", model, task, seed=3).untrained().get_weights(), before, strict=True):
        assert np.array_equal(got, expected)
