"""Killed runs continue exactly."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.run import cli, stages
from rnnzoo.training import Trainer, TrainingOptions, checkpoint, metrics
from tests.helpers import stand_in

ROOT = Path(rnnzoo.__file__).parent.parent
STEPS = 240
COMMAND = [
    *("--model=lstm", "--units=12", "--embedding=4", "--layers=2", "--dropout=0.2", "--recurrent_dropout=0.1"),
    *("--data=book.txt", "--batch_size=3", "--seq_length=9", "--deterministic", f"--steps={STEPS}"),
    *("--eval_every=37", "--checkpoint_every=5", "--run_dir=run", "--export_dir=export"),
]
WORDS = [*"abcdefgh", "the", "fox", "Ελλάς", "道", "🙂", "jumps", "over", "lazy", "dog"]


def book(folder):
    rng = random.Random(0)
    folder.mkdir(exist_ok=True)
    (folder / "book.txt").write_text(" ".join(rng.choices(WORDS, k=500)), encoding="utf-8")
    return folder


WITH_EXPORT = """
import sys
from rnnzoo.run import stages
from rnnzoo.run.cli import main
stages.sample_outputs = lambda *_: "\\u03bb \\U0001f642"
sys.exit(main())
"""
MAIN = (  # without the seconds that an export takes
    """
from rnnzoo.run import stages
from tests.helpers import stand_in
stages.export_saved_model = stand_in
"""
    + WITH_EXPORT
)


def start(folder, *arguments, code=MAIN):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}  # a terminal that knows ASCII only
    command = [sys.executable, "-c", code, *COMMAND, *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process, status=0):
    out, err = process.communicate(timeout=300)
    assert process.returncode == status, err[-2000:]
    return out, err


def reached(folder):
    return max((int(p.stem.rpartition("-")[2]) for p in folder.glob("run/checkpoints/step-*.npz")), default=-1)


def stop_at(process, folder, step, number=signal.SIGKILL):
    """Sends a signal once a checkpoint of that step or a later one exists."""
    while reached(folder) < step:
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    process.send_signal(number)
    process.wait(60)


def figures(folder):
    """Returns what must be equal: weights, metrics and the log without its times."""
    result = json.loads((folder / "run/result.json").read_text())
    log = [json.loads(line) for line in (folder / "run/log.jsonl").read_text().splitlines()]
    kept = [{key: value for key, value in entry.items() if key != "seconds"} for entry in log]
    best = checkpoint.load(folder / "run/checkpoints/best.npz")[1]
    return result["weights_sha256"], result["metrics"], kept, best


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run."""
    folder = book(tmp_path_factory.mktemp("whole"))
    out, _ = finish(start(folder))
    assert "\\u03bb \\U0001f642" in out
    actual = figures(folder)
    assert [entry["step"] for entry in actual[2]] == [37, 74, 111, 148, 185, 222, STEPS]
    return actual


@pytest.mark.slow
def test_kill_and_resume(whole, tmp_path):
    folder = book(tmp_path)
    process = start(folder)
    for step in (62, 197):
        stop_at(process, folder, step)
        assert process.returncode == -signal.SIGKILL and reached(folder) < STEPS
        process = start(folder, "--resume")
    finish(process)
    assert figures(folder) == whole


DIE_WRITING = (
    """
import os, signal, sys
import numpy as np
from rnnzoo.training import checkpoint
whole, count = np.savez, [0]
def half(file, **arrays):
    count[0] += 1
    if count[0] == int(os.environ["DIE_AT"]):
        import io
        memory = io.BytesIO()
        whole(memory, **arrays)
        file.write(memory.getvalue()[: len(memory.getvalue()) // 2])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    whole(file, **arrays)
np.savez = half
"""
    + MAIN
)


@pytest.mark.parametrize("count", [pytest.param(c, marks=pytest.mark.slow) for c in (1, 30)])
def test_killed_while_writing_a_checkpoint(count, whole, tmp_path, monkeypatch):
    folder = book(tmp_path)
    monkeypatch.setenv("DIE_AT", str(count))
    process = start(folder, code=DIE_WRITING)
    process.wait(120)
    assert process.returncode == -signal.SIGKILL
    assert list(folder.glob("run/checkpoints/*.part"))
    finish(start(folder, "--resume"))
    assert figures(folder) == whole


@pytest.mark.slow
def test_interrupted_and_a_damaged_checkpoint(whole, tmp_path):
    """Ctrl-C and SIGTERM write a checkpoint; if the newest is damaged the one before serves; steps may grow."""
    folder = book(tmp_path)
    process = start(folder, "--steps=100000")
    stop_at(process, folder, 10, signal.SIGINT)
    err = finish(process, 130)[1]
    assert "a checkpoint was written: continue with --resume" in err
    process = start(folder, "--steps=100000", "--resume")
    stop_at(process, folder, reached(folder) + 10, signal.SIGTERM)
    finish(process, 143)
    newest = max(folder.glob("run/checkpoints/step-*.npz"))
    newest.write_bytes(newest.read_bytes()[:-100])
    out, _ = finish(start(folder, "--resume", f"--steps={reached(folder) + 20}"))
    assert f"warning: {newest.relative_to(folder)} is not a complete checkpoint" in out
    log = [json.loads(line)["step"] for line in (folder / "run/log.jsonl").read_text().splitlines()]
    assert log == sorted(set(log))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a book, in which the export of runs is replaced."""
    monkeypatch.setattr(stages, "export_saved_model", stand_in)
    monkeypatch.setattr(stages, "sample_outputs", lambda *_: "")
    monkeypatch.chdir(book(tmp_path))
    return tmp_path


def train(*arguments):
    quick = [flag for flag in COMMAND if flag not in ("--deterministic", "--layers=2") and "steps" not in flag]
    return cli.main(["train.py", *quick, "--nojit_compile", *arguments])


@pytest.mark.slow
def test_options_that_may_change_on_resume(here, capsys):
    assert train("--resume", "--steps=10") == 2
    assert "--resume: there is no run in run" in capsys.readouterr().err
    (here / "run").mkdir()
    assert train("--resume", "--steps=10") == 0  # no checkpoint: from the beginning
    result = json.loads((here / "run/result.json").read_text())
    assert (
        train("--resume", "--steps=12", "--early_stopping_patience=5") == 0
    )  # more steps: goes on, exports to the same place
    assert json.loads((here / "run/result.json").read_text())["steps"] == 12
    assert result["export_dir"] == "export"
    capsys.readouterr()
    assert train("--resume", "--steps=11") == 2
    assert "--steps must be at least 12, the step of the checkpoint, got 11" in capsys.readouterr().err
    for flags, message in (
        (["--units=13"], "units was 12 in run and is 13 now"),
        (["--learning_rate=0.5"], "learning_rate was 0.01 in run and is 0.5 now"),
        (["--model=elman"], "model was lstm in run and is elman now"),
        (["--data=other.txt"], "data was book.txt in run and is other.txt now"),
        (["--seed=4"], "seed was 0 in run and is 4 now"),
    ):
        capsys.readouterr()
        assert train("--resume", "--steps=12", *flags) == 2
        assert message in capsys.readouterr().err
    (here / "run/config.json").write_text("{")
    assert train("--resume", "--steps=12") == 2
    assert "config.json is not the configuration of a run" in capsys.readouterr().err


def test_other_and_damaged_checkpoints(here, capsys):
    assert train("--steps=10") == 0
    for path in here.glob("run/checkpoints/step-*.npz"):
        groups, meta = checkpoint.load(path)
        groups["model"][0] = np.zeros([2, 2], "float32")
        checkpoint.save(path, groups, meta)
    capsys.readouterr()
    assert train("--steps=12", "--resume") == 2
    assert "the checkpoint is of another model" in capsys.readouterr().err
    for path in here.glob("run/checkpoints/step-*.npz"):
        path.write_bytes(b"")
    assert train("--steps=12", "--resume") == 2
    assert "no checkpoint in run/checkpoints is complete" in capsys.readouterr().err


@pytest.mark.slow
def test_resume_finds_the_newest_default_run(here, capsys):
    names = [flag for flag in COMMAND if "_dir" not in flag and "steps" not in flag]
    flags = ["train.py", *names, "--nojit_compile"]
    assert cli.main([*flags, "--resume", "--steps=3"]) == 2
    assert "--resume: there is no run runs/lstm-char_lm" in capsys.readouterr().err
    assert cli.main([*flags, "--steps=3"]) == 0
    assert cli.main([*flags, "--steps=4"]) == 0
    assert cli.main([*flags, "--steps=6", "--resume"]) == 0
    assert json.loads((here / "runs/lstm-char_lm-2/result.json").read_text())["steps"] == 6
    assert sorted(p.name for p in (here / "saved_models").iterdir()) == ["lstm-char_lm", "lstm-char_lm-2"]


def test_a_full_disk_leaves_the_last_checkpoint(here, capsys, monkeypatch):
    assert train("--steps=10") == 0
    before = reached(here)

    def full(*_, **__):
        raise OSError(28, "No space left on device", "run/checkpoints/step.npz")

    monkeypatch.setattr(np, "savez", full)
    capsys.readouterr()
    assert train("--steps=20", "--resume") == 1
    err = capsys.readouterr().err
    assert "step.npz: No space left on device" in err and err.count("\n") == 1
    monkeypatch.undo()
    assert reached(here) == before
    assert checkpoint.load(max(here.glob("run/checkpoints/step-*.npz")))[1]["step"] == 10


@pytest.mark.slow
def test_early_stopping_and_epochs(here, capsys):
    assert train("--steps=1000", "--learning_rate=0", "--eval_every=2", "--early_stopping_patience=3") == 0
    assert "stopping early at step 8" in capsys.readouterr().out
    assert train("--epochs=2", "--run_dir=other", "--export_dir=other_export") == 0
    task = rnnzoo.create_task("char_lm", data="book.txt", batch_size=3, seq_length=9)
    assert json.loads((here / "other/result.json").read_text())["steps"] == 2 * task.steps_per_epoch()
    assert train("--task=adding", "--epochs=2", "--data=book.txt") == 2


def test_no_gradient_crosses_from_batch_to_batch(here):
    """The gradient of the second update treats the carried state as a constant."""
    task = rnnzoo.create_task("char_lm", data="book.txt", batch_size=3, seq_length=9)
    model = rnnzoo.create_model("lstm", task.spec, units=4)
    plain = {"optimizer": "sgd", "schedule": "constant", "learning_rate": 1.0, "clip_norm": 0.0, "jit_compile": False}
    trainer = Trainer(model, task, TrainingOptions(steps=2, **plain))
    steps = trainer.run()
    next(steps)
    variables, (first, second) = model.trainable_variables, [task.batch(0, step) for step in (0, 1)]
    before, state = [v.numpy() for v in variables], [s.numpy() for s in trainer.state]

    def gradient(start):
        with tf.GradientTape() as tape:
            outputs, _ = model.run(second.inputs, start())
            loss = metrics.weighted_mean(metrics.losses(task.spec, outputs, second.targets), second.weights)
        return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, [v.value for v in variables])]

    cut, through = gradient(lambda: state), gradient(lambda: model.run(first.inputs, None)[1])
    assert not second.restart.all()
    next(steps)
    for variable, was, g in zip(variables, before, cut, strict=True):
        np.testing.assert_allclose(variable.numpy(), was - g, atol=1e-6)
    assert max(abs(a - b).max() for a, b in zip(cut, through, strict=True)) > 1e-4


def test_stopped_after_the_last_step(here, capsys, monkeypatch):
    monkeypatch.setattr(stages, "draw_loss_curve", lambda folder: os.kill(os.getpid(), signal.SIGTERM))
    assert train("--steps=5") == 143
    assert "stopped before the export" in capsys.readouterr().err and not (here / "export").exists()
