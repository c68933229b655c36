"""Selection of the best weights by a metric, also in resumed runs of earlier versions."""

import json
import math

import numpy as np
import pytest

import rnnzoo
from rnnzoo.run import cli
from rnnzoo.training import Trainer, TrainingOptions, checkpoint
from rnnzoo.training.best_weights import BestWeights
from rnnzoo.training.metrics import score
from rnnzoo.training.progress import Progress
from rnnzoo.training.session import Session


@pytest.fixture
def trainer():
    task = rnnzoo.create_task("series", batch_size=50)
    return Trainer(rnnzoo.create_model("elman", task.spec, units=3), task, TrainingOptions(steps=4))


def test_higher_accuracy_is_better_and_the_loss_decides_between_equal_ones(trainer, tmp_path):
    best, progress = BestWeights(trainer, tmp_path / "best.npz", print), Progress()
    assert best.metric == "accuracy"
    evaluations = [(0.5, 1.0), (0.4, 0.1), (0.5, 0.9), (0.5, 0.9), (0.6, 2.0), (0.6, 2.1)]
    improved = [best.update(i, {"accuracy": a, "loss": loss}, progress) for i, (a, loss) in enumerate(evaluations)]
    assert improved == [True, False, True, False, True, False]
    assert (progress.stale, best.restore()) == (1, 4)
    assert checkpoint.load(tmp_path / "best.npz")[1] == {
        "step": 4, "metric": "accuracy", "best": -0.6, "best_loss": 2.0,
    }  # fmt: skip


def test_a_metric_that_is_not_a_number_is_never_the_best(trainer, tmp_path):
    best, progress = BestWeights(trainer, tmp_path / "best.npz", print), Progress()
    values = [math.nan, 0.5, math.nan, 0.4, 0.5]
    assert [best.update(i, {"accuracy": v, "loss": 1.0}, progress) for i, v in enumerate(values)] == [
        False, True, False, False, False,
    ]  # fmt: skip


def test_a_resumed_run_improves_at_the_step_whose_weights_it_found(trainer, tmp_path):
    path, metrics = tmp_path / "best.npz", {"accuracy": 0.5, "loss": 1.0}
    BestWeights(trainer, path, print).update(7, metrics, Progress())
    best, progress = BestWeights(trainer, path, print), Progress()
    best.resume(progress)
    assert best.update(7, metrics, progress) and not best.update(8, metrics, progress)


def test_metrics_have_a_direction():
    assert score("f1", 0.3) < score("f1", 0.2) and score("mse", 0.3) > score("mse", 0.2)


@pytest.mark.parametrize("stored", [{}, {"metric": "loss", "best_loss": 3.0}])
def test_weights_that_another_metric_selected_are_evaluated_again(trainer, tmp_path, stored):
    """As of versions that selected by the loss and did not record the metric."""
    path = tmp_path / "best.npz"
    kept = [w.numpy() for w in trainer.model.weights]
    checkpoint.save(path, {"model": [w + 1 for w in kept]}, {"step": 3, "best": 3.0, **stored})
    best, progress = BestWeights(trainer, path, print), Progress(best=3.0, stale=2)
    best.resume(progress)
    for weight, value in zip(trainer.model.weights, kept, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    best.restore()
    metrics = trainer.evaluate("validation")
    assert (progress.best, progress.best_loss, progress.stale) == (-metrics["accuracy"], metrics["loss"], 2)
    assert checkpoint.load(path)[1]["metric"] == "accuracy"


def test_a_better_weight_file_of_a_later_step_is_kept(trainer, tmp_path):
    meta = {"step": 9, "metric": "accuracy", "best": -0.9, "best_loss": 0.2}
    checkpoint.save(tmp_path / "best.npz", {"model": trainer.model.weights}, meta)
    progress = Progress(best=-0.5, best_loss=0.1)
    BestWeights(trainer, tmp_path / "best.npz", print).resume(progress)
    assert (progress.best, progress.best_loss) == (-0.9, 0.2)


def test_small_data_are_evaluated_after_one_two_four_passes(trainer, tmp_path):
    trainer.options = TrainingOptions(steps=600)
    session = Session(trainer, tmp_path)
    epoch = trainer.task.steps_per_epoch()
    due = [step for step in range(1, 601) if session._is_evaluation_due(step)]
    early = [epoch * 2**k for k in range(10) if epoch * 2**k < 60]
    assert due == sorted({*early, *range(60, 601, 60)})
    trainer.options = TrainingOptions(steps=600, eval_every=200)
    assert [step for step in range(1, 601) if session._is_evaluation_due(step)] == [200, 400, 600]


@pytest.mark.slow
def test_result_and_log_say_what_was_selected(tmp_path, capsys):
    folders = [f"--run_dir={tmp_path / 'run'}", f"--export_dir={tmp_path / 'export'}"]
    flags = ["--task=series", "--units=3", "--steps=20", "--eval_every=5", "--select_by=loss"]
    assert cli.main(["train.py", *flags, *folders]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    losses = [entry["validation"]["loss"] for entry in log]
    best = min(range(len(log)), key=lambda i: losses[i])
    assert (result["selected_by"], result["best_step"]) == ("loss", log[best]["step"])
    minimum = math.inf
    for entry, loss in zip(log, losses, strict=True):
        assert entry["best"] == (loss < minimum)
        minimum = min(minimum, loss)
    out = capsys.readouterr().out
    assert f"best      step {result['best_step']}, by validation loss {losses[best]:.4f}" in out
    assert f"validation loss {losses[0]:.4f}  accuracy" in out
