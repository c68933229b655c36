"""The training loop, metrics, and checkpoints."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import rnnzoo
from rnnzoo.tasks import Batch
from rnnzoo.training import NotFiniteError, Session, Trainer, TrainingOptions, checkpoint, metrics, spans


def trainer_for(task, model="elman", steps=5, **options):
    keras.utils.set_random_seed(0)
    made = rnnzoo.create_model(model, task.spec, units=12, embedding=4, **options.pop("model_options", {}))
    return Trainer(made, task, TrainingOptions(steps=steps, **options))


def text_task(tmp_path, **options):
    path = tmp_path / "t.txt"
    path.write_text("abcabd" * 400)
    return rnnzoo.create_task("char_lm", data=str(path), **{"batch_size": 4, "seq_length": 8, **options})


@pytest.mark.parametrize("jit", [False, True], ids=["plain", "xla"])
def test_learns(jit, tmp_path):
    trainer = trainer_for(text_task(tmp_path), steps=150, learning_rate=0.02, jit_compile=jit)
    results = list(trainer.run())
    assert [r.step for r in results] == list(range(1, 151))
    assert results[-1].loss < 0.1 * results[0].loss  # "abcabd" is sure but for one bit in six characters
    actual = trainer.evaluate("test")
    assert actual["bits_per_char"] < 0.5 and actual["accuracy"] > 0.9


def test_states_are_carried_between_batches(tmp_path):
    task = text_task(tmp_path)
    trainer = trainer_for(task, "lstm")
    steps = trainer.run()
    next(steps)
    state = [s.numpy() for s in trainer.state]
    assert all(s.any() for s in state)
    second = task.batch(trainer.options.seed, 1)
    assert not second.restart.all()
    outputs, _ = trainer.model.run(second.inputs, state)
    loss = metrics.weighted_mean(metrics.losses(task.spec, outputs, second.targets), second.weights)
    assert next(steps).loss == pytest.approx(float(loss), rel=1e-5)


def test_evaluation_loss_is_the_mean_over_all_targets(tmp_path):
    task = text_task(tmp_path, batch_size=1, seq_length=1000)
    trainer = trainer_for(task)
    (batch,) = task.evaluation("validation")
    losses = metrics.losses(task.spec, trainer.model(batch.inputs), batch.targets).numpy()
    expected = losses[batch.weights > 0].mean()
    assert trainer.evaluate("validation")["loss"] == pytest.approx(expected, rel=1e-6)
    shorter = trainer_for(text_task(tmp_path, batch_size=1, seq_length=7))
    assert shorter.evaluate("validation")["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_training_is_reproducible(tmp_path):
    task, digests = text_task(tmp_path), []
    for _ in range(2):
        trainer = trainer_for(task, "lstm", model_options={"dropout": 0.2, "recurrent_dropout": 0.2, "layers": 2})
        list(trainer.run())
        digests.append(checkpoint.compute_digest(trainer.model.weights))
    assert digests[0] == digests[1]


def test_the_norm_of_an_update_is_clipped(tmp_path):
    trainer = trainer_for(text_task(tmp_path), optimizer="sgd", learning_rate=1.0, schedule="constant", clip_norm=0.01)
    before = [w.numpy() for w in trainer.model.trainable_variables]
    result = next(trainer.run())
    moved = np.sqrt(
        sum(((w.numpy() - b) ** 2).sum() for w, b in zip(trainer.model.trainable_variables, before, strict=True))
    )
    assert result.gradient_norm > 0.01
    assert moved == pytest.approx(0.01, rel=1e-3)


def test_cosine_schedule_ends_at_zero(tmp_path):
    trainer = trainer_for(text_task(tmp_path), steps=10, learning_rate=0.1)
    list(trainer.run())
    assert float(trainer.optimizer.learning_rate) == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_non_finite_loss(tmp_path, monkeypatch):
    trainer = trainer_for(text_task(tmp_path))
    kept = [np.asarray(w) for w in trainer.model.weights]
    recurrent = trainer.model.core.layers[0].cell.recurrent_kernel
    monkeypatch.setattr(
        trainer.task,
        "batch",
        lambda *_, b=trainer.task.batch: b(*_)._replace(weights=np.full((4, 8), np.inf, "float32")),
    )
    with pytest.raises(NotFiniteError, match=r"nan at step 1: the gradient of .* is not finite"):
        next(trainer.run())
    assert all((np.asarray(w) == k).all() for w, k in zip(trainer.model.weights, kept, strict=True))
    monkeypatch.undo()
    recurrent.assign(np.full(recurrent.shape, np.nan))
    with pytest.raises(NotFiniteError, match=r"nan at step 2: .*recurrent_kernel holds values that are not finite"):
        next(trainer.run())


def test_metrics_by_name():
    spec = rnnzoo.TaskSpec("tokens", "token", True, 4, 4, "cross_entropy", ("bits_per_char", "perplexity", "accuracy"))
    logits = np.log(np.array([[[0.5, 0.25, 0.125, 0.125], [0.1, 0.2, 0.3, 0.4]]], "float32"))
    batch = Batch(None, tf.constant([[0, 1]]), weights=tf.constant([[1.0, 0.0]]))
    totals = metrics.compute_totals(spec, tf.constant(logits), batch)
    actual = metrics.compute_metrics(spec, metrics.complete_totals(spec, totals, batch))
    assert actual["bits_per_char"] == pytest.approx(1) and actual["perplexity"] == pytest.approx(2)
    assert actual["accuracy"] == 1 and list(actual) == ["loss", "bits_per_char", "perplexity", "accuracy"]


def test_accuracy_of_whole_sequences():
    """A string is correct if at every step the most probable outputs are exactly the legal ones."""
    spec = rnnzoo.create_task("reber").spec
    logits = np.zeros([3, 2, 10], "float32")
    allowed_outputs = np.zeros([3, 2, 10], bool)
    allowed_outputs[:, 0, [3, 4]] = allowed_outputs[:, 1, 5] = True
    logits[allowed_outputs] = 1
    logits[1, 1, 6] = 2  # an illegal one is likelier
    logits[2, 1, 6] = 2  # but this step is padding
    weights = np.array([[1, 1], [1, 1], [1, 0]], "float32")
    batch = Batch(None, tf.fill([3, 2], 5), weights=tf.constant(weights), allowed_outputs=tf.constant(allowed_outputs))
    actual = metrics.compute_totals(spec, tf.constant(logits), batch)
    assert (float(actual["correct"]), float(actual["scored"])) == (2, 3)


def test_accuracy_weights_select_targets():
    spec = rnnzoo.create_task("copy").spec
    batch = Batch(None, tf.constant([[0, 1, 2]]), accuracy_weights=tf.constant([[0.0, 1.0, 1.0]]))
    logits = tf.one_hot([[5, 1, 3]], 10)
    actual = metrics.compute_totals(spec, logits, batch)
    assert [float(actual[name]) for name in ("count", "correct", "scored")] == [3, 1, 2]
    assert actual["loss"] > 0


def evaluated(spec, pairs):
    """The metrics over batches of `(outputs, targets, weights)`."""
    totals = {}
    for outputs, targets, weights in pairs:
        batch = Batch(None, np.array(targets), weights=None if weights is None else np.array(weights, "float32"))
        actual = metrics.compute_totals(spec, tf.constant(np.array(outputs, "float32")), batch)
        for name, value in metrics.complete_totals(spec, actual, batch).items():
            totals[name] = totals.get(name, 0) + value
    return metrics.compute_metrics(spec, totals)


def test_macro_f1_is_the_mean_over_classes():
    spec = rnnzoo.TaskSpec("features", "class", False, 1, 4, "cross_entropy", ("loss", "accuracy", "macro_f1"))
    guesses, targets = [0, 0, 1, 1, 2, 0], [0, 1, 1, 1, 0, 2]
    outputs = np.eye(4)[guesses] * 5
    actual = evaluated(spec, [(outputs[:3], targets[:3], None), (outputs[3:], targets[3:], [1, 1, 0])])
    # without the last one: class 0 has 1 of 2 guessed, 1 of 2 there; class 1 2 of 2, 2 of 3; class 2 0 of 1, 0 of 0
    assert actual["macro_f1"] == pytest.approx(np.mean([2 * 1 / (2 + 2), 2 * 2 / (2 + 3), 0]))
    assert actual["accuracy"] == pytest.approx(3 / 5)


def test_errors_of_vectors_and_bits():
    spec = rnnzoo.TaskSpec("features", "vector", False, 1, 2, "mse", ("mse", "mae"))
    actual = evaluated(spec, [([[1, 2], [0, 0]], np.array([[0, 0], [5, 5]], "float32"), [1, 0])])
    assert (actual["mse"], actual["mae"]) == (2.5, 1.5)
    spec = rnnzoo.TaskSpec("features", "vector", True, 3, 3, "binary_cross_entropy", ("nll",))
    actual = evaluated(spec, [(np.zeros((2, 4, 3)), np.ones((2, 4, 3), "float32"), np.ones((2, 4)))])
    assert actual["nll"] == pytest.approx(3 * np.log(2))


def conlleval(tags):
    """Chunks by the rules of the script of CoNLL-2000, written out."""
    chunks, begun = [], None
    previous, previous_type = "O", ""
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        ends = (previous, prefix) in {("B", "B"), ("B", "O"), ("I", "B"), ("I", "O")}
        ends = ends or (previous != "O" and previous_type != kind)
        starts = prefix == "B" or (previous, prefix) == ("O", "I") or (prefix != "O" and previous_type != kind)
        if begun is not None and ends:
            chunks.append((begun, i - 1, previous_type))
            begun = None
        if starts:
            begun = i
        previous, previous_type = prefix, kind
    return chunks


TAGS = ("O", "B-X", "I-X", "B-Y", "I-Y")


@given(st.lists(st.sampled_from(TAGS), max_size=12))
def test_spans_equal_conlleval(tags):
    assert list(spans.find_spans(tags)) == conlleval(tags)


def test_spans_of_other_schemes():
    tags = ["S-X", "B-Y", "I-Y", "E-Y", "O", "E-X", "S-X"]
    assert list(spans.find_spans(tags)) == [(0, 0, "X"), (1, 3, "Y"), (5, 5, "X"), (6, 6, "X")]


def test_f1_over_spans():
    spec = rnnzoo.TaskSpec("tokens", "class", True, 5, 5, "cross_entropy", ("loss", "accuracy", "f1"), labels=TAGS)
    true = [[1, 2, 0, 3, 0], [3, 4, 0, 0, 0]]
    said = [[1, 2, 0, 4, 3], [3, 3, 0, 1, 1]]
    weights = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    # true: X(0-1), Y(3), Y(0-1); said: X(0-1), Y(3), Y(4) and Y(0), Y(1); two of five said are among the three true
    actual = evaluated(spec, [(np.eye(5)[said], true, weights)])
    assert actual["f1"] == pytest.approx(2 * 2 / (5 + 3))
    assert actual["accuracy"] == pytest.approx(5 / 8)
    assert evaluated(spec, [(np.eye(5)[[[0]]], [[0]], [[1]])])["f1"] == 0


def test_checkpoint_round_trip_and_damage(tmp_path):
    path = tmp_path / "c.npz"
    groups = {"model": [np.arange(6.0).reshape(2, 3), np.array(2, "int64")], "state": [np.zeros((0, 3), "float32")]}
    checkpoint.save(path, groups, {"step": 3})
    got, meta = checkpoint.load(path)
    assert meta == {"step": 3} and list(got) == ["model", "state"]
    assert all((a == b).all() and a.dtype == b.dtype for n in groups for a, b in zip(got[n], groups[n], strict=True))
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"not a checkpoint", whole[:200] + bytes(40) + whole[240:]):
        path.write_bytes(damaged)
        with pytest.raises(rnnzoo.UserError, match="not a complete checkpoint"):
            checkpoint.load(path)
    with pytest.raises(rnnzoo.UserError, match="no checkpoint"):
        checkpoint.load(tmp_path / "none.npz")


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "c.npz"
    checkpoint.save(path, {"model": [np.ones(3)]}, {"step": 1})

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, {"model": [np.zeros(3)]}, {"step": 2})
    monkeypatch.undo()
    assert checkpoint.load(path)[1] == {"step": 1}


def test_weights_of_another_model_are_refused():
    with pytest.raises(rnnzoo.UserError, match="another model"):
        checkpoint.assign([keras.Variable(np.ones(3))], [np.ones(4)])


def test_digest_sees_values_types_and_shapes():
    arrays = [np.ones(4, "float32"), np.zeros(4, "float32"), np.ones((2, 2), "float32"), np.ones(4, "float64")]
    assert len({checkpoint.compute_digest([a]) for a in arrays}) == 4


def watch(task, folder, model="elman", **options):
    """Returns the trainer, the entries of the log, and the warnings."""
    said = []
    trainer = trainer_for(task, model, **options)
    session = Session(trainer, folder, warn=said.append)
    return trainer, [event for event in session.run() if isinstance(event, dict)], said


def test_the_log_has_the_norm_of_the_gradient_of_each_layer(tmp_path):
    task = rnnzoo.create_task("adding", seq_length=10, batch_size=4, eval_size=8)
    trainer, log, said = watch(task, tmp_path, steps=3, eval_every=1)
    assert not said and len(log) == 3
    for entry in log:
        norms = entry["gradient_norms"]
        assert len(norms) == 2 and any("head" in layer for layer in norms)
        assert math.hypot(*norms.values()) == pytest.approx(entry["gradient_norm"], rel=1e-5)
    assert trainer.layer_norms() == log[-1]["gradient_norms"]


def test_warns_once_of_exploding_and_vanishing_gradients(tmp_path):
    task = rnnzoo.create_task("adding", seq_length=30, batch_size=4, eval_size=8)
    trainer = trainer_for(task, "dampened", steps=4, learning_rate=0.0)
    trainer.model.core.recurrent_layers[0].cell.dampening = 1.5
    trainer.model.core.recurrent_layers[0].cell.activation = keras.activations.relu
    said = []
    list(Session(trainer, tmp_path, warn=said.append).run())
    assert len(said) == 1 and said[0].startswith("warning: the gradient explodes: its norm, before clipping, is")
    trainer = trainer_for(task, steps=4, learning_rate=0.0)
    trainer.model.head.kernel.assign(1e-9 * trainer.model.head.kernel)
    said.clear()
    (tmp_path / "other").mkdir()
    list(Session(trainer, tmp_path / "other", warn=said.append).run())
    assert len(said) == 1 and "the gradient vanishes" in said[0] and "in core" in said[0].replace("stack", "core")
