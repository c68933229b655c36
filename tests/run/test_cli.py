"""The command line: from flags to files."""

import importlib.util
import io
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.run import cli, events, stages
from rnnzoo.run.console import ConsoleLogger
from rnnzoo.training import StepResult, checkpoint
from tests.helpers import stand_in

TEXT = "the quick brown fox jumps over the lazy dog; é ≠ 🙂\n" * 60
SMALL = [
    "--model=lstm",
    "--units=8",
    "--embedding=4",
    "--steps=6",
    "--batch_size=4",
    "--seq_length=10",
    "--verbosity=1",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


def train(*arguments):
    return cli.main(["train.py", *arguments])


BAD = {
    "unknown model": (["--model=lstn"], "unknown model 'lstn'; did you mean lstm"),
    "unknown task": (["--task=char"], "unknown task 'char'; did you mean char_lm"),
    "unknown flag": (["--unitz=3"], "'unitz'. Did you mean: "),
    "not a number": (["--units=many"], "--units=many"),
    "empty number": (["--units="], "--units="),
    "zero units": (["--units=0"], "--units must be at least 1, got 0"),
    "negative layers": (["--layers=-1"], "layers must be at least 1"),
    "dropout of one": (["--dropout=1"], "dropout must be below 1"),
    "rate not finite": (["--learning_rate=inf"], "learning_rate must be a finite number"),
    "rate not a number": (["--learning_rate=nan"], "learning_rate must be a finite number"),
    "unknown optimizer": (["--optimizer=adamm"], "optimizer must be one of adam, adamw"),
    "option of another model": (["--model=elman", "--forget_gate"], "nor to task 'char_lm', but to --model="),
    "option of another task": (
        ["--task=adding", "--data=book.txt"],
        "--data applies neither to model 'lstm' nor to task 'adding', but to --task=",
    ),
    "no such activation": (["--activation=tanhh", "--data=book.txt"], "tanhh"),
    "dampening not finite": (["--model=dampened", "--dampening=nan", "--data=book.txt"], "dampening must be a finite"),
    "window of none": (["--model=feedforward", "--context=0", "--data=book.txt"], "context must be at least 1"),
    "nothing recurs": (["--model=feedforward", "--recurrent_dropout=.1", "--data=book.txt"], "no recurrence"),
    "argument without flag": (["book.txt"], "there is no argument 'book.txt'"),
    "missing file": (["--data=nowhere.txt"], "there is no file nowhere.txt"),
    "folder": (["--data=void"], "holds no .txt file"),
    "not text": (["--data=latin.txt"], "latin.txt is not utf-8 text (byte 3)"),
    "empty file": (["--data=empty.txt"], "empty.txt is empty"),
    "one character": (["--data=one.txt"], "too little text"),
    "run_dir in use": (["--run_dir=full", "--data=book.txt"], "full exists and is not empty"),
    "export_dir in use": (["--export_dir=full", "--data=book.txt"], "full exists and is not empty"),
    "export_dir is no export": (["--export_dir=full", "--overwrite", "--data=book.txt"], "not of a SavedModel"),
    "no such encoding": (["--data=book.txt", "--encoding=utf-9"], "--encoding=utf-9: there is no such encoding"),
    "no match": (["--data=*.text"], "no file matches *.text"),
    "no names": (["--data=,"], "--data names no file"),
    "held out all": (["--data=book.txt", "--test_fraction=1"], "test_fraction must be below 1"),
    "held out too much": (
        ["--data=book.txt", "--test_fraction=0.6", "--validation_fraction=0.4"],
        "--validation_fraction=0.4 and --test_fraction=0.6 leave nothing to train on",
    ),
    "held out none": (["--data=book.txt", "--test_fraction=0"], "test_fraction must be at least"),
    "negative seed": (["--seed=-1"], "seed must be at least 0"),
    "no steps": (["--steps=0"], "steps must be at least 1"),
    "no epochs": (["--epochs=0"], "epochs must be at least 1"),
    "endless epochs": (["--task=adding", "--epochs=2"], "--epochs does not apply to task 'adding'"),
    "unknown schedule": (["--schedule=linear"], "schedule must be one of constant, cosine"),
    "negative clip": (["--clip_norm=-1"], "clip_norm must be at least 0"),
    "batch of none": (["--batch_size=0"], "batch_size must be at least 1"),
    "length of none": (["--seq_length=0"], "seq_length must be at least 1"),
    "a fraction of units": (["--units=2.5"], "--units=2.5"),
    "unknown variant": (["--task=adding", "--variant=hs98"], "variant must be one of bai2018, hs97"),
    "not a boolean": (["--overwrite=maybe"], "--overwrite=maybe"),
    "absurd units": (["--units=10000000", "--data=book.txt"], "this run needs about"),
    "absurd batch": (["--batch_size=1000000000", "--data=book.txt"], "GiB of memory"),
    "absurd length": (["--seq_length=1000000000", "--task=adding"], "GiB of memory"),
    "absurd embedding": (["--embedding=10000000000", "--data=book.txt"], "GiB of memory"),
    "resume what is not there": (["--resume", "--run_dir=gone", "--data=book.txt"], "there is no run in gone"),
    "resume what is no run": (["--resume", "--run_dir=full", "--data=book.txt"], "full exists and is not empty"),
    "a language model that reads ahead": (["--model=bidirectional", "--data=book.txt"], "cannot be a language model"),
    "music that is read ahead": (["--model=bidirectional", "--task=music"], "cannot be a language model"),
    "unknown cell": (["--model=stacked", "--cell=lstn", "--data=book.txt"], "unknown cell 'lstn'; did you mean lstm"),
    "option of another cell": (
        ["--model=stacked", "--cell=gru", "--zoneout=.1", "--data=book.txt"],
        "cell 'gru' has no option 'zoneout'; its options are: chrono, reset_after",
    ),
    "no transition": (
        ["--model=deep-transition", "--cell=feedforward", "--data=book.txt"],
        "FeedforwardCell does not support a deep transition",
    ),
    "shortcut past nothing": (["--model=gru", "--shortcut", "--data=book.txt"], "needs a depth of at least 2"),
    "no zoneout": (["--zoneout=1", "--data=book.txt"], "zoneout must be at least 0 and below 1"),
    "no projection": (["--projection=0", "--data=book.txt"], "projection must be at least 1"),
    "unknown merge": (["--model=bidirectional", "--merge_mode=max"], "merge_mode must be one of concat, sum, ave, mul"),
    "depth of none": (["--output_depth=0"], "output_depth must be at least 1"),
    "missing tags": (["--task=tag", "--data=nowhere.txt"], "--data: there is no file nowhere.txt"),
    "missing test": (["--task=tag", "--data=tags.txt", "--test_data=no.txt"], "--test_data: there is no file no.txt"),
    "columns of words": (["--task=tag", "--data=tags.txt", "--columns=word,tag"], "must be two numbers"),
    "column beyond": (["--task=tag", "--data=tags.txt", "--columns=0,7"], "tags.txt, line 1: 2 columns, but"),
    "no sentence": (["--task=tag", "--data=blank.txt"], "blank.txt holds no sentence"),
    "one sentence": (["--task=tag", "--data=tags.txt"], "the train split is empty"),
    "tags not text": (["--task=tag", "--data=latin.txt"], "latin.txt is not utf-8 text (byte 3)"),
    "spelled characters": (["--task=tag", "--char_embedding"], "--char_embedding applies to --data"),
    "no such column": (
        ["--task=classify", "--data=t.csv"],
        "--text_column=text: t.csv has no such column; it has: a, b",
    ),
    "ragged table": (["--task=classify", "--data=ragged.csv"], "ragged.csv, line 2: 3 cells, but 2 in the first line"),
    "one label": (
        ["--task=classify", "--data=same.csv", "--min_count=1"],
        "all texts have the label 'x'",
    ),
    "not numbers": (["--task=forecast", "--data=t.csv"], "t.csv, row 2, column 'b': 'x' is not a number"),
    "too short a series": (["--task=forecast", "--data=numbers.csv"], "40 steps are too few for --window=50"),
    "constant column": (
        ["--task=forecast", "--data=numbers.csv", "--window=3", "--horizon=1", "--columns=0"],
        "column '0' is constant",
    ),
    "unknown series": (["--task=series", "--data=t.csv"], "t.csv is neither a .ts nor an .npz file"),
    "not a .ts file": (["--task=series", "--data=bad.ts"], "bad.ts, line 1: values before @data"),
    "series with holes": (["--task=series", "--data=holes.ts"], "holes.ts, line 2: a value is missing"),
    "not arrays": (["--task=series", "--data=bad.npz"], "bad.npz does not hold arrays X and y"),
    "no rolls": (["--task=music", "--data=bad.npz"], "bad.npz holds no piano rolls"),
    "unknown rolls": (["--task=music", "--data=t.csv"], "t.csv is neither a .mat nor an .npz file"),
    "test without data": (["--task=series", "--test_data=bad.ts"], "--test_data applies to --data"),
    "hidden units of nothing": (["--hidden_units=3", "--data=book.txt"], "--hidden_units needs hidden layers"),
    "data a folder": (["--task=classify", "--data=void"], "void is a folder; name a file"),
    "run_dir a file": (["--run_dir=book.txt", "--data=book.txt"], "book.txt exists and is not empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(case, folder, capsys):
    arguments, message = BAD[case]
    (folder / "latin.txt").write_bytes("caf\xe9 au lait".encode("latin-1"))
    (folder / "empty.txt").write_text("")
    (folder / "blank.txt").write_text("\n\n")
    (folder / "one.txt").write_text("x")
    (folder / "tags.txt").write_text("the O\ncat O\n")
    (folder / "t.csv").write_text("a,b\n1,x\n2,x\n")
    (folder / "same.csv").write_text("text,label\n" + "a,x\n" * 20)
    (folder / "ragged.csv").write_text("text,label\n1,x,y\n")
    (folder / "numbers.csv").write_text("".join(f"1,{i}\n" for i in range(40)))
    (folder / "bad.ts").write_text("1,2,3:a\n")
    (folder / "holes.ts").write_text("@data\n1,?,3:a\n")
    (folder / "bad.npz").write_bytes(b"PK no archive")
    (folder / "full").mkdir()
    (folder / "void").mkdir()
    (folder / "full" / "mine.txt").write_text("precious")
    before = sorted(folder.rglob("*"))
    assert train(*arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err
    assert sorted(folder.rglob("*")) == before
    assert (folder / "full" / "mine.txt").read_text() == "precious"


def test_a_run_from_flags_to_files(folder, capsys, monkeypatch):
    assert train(*SMALL, "--data=book.txt") == 0
    out = capsys.readouterr().out
    for said in ("baseline zlib", "bits_per_char", "Sample outputs", "saved_models/lstm-char_lm", "runs/lstm-char_lm"):
        assert said in out
    run_dir = folder / "runs/lstm-char_lm"
    result = json.loads((run_dir / "result.json").read_text())
    assert set(result) >= {"model", "task", "steps", "parameters", "metrics", "seconds", "export_dir", "weights_sha256"}
    assert set(result["metrics"]) == {"train", "validation", "test"}
    test = result["metrics"]["test"]
    assert test["perplexity"] == np.exp(test["loss"]) and test["bits_per_char"] == test["loss"] / np.log(2)
    log = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3, 4, 5, 6]
    settings = json.loads((run_dir / "config.json").read_text())
    assert settings["training"]["steps"] == 6 and settings["model_options"]["units"] == 8

    for name, package in (("curve.png", "matplotlib"), ("events", "tensorboard")):
        assert (run_dir / name).exists() == (importlib.util.find_spec(package) is not None)

    model = keras.models.load_model(run_dir / "model.keras")
    assert checkpoint.compute_digest(model.weights) == result["weights_sha256"]
    groups, meta = checkpoint.load(run_dir / "checkpoints/best.npz")
    assert meta["best"] == min(entry["validation"]["bits_per_char"] for entry in log)
    best = [np.asarray(w) for w in model.weights]
    assert all((a == b).all() for a, b in zip(groups["model"], best, strict=True))

    export = tf.saved_model.load(str(folder / result["export_dir"]))
    bits = export.signatures["serving_default"](text=tf.constant(["the lazy dog"]))["bits_per_char"]
    assert bits.shape == (1,)
    kept = json.loads((folder / result["export_dir"] / "assets.extra/config.json").read_text(encoding="utf-8"))
    assert kept["spec"]["vocabulary"][:3] == ["<pad>", "<unk>", "<s>"] and kept["metrics"] == result["metrics"]

    monkeypatch.setattr(stages, "export_saved_model", stand_in)  # the rest is of names and weights
    monkeypatch.setattr(stages, "sample_outputs", lambda *_: "")
    # the same again: names do not collide, weights are the same, --overwrite keeps foreign files
    assert train(*SMALL, "--data=book.txt", "--verbosity=0") == 0
    again = json.loads((folder / "runs/lstm-char_lm-2/result.json").read_text())
    assert again["export_dir"] == "saved_models/lstm-char_lm-2"
    assert again["weights_sha256"] == result["weights_sha256"]
    (run_dir / "notes.txt").write_text("mine")
    over = ["--run_dir=runs/lstm-char_lm", "--export_dir=saved_models/lstm-char_lm", "--overwrite", "--seed=1"]
    assert train(*SMALL, "--data=book.txt", *over) == 0
    other = json.loads((run_dir / "result.json").read_text())
    assert other["weights_sha256"] != result["weights_sha256"]
    assert (run_dir / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_forecasts_are_drawn(folder):
    pytest.importorskip("matplotlib")
    rows = "".join(f"2020-01-{i % 28 + 1},{i % 7},{i % 5}\n" for i in range(200))
    (folder / "cost.csv").write_text("date,cost_$,$a_ b$\n" + rows)
    options = ["--window=9", "--horizon=3", "--units=3", "--steps=2", "--nojit_compile", "--verbosity=0"]
    assert train("--task=forecast", "--data=cost.csv", "--run_dir=run", *options) == 0
    assert (folder / "run" / "forecast.png").stat().st_size > 1000


def test_run_dir_that_cannot_be_created(folder, capsys):
    assert train("--run_dir=book.txt/run", "--data=book.txt") == 2
    err = capsys.readouterr().err
    assert err.startswith("error: book.txt is a file") and err.count("\n") == 1
    assert (folder / "book.txt").read_text(encoding="utf-8") == TEXT


def test_a_loss_that_is_not_finite_stops_the_run(folder, capsys):
    arguments = ["--task=adding", "--optimizer=sgd", "--learning_rate=1e30", "--clip_norm=0", "--model=elman"]
    assert (
        train(*arguments, "--activation=linear", "--seq_length=20", "--units=4", "--steps=40", "--nojit_compile") == 1
    )
    err = capsys.readouterr().err
    assert "at step" in err and "kernel" in err and err.count("\n") == 1
    assert not (folder / "runs/elman-adding/result.json").exists()
    assert not (folder / "saved_models/elman-adding").exists()


def test_train_py_lists_all_names():
    root = Path(rnnzoo.__file__).parent.parent
    done = subprocess.run([sys.executable, "train.py", "--list"], capture_output=True, text=True, cwd=root, check=True)
    for registry in (rnnzoo.MODELS, rnnzoo.TASKS, rnnzoo.CELLS):
        for name in registry:
            assert any(line.split()[0] == name and len(line.split()) > 3 for line in done.stdout.splitlines()[1:])


def test_help_is_short_and_grouped(capsys):
    assert train("--help") == 0
    out = capsys.readouterr().out
    assert out.count("\n") < 80
    for group in ("Run:", "Training:", "Model lstm:", "Task char_lm:"):
        assert group in out.splitlines()


def test_progress_line_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    task = rnnzoo.create_task("char_lm", data_size=50_000)
    screen, plain = Terminal(), io.StringIO()
    for stream in (screen, plain):
        logger = ConsoleLogger(1, stream)
        metrics = task.spec.metrics
        logger.log(events.TrainingStarted({"model": "lstm"}, task.summary(), metrics, 1000, Path("runs/x")))
        for step in (1, 2, 3):
            time.sleep(0.25)
            logger.log(events.StepFinished(StepResult(step, math.log(2) * 3, 0.1), 10, 6400))
    shown = screen.getvalue()
    assert "\r\033[Kstep 3/10  loss 2.0794 (3.000 bits/char)  " in shown
    assert "tokens/s" in shown and shown.endswith("2 s left")
    assert "\r" not in plain.getvalue() and "tokens/s" not in plain.getvalue()
