"""Hundreds of bad inputs, sampled by a fixed seed: one line that names the cause, and no lost files."""

import dataclasses
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import rnnzoo
from rnnzoo import config, generate, predict
from rnnzoo.inspect import __main__ as inspect_command
from rnnzoo.run import cli
from rnnzoo.training import TrainingOptions, checkpoint
from tests.run.test_run_directory import contents

ROOT = Path(rnnzoo.__file__).parent.parent
SEED, COUNT, PROCESSES = 19, 540, 8
PATIENCE = 20  # seconds that an answer may take
SMALL = ["--units=3", "--steps=2", "--batch_size=4", "--nojit_compile"]
COMMANDS = {
    "train": (cli.main, ["train.py"]),
    "predict": (predict.main, ["-m", "rnnzoo.predict"]),
    "generate": (generate.main, ["-m", "rnnzoo.generate"]),
    "inspect": (inspect_command.main, ["-m", "rnnzoo.inspect"]),
}


class Case(NamedTuple):
    """A command line, and what its message must name: one of these."""

    command: str
    arguments: list[str]
    named: tuple[str, ...]


WHOLE = {  # whole data for each task that reads files, of as many lines as are needed to be split
    "char_lm": ("book.txt", "the quick brown fox jumps over the lazy dog\n" * 60),
    "word_lm": ("words.txt", "the quick brown fox jumps over the lazy dog\n" * 60),
    "tag": ("tags.conll", "the DT\ncat NN\nsat VB\n\n" * 40),
    "classify": ("texts.csv", "text,label\n" + "good film,1\nbad film,0\n" * 30),
    "forecast": ("numbers.csv", "a,b\n" + "".join(f"{i % 7},{i % 5}\n" for i in range(300))),
    "series": ("series.ts", "@problemname x\n@data\n" + "1,2,3:x\n2,3,4:y\n" * 20),
    "pairs": ("pairs.tsv", "a b c\tx y\nb c\ty z\n" * 30),
    "g2p": ("lexicon.dict", "".join(f"ab{chr(97 + i % 26)}{chr(97 + i // 26)} AH0 B\n" for i in range(60))),
    "scan": ("scan.txt", "IN: walk left OUT: I_TURN_LEFT I_WALK\nIN: run OUT: I_RUN\n" * 30),
    "sst": ("trees.txt", "(3 (2 It) (4 (2 's) (3 good)))\n(1 (2 so) (0 bad))\n" * 20),
    "listops": (
        "lists.tsv",
        "".join(f"{i % 10}\t( ( ( [MAX {i % 10} ) {i % 10} ) ] )\n" for i in range(10)) * 1
        + "".join(f"{max(i, j)}\t( ( ( [MAX {i} ) {j} ) ] )\n" for i in range(10) for j in range(10) if i != j),
    ),
}
MODEL_OF = {"pairs": "seq2seq", "g2p": "seq2seq", "scan": "seq2seq", "sst": "recursive", "listops": "recursive"}
# bytes that are no data of the task, whatever it is; and lines that are none of one task
NO_DATA = {
    "nothing": b"",
    "blanks": b" \n \n\n",
    "half of a character": b"\xff\xfe\x00" * 7,
    "invalid UTF-8": b"caf\xe9 au lait\n" * 30,
    "UTF-16": "the quick brown fox\tx y\n".encode("utf-16") * 1 + "it is all of two bytes\n".encode("utf-16-le") * 40,
    "UTF-16 without a mark": "the quick brown fox\tx y\n".encode("utf-16-le") * 40,
    "one character": b"x",
}
NO_LINES = {
    "tag": ["one\n", "a\tb\tc\nd\n", "-DOCSTART- -X-\n\n", "word  \n\n"],
    "classify": [
        "text\nx\n",
        "text,label\n,\n",
        "text,label\na,b,c\n",
        "text,label\n" + "a,same\n" * 9,
        'text,label\n"a\n',
    ],
    "forecast": [
        "a,b\n1,x\n",
        "a\n",
        "a,b\n1,2\n",
        "a,b\n" + "1,1\n" * 300,
        "a\n" + "1e308\n-1e308\n" * 150,
        "a\nnan\n" * 9,
    ],
    "series": [
        "1,2:x\n",
        "@data\n1,?:x\n",
        "@data\n1,2:\n",
        "@data\n1,2:3:x\n",
        "@data\n" + "1e308,-1e308:x\n9,8:y\n" * 20,
    ],
    "pairs": ["a b\n", "\tx\n", "a\t\n", "a\tb\n", "x" * 9 + " y" * 200 + "\tz\n"],
    "g2p": ["word\n", "( AH0\n", ";;; only a comment\n", "a 0\n"],
    "scan": ["walk\n", "IN: OUT:\n", "IN: walk OUT:\n"],
    "sst": ["(3 good\n", "good\n", "(3 )\n", ")\n", "(3 (2 a) (2 b)) (1 c)\n", "(3 a)\n" * 30],
    "listops": ["x\t[MAX 1 ]\n", "5\t( [MAX 1\n", "5\t\n", "5\t( ( [AVG 1 ) ] )\n", "55\t1\n"],
    "char_lm": ["ab\n"],
    "word_lm": ["two words\n"],
}


def write_whole(folder):
    for name, text in WHOLE.values():
        (folder / name).write_text(text, encoding="utf-8")
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()


def of(task, path, *more):
    model = MODEL_OF.get(task, "elman")
    return [f"--model={model}", f"--task={task}", f"--data={path}", *SMALL, *more]


def copy(source, target):
    """A fresh copy, also where the same case was drawn before."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def bad_flag(rng, folder):
    """A value that an option cannot have, of any model, task or of training."""
    kind = rng.choice(("model", "task", "training"))
    task, model = rng.choice(sorted(WHOLE)), rng.choice(rnnzoo.list_models())
    arguments = [f"--model={model}", f"--task={task}", f"--data={WHOLE[task][0]}"]
    owner = {"model": rnnzoo.MODELS[model], "task": rnnzoo.TASKS[task], "training": None}[kind]
    field = rng.choice(dataclasses.fields(config.options_class(owner) if owner else TrainingOptions))
    rules, expected = field.metadata, config.option_type(field)
    bad = {bool: ["maybe", "2"], int: ["many", "1.5", "", "0x", "1e3"], float: ["much", "nan", "inf", ""]}.get(
        expected, []
    )
    if rules["minimum"] is not None:
        bad.append(str(rules["minimum"] - 1))
    if rules["maximum"] is not None:
        bad.append(str(rules["maximum"] + 1))
    if rules["below"] is not None:
        bad.append(str(rules["below"]))
    if rules["choices"]:
        bad += ["none of them", ""]
    if rules["size"]:
        bad += ["1000000000", "999999999999"]
    if not bad:
        return Case("train", [*arguments, f"--{field.name}s=1"], (f"{field.name}s",))
    return Case("train", [*arguments, f"--{field.name}={rng.choice(bad)}"], (field.name,))


def unknown_name(rng, folder):
    """An unknown flag, name or combination."""
    cases = [
        (["--model=lsmt"], "lsmt"),
        (["--task=char-lm"], "char-lm"),
        (["--unitz=3"], "unitz"),
        (["word"], "word"),
        (["--task=adding", "--data=book.txt"], "data"),
        (["--model=elman", "--zoneout=.1", "--data=book.txt"], "zoneout"),
        (["--model=stacked", "--cell=none", "--data=book.txt"], "none"),
        (["--model=stacked", "--cell=gru", "--projection=3", "--data=book.txt"], "projection"),
        (["--activation=tanhh", "--data=book.txt", *SMALL], "tanhh"),
        (["--model=bidirectional", "--data=book.txt", *SMALL], "bidirectional"),
        (["--model=recursive", "--data=book.txt", "--steps=2", "--units=3"], "recursive"),
        (["--model=seq2seq", "--data=book.txt", *SMALL], "seq2seq"),
        (["--model=elman", "--task=pairs", "--data=pairs.tsv", *SMALL], "elman"),
        (["--model=recursive", "--task=listops", "--max_length=5", "--units=3"], "max_length"),
        (["--task=reverse", "--data=book.txt"], "data"),
        (["--task=adding", "--epochs=2", *SMALL], "epochs"),
        (["--label_smoothing=.1", "--task=adding", *SMALL], "label_smoothing"),
        (["--task=dates", "--model=seq2seq", "--first_year=2000", "--last_year=1999", *SMALL], "last_year"),
        (["--task=tag", "--data="], "data"),
        (["--task=tag", "--columns=a,b", "--data=tags.conll"], "columns"),
        (["--task=tag", "--columns=0,9", "--data=tags.conll"], "columns"),
        (["--task=classify", "--data=texts.csv", "--text_column=body"], "body"),
        (["--task=forecast", "--data=numbers.csv", "--columns=z"], "z"),
        (["--task=forecast", "--data=numbers.csv", "--window=5000"], "window"),
        (["--task=scan", "--split=length", "--data=scan.txt"], "split"),
        (["--task=sst", "--model=recursive", "--data=trees.txt", "--vectors=none.vec", *SMALL[:1]], "none.vec"),
        (["--task=char_lm", "--encoding=undefined", "--data=book.txt"], "undefined"),
        (["--task=pairs", "--encoding=hex", "--data=pairs.tsv", "--model=seq2seq"], "hex"),
        (["--task=tag", "--test_data=tags.conll"], "test_data"),
        (["--units=1" + "0" * 400, "--data=book.txt"], "units"),
        (["--steps=1" + "0" * 400, "--data=book.txt"], "steps"),
        (["--seed=4294967296", "--data=book.txt"], "seed"),
        (["--learning_rate=1e39", "--data=book.txt"], "learning_rate"),
        (["--clip_norm=1e39", "--data=book.txt"], "clip_norm"),
        (["--activation=glu", "--data=book.txt"], "glu"),
        (["--activation=threshold", "--data=book.txt"], "threshold"),
        (["--task=classify", "--data=texts.csv", "--text_column=" + "9" * 5000], "text_column"),
        (["--task=forecast", "--data=numbers.csv", "--seasonal_period=10000000000000000000"], "seasonal_period"),
        (["--model=decoder", "--task=waveform", "--cycles=1e307"], "cycles"),
        (["--flagfile=pipe"], "flagfile"),
        (["--data=n\udcff.txt"], "data"),
        (["--data=book.txt", "--export_dir=x\udcff"], "export_dir"),
        (["--data=book.txt", "--run_dir=x\udcff"], "run_dir"),
    ]
    arguments, named = rng.choice(cases)
    return Case("train", arguments, (named,))


def bad_path(rng, folder):
    """A missing file, for any task and any option that names files."""
    task = rng.choice(sorted(WHOLE))
    named = rng.choice(
        ["nowhere.txt", "~nobody_here/x", "pipe", "/dev/zero", "/dev/full", "x" * 300, "folder", "*.nothing"]
    )
    arguments = of(task, WHOLE[task][0])
    option = rng.choice(["data", *(f.name for f in dataclasses.fields(config.options_class(rnnzoo.TASKS[task])))])
    option = option if option in ("validation_data", "test_data", "vectors") else "data"
    return Case("train", [*arguments, f"--{option}={named}"], (named, named[:50]))


def bad_bytes(rng, folder):
    """A file that no task can read."""
    task, name = rng.choice(sorted(WHOLE)), rng.choice(sorted(NO_DATA))
    path = folder / f"bad-{rng.randrange(10**9)}{Path(WHOLE[task][0]).suffix}"
    path.write_bytes(NO_DATA[name])
    return Case("train", of(task, path.name), (path.name,))


def bad_lines(rng, folder):
    """A file that its task cannot read."""
    task = rng.choice(sorted(NO_LINES))
    path = folder / f"bad-{rng.randrange(10**9)}{Path(WHOLE[task][0]).suffix}"
    path.write_text(rng.choice(NO_LINES[task]), encoding="utf-8")
    return Case("train", of(task, path.name), (path.name, "--data"))


def bad_arrays(rng, folder):
    """Invalid arrays of series and music."""
    path = folder / f"bad-{rng.randrange(10**9)}.npz"
    X = np.zeros([6, 5, 2])
    arrays = rng.choice(
        [
            {},
            {"X": X},
            {"X": X, "y": np.arange(5)},
            {"X": X[0, 0], "y": np.arange(6)},
            {"X": np.array(["a"] * 6), "y": np.arange(6)},
            {"X": np.full([6, 5, 2], np.nan), "y": np.arange(6)},
            {"X": X, "y": np.array([b"\xff", b"a", b"b", b"c", b"d", b"e"])},
            {"X": X, "y": np.arange(6), "lengths": np.array([0, 1, 2, 3, 4, 9])},
            {"X": X.astype(object), "y": np.arange(6)},
            {"train": np.zeros([4, 88]), "train_lengths": np.array([3])},
        ]
    )
    np.savez(path, **arrays)
    if rng.random() < 0.2:
        path.write_bytes(path.read_bytes()[:40])
    task = rng.choice(["series", "music"])
    return Case("train", ["--model=elman", f"--task={task}", f"--data={path.name}", *SMALL], (path.name, "--data"))


def bad_place(rng, folder):
    """Folders that are not empty or nested."""
    cases = [
        (["--run_dir=book.txt"], "book.txt"),
        (["--export_dir=book.txt"], "book.txt"),
        (["--run_dir=run"], "run"),
        (["--export_dir=folder-with-notes", "--overwrite"], "folder-with-notes"),
        (["--run_dir=new", "--export_dir=new/inside"], "new"),
        (["--run_dir=new/inside", "--export_dir=new"], "new"),
        (["--resume", "--run_dir=nowhere"], "nowhere"),
        (["--resume", "--run_dir=folder-with-notes"], "folder-with-notes"),
        (["--run_dir=book.txt/inside"], "book.txt"),
    ]
    (folder / "folder-with-notes").mkdir(exist_ok=True)
    (folder / "folder-with-notes" / "notes.txt").write_text("mine")
    arguments, named = rng.choice(cases)
    return Case("train", [*of("char_lm", "book.txt"), *arguments], (named,))


JUNK = [None, 3, -1, 1.5, True, "x", [], {}, [1], {"zz": 1}, "\0", 10**30, "../x"]


def stored_run(rng, folder):
    """A run whose configuration, or all of whose checkpoints, are damaged."""
    name = f"damaged-{rng.randrange(10**9)}"
    copy(folder / "run", folder / name)
    path = folder / name / "config.json"
    settings = {**json.loads(path.read_text()), "run_dir": str(folder / name)}  # moved there, not a copy
    path.write_text(json.dumps(settings))
    kind = rng.randrange(4)
    if kind == 0:
        path.write_bytes(
            rng.choice([b"", b"[]", b"3", b"{", b"\xff", b"[" * 100_000, b"null", b'"x"', b'{"model": 3}'])
        )
    elif kind == 1:
        key = rng.choice(["model", "task", "model_options", "task_options", "training", "export_dir", "run_id"])
        settings[key] = rng.choice([v for v in JUNK if not isinstance(v, type(settings[key]))])
        path.write_text(json.dumps(settings))
    elif kind == 2:
        settings["data"] = rng.choice([3, [], {"digest": 3}, {"files": "x"}, {**settings["data"], "files": [3]}])
        path.write_text(json.dumps(settings))
    else:
        damage = rng.choice([b"", b"PK", bytes(range(256)), None])
        for file in (folder / name / "checkpoints").glob("step-*.npz"):
            if damage is None:
                checkpoint.save(file, {"model": [np.zeros(3)]}, {"step": 1, "progress": {}})
            else:
                file.write_bytes(damage)
    arguments = [*of("char_lm", "book.txt", "--seq_length=10"), f"--run_dir={name}", "--resume", "--steps=3"]
    return Case("train", arguments, (name, "checkpoint"))


def stored_export(rng, folder):
    """An export that is damaged, under each command that reads one."""
    name = f"export-{rng.randrange(10**9)}"
    copy(folder / "export", folder / name)
    config_path = folder / name / "assets.extra" / "config.json"
    command = rng.choice(["predict", "generate"])
    kind = rng.randrange(3)
    if kind == 0 and command == "predict":
        settings = json.loads(config_path.read_text())
        key = rng.choice(["inputs", "outputs", "per_step", "input_size", "loss", "vocabulary", "level", "labels"])
        junk = rng.choice([v for v in (None, 3.5, "zz", [3], {"a": 1}, [[["x"]]]) if v != settings["spec"][key]])
        settings["spec"] = rng.choice([3, [], "x", {**settings["spec"], key: junk}, {"inputs": "tokens"}])
        config_path.write_text(json.dumps(settings))
    elif kind == 1:
        path = folder / name / "saved_model.pb"
        whole = path.read_bytes()
        path.write_bytes(rng.choice([b"", b"\xff" * 100, whole[: len(whole) // 2], whole[7:]]))
    else:
        for path in (folder / name / "variables").iterdir():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    return Case(command, [name], (name,))


def stored_model(rng, folder):
    """A run that cannot be inspected."""
    name = f"looked-at-{rng.randrange(10**9)}"
    copy(folder / "run", folder / name)
    path = folder / name / rng.choice(["config.json", "model.keras"])
    path.write_bytes(rng.choice([b"", b"PK\x03\x04", b"[]", path.read_bytes()[:100]]))
    return Case("inspect", [name], (name,))


def bad_command(rng, folder):
    """Arguments of the other commands."""
    cases = [
        ("predict", [], "EXPORT"),
        ("predict", ["nowhere"], "nowhere"),
        ("predict", ["book.txt"], "book.txt"),
        ("predict", ["export", "--beam=3"], "beam"),
        ("predict", ["export", "--beam=0"], "beam"),
        ("predict", ["export", "--input=nowhere.txt"], "nowhere.txt"),
        ("predict", ["export", "--encoding=utf-16"], "utf-16"),
        ("predict", ["export", "--output=nowhere/x"], "nowhere"),
        ("predict", ["export", "--attention_plot=x.png"], "attention_plot"),
        ("generate", ["export", "--length=-1"], "length"),
        ("generate", ["export", "--length=2000000"], "length"),
        ("generate", ["export", "--temperature=nan"], "temperature"),
        ("generate", ["export", "--seed=-1"], "seed"),
        ("generate", ["export", "--top_k=-1"], "top_k"),
        ("generate", ["model.pkl"], "model.pkl"),
        ("generate", ["export", "--top_k=3000000000"], "top_k"),
        ("generate", ["export", "--temperature=1e39"], "temperature"),
        ("generate", ["export", "--prompt=\udcff"], "prompt"),
        ("predict", ["export", "--batch_size=1" + "0" * 30], "batch_size"),
        ("inspect", ["run", "--text=\udcff"], "text"),
        ("generate", ["pipe"], "pipe"),
        ("inspect", ["nowhere"], "nowhere"),
        ("inspect", ["run", "--what=x"], "x"),
        ("inspect", ["run", "--text="], "text"),
        ("inspect", ["run", "run"], "run"),
        ("inspect", ["run", "--colour=red"], "colour"),
    ]
    command, arguments, named = rng.choice(cases)
    return Case(command, arguments, (named,))


DRAWN = [bad_flag] * 6 + [unknown_name, bad_path, bad_bytes, bad_lines, bad_lines, bad_arrays, bad_place]
DRAWN += [stored_run, stored_export, stored_model, bad_command]


def cases(folder, count=COUNT):
    rng = random.Random(SEED)
    for number in range(count):
        yield DRAWN[number % len(DRAWN)](rng, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Valid data, a finished run and its export."""
    folder = tmp_path_factory.mktemp("bad")
    write_whole(folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        more = ["--seq_length=10", "--run_dir=run", "--export_dir=export", "--verbosity=0"]
        assert cli.main(["train.py", *of("char_lm", "book.txt", *more)]) == 0
        yield folder
    finally:
        os.chdir(before)


class Hangs(Exception):
    pass


def ring(*_):
    raise Hangs


def answer(case, capsys):
    """Returns status and standard error of a command in this process, within a time limit."""
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(PATIENCE)
    capsys.readouterr()
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(b"some text\n"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            status = COMMANDS[case.command][0]([case.command, *case.arguments])
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        sys.stdin = stdin
    return status, capsys.readouterr().err


def wrong(case, status, error):
    """Describes what is wrong with an answer; empty if nothing is."""
    if status not in (1, 2):
        return f"status {status}"
    if error.count("\n") != 1 or not error.startswith("error: ") or "Traceback" in error:
        return "not one line"
    if error.startswith("error: internal error"):
        return "an internal error"
    return "" if any(part in error for part in case.named) else "the offender is not named"


def kept(folder):
    """Returns the files that must not change."""
    return contents(folder / "run"), contents(folder / "export"), (folder / "book.txt").read_bytes()


@pytest.mark.slow
def test_bad_inputs(folder, capsys):
    before, began, actual = kept(folder), time.monotonic(), []
    for case in cases(folder):
        try:
            status, error = answer(case, capsys)
            reason = wrong(case, status, error)
        except BaseException as raised:  # the watchdog's, or SystemExit
            reason, error = repr(raised)[:200], ""
        if reason:
            actual.append(f"{reason}: {case.command} {' '.join(case.arguments)[:300]}\n    {error[:300]}")
    assert not actual, f"{len(actual)} of {COUNT} in {time.monotonic() - began:.0f} s:\n" + "\n".join(actual)
    assert kept(folder) == before, "something that was there is lost"


@pytest.mark.slow
def test_bad_inputs_as_processes(folder):
    drawn = list(cases(folder))
    chosen = random.Random(SEED).sample(range(len(drawn)), PROCESSES)
    for number in chosen:
        case = drawn[number]
        command = [sys.executable, *COMMANDS[case.command][1], *case.arguments]
        command[1:2] = [str(ROOT / "train.py")] if case.command == "train" else command[1:2]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            input="some text\n",
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
        )
        assert not wrong(case, done.returncode, done.stderr), (case, done.returncode, done.stderr)


SIZES = {
    (kind, name, field.name)
    for kind, registry in (("model", rnnzoo.MODELS), ("task", rnnzoo.TASKS))
    for name in registry
    for field in dataclasses.fields(config.options_class(registry[name]))
    if field.metadata["size"] or field.name == "eval_size"
}
TASK_OF = {"seq2seq": "reverse", "decoder": "waveform", "recursive": "listops"}


def test_memory_estimate_knows_every_size_option(tmp_path, monkeypatch, capsys):
    """Options are refused at a thousand million before any data are read or made; all whole numbers that are none
    are listed here, with what bounds them."""
    monkeypatch.chdir(tmp_path)
    assert len(SIZES) > 150
    for kind, name, option in sorted(SIZES):
        task = name if kind == "task" else TASK_OF.get(name, "char_lm")
        model = name if kind == "model" else "lstm"
        began = time.monotonic()
        assert cli.main(["train.py", f"--model={model}", f"--task={task}", f"--{option}=1000000000"]) == 2
        error = capsys.readouterr().err
        assert option in error and ("GiB of memory" in error or "must be at most" in error), error
        assert time.monotonic() - began < PATIENCE
    bounded = {
        "min_count",
        "vocabulary_size",
        "bpe_size",
        "data_size",
        "max_source_length",
        "max_target_length",
        "max_length",
    }  # by the data
    bounded |= {"seasonal_period", "first_year", "last_year", "scheduled_sampling_steps"}  # no memory
    whole_numbers = {
        field.name
        for registry in (rnnzoo.MODELS, rnnzoo.TASKS)
        for name in registry
        for field in dataclasses.fields(config.options_class(registry[name]))
        if config.option_type(field) is int
    }
    assert whole_numbers == bounded | {option for *_, option in SIZES}
    assert not list(tmp_path.iterdir())
