"""Start-up: lists and help without TensorFlow, correct defaults, no notices, progress of reading."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rnnzoo
from rnnzoo.data import file_recorder
from rnnzoo.run import catalogue, cli, events
from rnnzoo.run.console import ConsoleLogger
from rnnzoo.run.settings import make_settings
from rnnzoo.utils import startup
from tests.helpers import fresh_python

ROOT = Path(rnnzoo.__file__).parent.parent


def python(*arguments, root=ROOT, cwd=None):
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment["PYTHONPATH"] = str(root)
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd)


def test_stored_catalogue_equals_the_registries():
    stored = json.loads(catalogue.FILE.read_text(encoding="utf-8"))
    # in a new process, as other tests register cells
    made = json.loads(
        fresh_python("import json; from rnnzoo.run import catalogue; print(json.dumps(catalogue.build_catalogue()))")
    )
    assert stored == made, "the registries changed: run python -m rnnzoo.run.catalogue"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((ROOT / "train.py", "--list"), marks=pytest.mark.slow),
        (ROOT / "train.py", "--help", "--model=jordan", "--task=copy"),
        pytest.param(("-m", "rnnzoo.run.cli", "--list"), marks=pytest.mark.slow),
        ("-m", "rnnzoo.generate", "--help"),
        ("-m", "rnnzoo.predict", "-h"),
    ],
)
def test_help_does_not_import_tensorflow(arguments):
    result = python("-X", "importtime", *arguments)
    imported = [line.rpartition("|")[2].strip() for line in result.stderr.splitlines()]
    assert result.returncode == 0 and "rnnzoo" in imported
    assert not {"tensorflow", "keras"} & set(imported)
    result = python(*arguments)
    assert result.stderr == "" and len(result.stdout.splitlines()) > 4


def test_errors_do_not_import_tensorflow():
    for argument, message in (("--colour=red", "colour"), ("--model=lsmt", "lsmt"), ("--units=many", "many")):
        result = python(ROOT / "train.py", argument, *(["--help"] if "model" in argument else []))
        assert result.returncode == 2 and message in result.stderr and result.stderr.count("\n") == 1


def test_help_shows_the_defaults_of_a_run():
    actual = catalogue.load()
    for task in rnnzoo.TASKS:
        text = cli.usage(actual, "lstm", task)
        settings = make_settings({"task": task})
        for part in (settings.training, settings.task, settings.model):
            for name, value in vars(part).items():
                if value is not None and value is not False and value != "":
                    (line,) = [line for line in text.splitlines() if line.startswith(f"  --{name} ")]
                    assert line.endswith(f"[{value}]"), line


@pytest.mark.slow
def test_catalogue_is_refreshed_if_a_source_is_newer(tmp_path):
    shutil.copytree(ROOT / "rnnzoo", tmp_path / "rnnzoo", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "train.py", tmp_path)
    path = tmp_path / "rnnzoo/tasks/adding.py"
    path.write_text(path.read_text(encoding="utf-8").replace('"""The adding problem', '"""The changed problem'))
    old = (catalogue.FILE.stat().st_mtime,) * 2
    for source in (tmp_path / "rnnzoo").rglob("*.py"):
        os.utime(source, old)
    result = python(tmp_path / "train.py", "--list", root=tmp_path, cwd=tmp_path)
    assert "The changed problem" not in result.stdout and result.stderr == ""
    os.utime(path, (old[0] + 100,) * 2)
    result = python(tmp_path / "train.py", "--list", root=tmp_path, cwd=tmp_path)
    assert "The changed problem" in result.stdout and result.stderr == ""


@pytest.mark.slow
def test_runs_print_no_notices_of_libraries(tmp_path):
    command = [ROOT / "train.py", "--task=adding", "--units=3", "--steps=2", "--eval_size=50", "--nojit_compile"]
    result = python(*command, cwd=tmp_path)
    assert result.returncode == 0 and result.stderr == "" and "export    saved_models/lstm-adding" in result.stdout
    assert python("-m", "rnnzoo.inspect", "runs/lstm-adding", cwd=tmp_path).stderr == ""
    result = python(*command, "--verbosity=2", "--overwrite", cwd=tmp_path)
    assert "tensorflow" in result.stderr or "oneDNN" in result.stderr


@pytest.mark.slow
def test_suppressed_output_is_shown_if_an_import_fails():
    code = """
import os, sys
from rnnzoo.utils import startup
for name in [n for n in sys.modules if n.partition(".")[0] == "tensorflow"]:
    del sys.modules[name]
with startup.suppress_import_messages():
    os.write(2, b"the reason")
    {}
"""
    assert python("-c", code.format("pass")).stderr.rpartition("\n")[2] == ""
    assert "the reason" in python("-c", code.format("import nowhere")).stderr


def test_commands_are_recognized(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not startup.is_command()
    for argv, orig, expected in (
        (["train.py"], [], False),  # of somebody else
        ([str(ROOT / "train.py")], [], True),
        (["/somewhere/bin/rnnzoo-train"], [], True),
        (["-m"], ["python", "-m", "rnnzoo.predict"], True),
        (["-m"], ["python", "-m", "pytest"], False),
    ):
        before = sys.argv, sys.orig_argv
        try:
            sys.argv, sys.orig_argv = argv, orig
            assert startup.is_command() == expected, argv
        finally:
            sys.argv, sys.orig_argv = before


def test_reading_shows_progress_after_two_seconds(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("rnnzoo.run.console.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    logger = ConsoleLogger(stream=stream)
    logger.log(events.DataProgress(1 << 20, 10 << 20, 1.0))
    assert stream.getvalue() == ""
    logger.log(events.DataProgress(3 << 20, 10 << 20, 3.0))
    assert stream.getvalue() == "reading data: 30%, 1.0 MiB/s, 7 s left\n"
    now[0] += 1
    logger.log(events.DataProgress(4 << 20, 10 << 20, 4.0))
    assert stream.getvalue().count("\n") == 1  # no line for each piece
    ConsoleLogger(verbosity=0, stream=stream).log(events.DataProgress(1, 2, 9.0))
    assert stream.getvalue().count("\n") == 1


def test_reading_progress_counts_every_byte(tmp_path):
    """A task that reads a file reports its progress and describes the file."""
    path = tmp_path / "pairs.tsv"
    path.write_text("a b\tc d\n" * 300, encoding="utf-8")
    seen = []
    with file_recorder.record_files(lambda *progress: seen.append(progress)) as read:
        task = rnnzoo.create_task("pairs", data=str(path))
    size = path.stat().st_size
    assert seen[-1][:2] == (2 * size, 2 * size)  # once for the digest
    actual = read.describe(task.spec)
    assert actual["files"] == [{"name": "pairs.tsv", "size": size, "sha256": actual["files"][0]["sha256"]}]
    assert file_recorder.describe_changes(actual, {**actual, "vocabulary": "x"}) == "the vocabulary is different"
