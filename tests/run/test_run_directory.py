"""Run directories: locks, ownership of exports, changed data, repair of damaged files."""

import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import rnnzoo
from rnnzoo.export.folders import remove_leftovers
from rnnzoo.run import file_loggers, stages
from rnnzoo.run.cli import main
from rnnzoo.training import checkpoint
from rnnzoo.utils.locks import LOCK, OWNER, FolderLock, is_empty, is_locked
from tests.helpers import often
from tests.run.test_resume import COMMAND, MAIN, WITH_EXPORT, book, figures, finish, here, stand_in, start, train, whole  # noqa: F401

HOLD = """
import filelock, json, os, sys
lock = filelock.FileLock(sys.argv[1] + "/.lock")
lock.acquire()
open(sys.argv[1] + "/.lock.owner", "w").write(json.dumps({"pid": os.getpid(), "host": "elsewhere"}))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Locks a folder from another process."""
    held = []

    def take(folder):
        folder.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "held\n"
        held.append(process)
        return process

    yield take
    for process in held:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of ten steps, shared by the tests that resume one."""
    folder = book(tmp_path_factory.mktemp("finished"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(stages, "export_saved_model", stand_in)
        patch.setattr(stages, "sample_outputs", lambda *_: "")
        assert train("--steps=10", "--eval_every=5", "--checkpoint_every=0") == 0
    return folder


@pytest.fixture
def done(here, finished):  # noqa: F811
    """A copy of that run."""
    for name in ("run", "export"):
        shutil.copytree(finished / name, here / name)
    path = here / "run/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "run_dir": str(here / "run")}))
    return here


def failing(capsys, *arguments, status=2):
    capsys.readouterr()
    assert train(*arguments) == status
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1, error
    return error


def test_locks_end_with_their_process(tmp_path, hold):
    process = hold(tmp_path)
    with pytest.raises(rnnzoo.UserError, match=f"is in use by process {process.pid} on elsewhere"):
        FolderLock(tmp_path).acquire()
    assert is_locked(tmp_path) and is_empty(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not is_locked(tmp_path)
    lock = FolderLock(tmp_path)
    lock.acquire()
    assert json.loads((tmp_path / OWNER).read_text())["pid"] == os.getpid()
    lock.release()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["run", "export"])
def test_folders_in_use_are_refused_at_once(folder, here, capsys, hold):  # noqa: F811
    process = hold(here / folder)
    error = failing(capsys, "--steps=3")
    assert f"{folder} is in use by process {process.pid} on elsewhere" in error
    assert sorted(p.name for p in (here / folder).iterdir()) == [LOCK, OWNER]
    process.kill()
    process.wait()
    assert train("--steps=3") == 0
    assert not (here / "run" / LOCK).exists() and not (here / "export" / LOCK).exists()
    process = hold(here / folder)
    assert f"process {process.pid}" in failing(capsys, "--steps=5", "--resume")


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_resume_leaves_the_exports_of_other_runs_alone(here, capsys):  # noqa: F811
    assert train("--steps=3") == 0
    shutil.rmtree(here / "export")  # as when the run was stopped before its export
    assert train("--steps=3", "--run_dir=other", "--seed=1") == 0  # another run takes the name
    before = contents(here / "export")
    error = failing(capsys, "--steps=5", "--resume")
    assert "export holds something that this run did not write" in error
    assert contents(here / "export") == before
    assert train("--steps=5", "--resume", "--export_dir=mine") == 0
    assert contents(here / "export") == before and (here / "mine").is_dir()
    assert train("--steps=6", "--resume", "--export_dir=mine") == 0  # which is its own now
    assert train("--steps=7", "--resume", "--overwrite", "--export_dir=export") == 0
    assert contents(here / "export") != before


def test_an_edited_config_cannot_point_elsewhere(done, capsys):
    precious = done / "precious"
    precious.mkdir()
    stand_in(None, precious, {"run_id": "of another run"})
    (precious / "notes.txt").write_text("mine")
    settings = json.loads((done / "run/config.json").read_text())
    for name in ("precious", str(precious), "run/../precious"):
        (done / "run/config.json").write_text(json.dumps({**settings, "export_dir": name}))
        before = contents(precious)
        names = [flag for flag in COMMAND if "_dir" not in flag and "steps" not in flag and "determ" not in flag]
        names = [flag for flag in names if flag != "--layers=2"]
        capsys.readouterr()
        assert main(["train.py", *names, "--nojit_compile", "--run_dir=run", "--steps=11", "--resume"]) == 2
        assert "did not write" in capsys.readouterr().err
        assert contents(precious) == before


CHANGES = {
    "shorter": lambda text: text[: len(text) // 2],
    "other words": lambda text: " ".join(sorted(text.split(" "))),
    "other letters": lambda text: text.translate(str.maketrans("ox", "xo")),
    "another word": lambda text: text.replace("jumps", "bumps", 1),
}


@pytest.mark.parametrize("case", often("shorter", of=CHANGES))
def test_changed_data_is_noticed(case, done, capsys):
    text = (done / "book.txt").read_text(encoding="utf-8")
    (done / "book.txt").write_text(CHANGES[case](text), encoding="utf-8")
    error = failing(capsys, "--steps=11", "--resume")
    assert "--resume: the data changed since run began: book.txt" in error and "--allow_changed_data" in error
    (done / "book.txt").write_text(text, encoding="utf-8")
    assert train("--steps=11", "--resume") == 0


@pytest.mark.slow
def test_allowed_changes_of_data(done, capsys):
    path = done / "book.txt"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "Q", encoding="utf-8")
    assert "bytes and has" in failing(capsys, "--steps=11", "--resume")
    assert train("--steps=11", "--resume", "--allow_changed_data") == 0  # an unknown letter in the test part
    assert train("--steps=12", "--resume") == 0  # and that is what the run has now
    path.write_text("zzz " * 700, encoding="utf-8")
    assert "the vocabulary" in failing(capsys, "--steps=13", "--resume", "--allow_changed_data")


@pytest.mark.parametrize("export", ["run", "run/checkpoints", "run/deep/er", ".", "../{name}/run", "run/../run/x"])
def test_nested_folders_are_refused(export, here, capsys):  # noqa: F811
    error = failing(capsys, "--steps=3", f"--export_dir={export.format(name=here.name)}")
    assert "must not be the same folder, or one inside the other" in error and not (here / "run").exists()


def test_data_in_the_output_folders_is_refused(here, capsys):  # noqa: F811
    (here / "export").mkdir()
    stand_in(None, here / "export", {"run_id": "x"})
    (here / "export/book.txt").write_bytes((here / "book.txt").read_bytes())
    error = failing(capsys, "--steps=3", "--data=export/book.txt", "--overwrite")
    assert "is data and lies in export" in error and (here / "export/book.txt").exists()


def test_leftovers_of_killed_exports_are_removed(tmp_path):
    for name in (".e-abcdefgh", ".e-2-abcdefgh", ".e-short", ".other-abcdefgh"):
        (tmp_path / name / "saved_model").mkdir(parents=True)
    (tmp_path / ".e-settings").mkdir()  # of the user, though it looks like one of ours
    (tmp_path / ".e-settings" / "mine.txt").write_text("work")
    (tmp_path / ".e-abcdefgz").mkdir()
    held = FolderLock(tmp_path / ".e-abcdefgz")
    held.acquire()
    remove_leftovers(tmp_path / "e")
    kept = {p.name for p in tmp_path.iterdir()}
    held.release()
    assert kept == {".e-2-abcdefgh", ".e-short", ".other-abcdefgh", ".e-abcdefgz", ".e-settings"}
    for moved in (".e-abcdefgh/old", ".e-old-abcdefgh"):  # killed after it was moved aside: it gets its name back
        (tmp_path / moved).mkdir(parents=True)
        (tmp_path / moved / "saved_model.pb").write_text("earlier")
        remove_leftovers(tmp_path / "e")
        assert (tmp_path / "e/saved_model.pb").read_text() == "earlier"
        assert not (tmp_path / moved).exists()
        shutil.rmtree(tmp_path / "e")


DAMAGE = {
    "bytes": lambda path: path.write_bytes(b"PK no archive"),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "no meta": lambda path: checkpoint.save(path, checkpoint.load(path)[0], {}),
    "a wrong meta": lambda path: checkpoint.save(path, checkpoint.load(path)[0], {"step": "x", "best": None}),
    "a list": lambda path: checkpoint.save(path, checkpoint.load(path)[0], []),
    "no weights": lambda path: checkpoint.save(path, {}, {"step": 1, "best": 1.0, "progress": {}}),
    "texts": lambda path: checkpoint.save(path, {"model": [np.array(["x"])]}, {"step": 1, "best": 1.0, "progress": {}}),
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("case", often("bytes", "no meta", of=DAMAGE))
def test_damaged_best_weights(case, done, capsys):
    DAMAGE[case](done / "run/checkpoints/best.npz")
    capsys.readouterr()
    assert train("--steps=12", "--resume", "--checkpoint_every=0") == 0
    out = capsys.readouterr().out
    assert out.count("run/checkpoints/best.npz") == 1 and "take its place" in out
    best = checkpoint.load(done / "run/checkpoints/best.npz")
    assert best[1]["best"] > 0 and best[0]["model"]


@pytest.mark.parametrize("case", often("half", of=DAMAGE))
def test_damaged_checkpoints(case, done, capsys):
    newest = max(done.glob("run/checkpoints/step-*.npz"))
    DAMAGE[case](newest)
    capsys.readouterr()
    assert train("--steps=12", "--resume", "--eval_every=5") == 0
    out = capsys.readouterr().out
    assert f"warning: run/checkpoints/{newest.name}" in out and "using the previous checkpoint" in out


def test_unknown_progress_fields(done, capsys):
    newest = max(done.glob("run/checkpoints/step-*.npz"))
    groups, meta = checkpoint.load(newest)
    checkpoint.save(newest, groups, {**meta, "progress": {"zz": 1}})
    capsys.readouterr()
    assert train("--steps=12", "--resume", "--eval_every=5") == 0
    assert "its progress has unknown fields: zz; using the previous checkpoint" in capsys.readouterr().out


@pytest.mark.slow
def test_a_log_is_repaired_line_by_line(here, capsys):  # noqa: F811
    assert train("--steps=12", "--eval_every=3") == 0
    path = here / "run/log.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    parts = (
        b"\n",
        lines[0],
        b"\xff\x00\xfe\n",
        lines[1],
        b"[1, 2]\n\n",
        lines[1],
        b'{"step": "x"}\n',
        lines[2],
        b'{"st',
    )
    path.write_bytes(b"".join(parts))
    capsys.readouterr()
    assert train("--steps=15", "--resume", "--eval_every=3") == 0
    assert "warning: removed 4 damaged lines from run/log.jsonl" in capsys.readouterr().out
    steps = [json.loads(line)["step"] for line in path.read_text().splitlines()]
    assert steps == [3, 6, 9, 15]


CONFIGS = ["[]", "3", "{", "[" * 200_000, '{"model": 3}', "\xff", "", "null", '{"export_dir": 5}']


@pytest.mark.parametrize("text", CONFIGS, ids=range(len(CONFIGS)))
def test_damaged_configurations(text, done, capsys):
    settings = json.loads((done / "run/config.json").read_text())
    if text == '{"export_dir": 5}':
        text = json.dumps({**settings, "export_dir": 5})
    (done / "run/config.json").write_bytes(text.encode("latin-1"))
    before = contents(done)
    error = failing(capsys, "--steps=11", "--resume")
    assert "--resume: run/config.json is not the configuration of a run" in error
    assert contents(done) == before


def test_messages_name_the_cause(here, capsys, monkeypatch):  # noqa: F811
    def full(*_, **__):
        raise OSError(28, "No space left on device")  # as NumPy raises it, without a name

    monkeypatch.setattr(np, "savez", full)
    assert "run/checkpoints/best.npz: No space left on device" in failing(capsys, "--steps=3", status=1)
    monkeypatch.undo()
    monkeypatch.chdir(here)
    shutil.rmtree(here / "run")
    monkeypatch.setattr(file_loggers, "append_entry", lambda *_: shutil.rmtree(here / "run"))
    monkeypatch.setattr(stages, "export_saved_model", stand_in)
    error = failing(capsys, "--steps=3", status=1)
    assert "run was deleted while the run was going on" in error and "intact" not in error


@pytest.mark.slow
def test_warns_if_the_learning_rate_jumps(done, capsys):
    capsys.readouterr()
    assert train("--steps=20", "--resume") == 0
    out = capsys.readouterr().out
    assert re.search(
        r"warning: the learning rate was 0 at step 10 and goes on at 0\.00\d+, as the cosine schedule", out
    )
    first = json.loads((done / "run/result.json").read_text())["seconds"]
    assert train("--steps=21", "--resume", "--schedule=constant") == 2  # another schedule is another run
    assert train("--steps=22", "--resume") == 0
    assert json.loads((done / "run/result.json").read_text())["seconds"] > first  # of all parts


ENDS_LAST = (  # after its training it waits for the other processes
    """
import pathlib, time
from rnnzoo.run import stages
draw = stages.draw_loss_curve
def wait(folder):
    while not (folder / "others-ended").exists():
        time.sleep(0.05)
    (folder / "others-ended").unlink()
    draw(folder)
stages.draw_loss_curve = wait
"""
    + MAIN
)


@pytest.mark.slow
def test_concurrent_processes_on_one_run(whole, tmp_path):  # noqa: F811
    """One of two processes wins, a third that resumes is refused, and the result equals that of one process."""
    folder = book(tmp_path)
    first, second = (start(folder, code=ENDS_LAST) for _ in range(2))
    while not (folder / "run/config.json").exists():
        time.sleep(0.01)
    third = start(folder, "--resume")
    third.wait(300)
    (folder / "run/others-ended").touch()
    ended = [(p, *p.communicate(timeout=300)) for p in (first, second, third)]
    assert sorted(p.returncode for p, *_ in ended) == [0, 2, 2]
    winner = next(p for p, *_ in ended if p.returncode == 0)
    for process, _, error in ended:
        if process.returncode:
            lines = [line for line in error.splitlines() if line.startswith("error: ")]
            assert len(lines) == 1 and ("is in use by process" in lines[0] or "exists and is not empty" in lines[0])
            assert "in use" not in lines[0] or str(winner.pid) in lines[0]
    assert figures(folder) == whole


@pytest.mark.slow
def test_many_kills(whole, tmp_path):  # noqa: F811
    """Killed at any moment of training, checkpoint or export, a run loses nothing."""
    folder = book(tmp_path)
    rng = random.Random(1)
    for _ in range(3):
        resume = ["--resume"] if (folder / "run/config.json").exists() else []
        if (folder / "run").exists() and not resume:
            shutil.rmtree(folder / "run")
        process = start(folder, *resume, code=WITH_EXPORT)
        try:
            process.communicate(timeout=rng.uniform(3, 11))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    finish(start(folder, "--resume", code=WITH_EXPORT))
    assert figures(folder) == whole
    assert sorted(p.name for p in folder.iterdir()) == ["book.txt", "export", "run"]
    assert not list((folder / "run").rglob("*.part"))
    rnnzoo.load(folder / "export")


def test_a_refused_resume_changes_nothing(done, capsys):
    """A refused resume does not change the recorded data: the next attempt is refused too."""
    text = (done / "book.txt").read_text(encoding="utf-8")
    (done / "book.txt").write_text(text + "Q", encoding="utf-8")
    before = contents(done / "run")
    assert "the step of the checkpoint" in failing(capsys, "--steps=3", "--resume", "--allow_changed_data")
    assert contents(done / "run") == before
    assert "the data changed" in failing(capsys, "--steps=11", "--resume")


@pytest.mark.slow
def test_copied_run_does_not_overwrite_the_original_export(done, capsys):
    shutil.copytree(done / "run", done / "copy")
    before = contents(done / "export")
    assert "did not write" in failing(capsys, "--steps=11", "--resume", "--run_dir=copy")
    assert train("--steps=11", "--resume", "--run_dir=copy", "--export_dir=other") == 0
    assert contents(done / "export") == before
    (done / "run").rename(done / "moved")  # a run that was moved is still the same one
    assert train("--steps=11", "--resume", "--run_dir=moved") == 0


def test_lock_of_a_replaced_folder(tmp_path):
    (tmp_path / "e").mkdir()
    first = FolderLock(tmp_path / "e")
    first.acquire()
    (tmp_path / "e").rename(tmp_path / "aside")
    (tmp_path / "e").mkdir()
    second = FolderLock(tmp_path / "e")
    second.acquire()
    first.release()  # the files of the second are not its own
    assert is_locked(tmp_path / "e") and (tmp_path / "e" / OWNER).exists()
    second.release()
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "e" / OWNER).symlink_to(precious)
    second.acquire()
    second.release()
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("name", ["runs", "saved_models"])
def test_broken_links(name, here, capsys):  # noqa: F811
    (here / name).symlink_to("/nonexistent/folder")
    names = ["--model=elman", "--units=3", "--data=book.txt", "--steps=2", "--nojit_compile"]
    capsys.readouterr()
    assert main(["train.py", *names]) == 2
    assert f"{name} is a file or a broken link" in capsys.readouterr().err


def test_working_directory_is_refused_as_export(here, capsys):  # noqa: F811
    (here / "inside").mkdir()
    os.chdir(here / "inside")
    for name in (".", ".."):
        error = failing(
            capsys, f"--export_dir={name}", "--run_dir=/tmp/nowhere-else", "--data=../book.txt", "--steps=2"
        )
        assert "is the current folder" in error


PIPES = {  # the exit status and message of a run that goes on with a pipe in place of the file
    "config.json": (2, "not a regular file"),
    "checkpoints/best.npz": (0, "warning: run/checkpoints/best.npz"),
    "checkpoints/step-00000010.npz": (0, "step"),  # the checkpoint before it serves
    "log.jsonl": (0, "step"),
}


@pytest.mark.parametrize("name", PIPES)
def test_pipes_instead_of_files(name, done, capsys):
    path = done / "run" / name
    path.unlink()
    os.mkfifo(path)
    status, message = PIPES[name]
    assert train("--steps=11", "--resume") == status
    output = capsys.readouterr()
    assert message in output.out + output.err


def test_partly_restored_export(tmp_path):
    """A second kill, while an earlier export gets its name back, loses nothing either."""
    old = tmp_path / ".e-abcdefgh" / "old"
    (old / "variables").mkdir(parents=True)
    (old / "saved_model.pb").write_text("earlier")
    (old / ".lock").write_text("")
    (tmp_path / "e" / "assets").mkdir(parents=True)  # moved already
    lock = FolderLock(tmp_path / "e")
    lock.acquire()
    remove_leftovers(tmp_path / "e")
    assert is_locked(tmp_path / "e")
    lock.release()
    assert sorted(p.name for p in (tmp_path / "e").iterdir()) == ["assets", "saved_model.pb", "variables"]
    assert not (tmp_path / ".e-abcdefgh").exists()
    old.mkdir(parents=True)
    (old / "saved_model.pb").write_text("earlier")
    (tmp_path / "e" / "saved_model.pb").unlink()
    (tmp_path / "e" / "notes.txt").write_text("mine")  # something else has the name: both stay
    remove_leftovers(tmp_path / "e")
    assert (old / "saved_model.pb").exists() and (tmp_path / "e" / "notes.txt").exists()


@pytest.mark.slow
def test_non_finite_numbers_in_a_checkpoint(done, capsys):
    """Weights that are not finite, states of another shape: the checkpoint before serves."""
    newest = max(done.glob("run/checkpoints/step-*.npz"))
    groups, meta = checkpoint.load(newest)
    for change in (
        {"model": [np.full_like(w, np.nan) for w in groups["model"]]},
        {"state": [np.zeros([3, 99], "float32") for _ in groups["state"]]},
        {"state": [np.array(["x"])]},
    ):
        checkpoint.save(newest, {**groups, **change}, meta)
        capsys.readouterr()
        assert train("--steps=10", "--resume", "--eval_every=5") == 0
        assert f"warning: {newest.relative_to(done)}" in capsys.readouterr().out
        checkpoint.save(newest, groups, meta)
    for progress in ({"seconds": math.nan}, {"loss_count": -1}, {"best": math.nan}):
        checkpoint.save(newest, groups, {**meta, "progress": {**meta["progress"], **progress}})
        assert train("--steps=10", "--resume", "--eval_every=5") == 0
        assert "its progress has invalid values; using the previous checkpoint" in capsys.readouterr().out
        checkpoint.save(newest, groups, meta)


def test_best_weights_that_are_not_finite(done, capsys):
    path = done / "run/checkpoints/best.npz"
    groups, _ = checkpoint.load(path)
    checkpoint.save(path, {"model": [np.full_like(w, np.nan) for w in groups["model"]]}, {"step": 5, "best": -1.0})
    assert train("--steps=11", "--resume") == 0
    assert "holds values that are not finite numbers; the weights of step 10 take its place" in capsys.readouterr().out
    assert math.isfinite(json.loads((done / "run/result.json").read_text())["metrics"]["test"]["loss"])
