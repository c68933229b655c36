"""Runs that begin with the weights of a trained model: `--init_from` and `--freeze`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import rnnzoo
from rnnzoo.run.cli import main

pytestmark = pytest.mark.slow
TEXT = "the cat sat on the mat. " * 60
SMALL = ["--steps=4", "--eval_every=4", "--units=6", "--embedding=4", "--batch_size=4", "--seq_length=10"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run and an export of a language model of a small text."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "a.txt").write_text(TEXT)
    folders = [f"--run_dir={folder}/run", f"--export_dir={folder}/export"]
    assert main(["train.py", "--model=lstm", f"--data={folder}/a.txt", "--seed=5", *SMALL, *folders]) == 0
    return folder


def train(tmp_path, *arguments):
    return main(["train.py", *arguments, f"--run_dir={tmp_path}/run", f"--export_dir={tmp_path}/export"])


def config(folder):
    return json.loads(Path(folder, "run", "config.json").read_text())


@pytest.mark.parametrize("source", ["run", "export"])
def test_a_run_inherits_options_and_weights(trained, tmp_path, capsys, source):
    (tmp_path / "b.txt").write_text(TEXT.replace("cat", "dog") + "!!")
    given = [f"--init_from={trained}/{source}", f"--data={tmp_path}/b.txt", "--steps=2", "--freeze=embedding,core"]
    assert train(tmp_path, *given) == 0
    printed = capsys.readouterr().out
    assert "13 known, 2 new" in printed and "keeps the random vectors of the 2 new ones" in printed  # "d" and "g"
    stored, before = config(tmp_path), config(trained)
    assert stored["model_options"] == before["model_options"] and stored["training"]["learning_rate"] == 0.01
    assert stored["task_options"]["seq_length"] == 10 and stored["task_options"]["data"] == f"{tmp_path}/b.txt"
    assert stored["init_from"] == f"{trained}/{source}"
    exported = json.loads((tmp_path / "export/assets.extra/config.json").read_text())
    assert exported["init_from"] == source
    old, new = (rnnzoo.load_pretrained(folder / "export") for folder in (trained, tmp_path))
    for path, weight in old.weights_by_path().items():
        if "stack" in path:
            np.testing.assert_array_equal(new.weights_by_path()[path], weight)
    assert new.spec.vocabulary != old.spec.vocabulary


def test_a_resumed_run_goes_on_from_its_checkpoint(trained, tmp_path, capsys):
    source = tmp_path / "source"
    shutil.copytree(trained / "export", source)
    given = [f"--data={trained}/a.txt", "--seed=1", "--eval_every=2", "--schedule=constant"]
    begun = [f"--init_from={source}", *given]
    assert train(tmp_path / "whole", *begun, "--steps=4") == 0
    assert train(tmp_path / "parts", *begun, "--steps=2") == 0
    shutil.rmtree(source)  # which the checkpoint replaces
    capsys.readouterr()
    assert train(tmp_path / "parts", *given, "--steps=4", "--resume", *SMALL[2:]) == 2
    assert "init_from was" in capsys.readouterr().err
    assert train(tmp_path / "parts", *begun, "--steps=4", "--resume") == 0
    assert "tokens: " not in capsys.readouterr().out  # the weights are not read again
    whole, parts = (rnnzoo.load_pretrained(tmp_path / name / "export") for name in ("whole", "parts"))
    for path, weight in whole.weights_by_path().items():
        np.testing.assert_allclose(parts.weights_by_path()[path], weight, atol=1e-6)


@pytest.mark.parametrize("folder, name", [("run_dir", "run"), ("export_dir", "export")])
def test_a_run_does_not_overwrite_its_source(trained, capsys, folder, name):
    given = [f"--init_from={trained}/{name}", f"--{folder}={trained}/{name}", "--overwrite", "--steps=2"]
    assert main(["train.py", *given, f"--data={trained}/a.txt"]) == 2
    assert f"--{folder}={trained}/{name} is the model of --init_from" in capsys.readouterr().err
    assert (trained / "run/model.keras").is_file() and (trained / "export/saved_model.pb").is_file()


def test_another_task_gets_a_new_output_layer(trained, tmp_path, capsys):
    (tmp_path / "rows.csv").write_text("text,label\n" + "the cat,x\na mat,y\nsat on,x\nthe mat,y\n" * 8)
    given = [
        f"--init_from={trained}/run",
        "--task=classify",
        f"--data={tmp_path}/rows.csv",
        "--steps=2",
        "--level=char",
    ]
    assert train(tmp_path, *given) == 0
    assert "output layer: new" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--init_from=no-such-model"], "there is no file or folder no-such-model"),
        (["--init_from={folder}"], "is neither a pretrained model, an export nor the folder of a run"),
        (["--init_from={folder}/export", "--units=7"], "its weight network/stack/rnn/lstm_cell/kernel has the shape"),
        (["--init_from={folder}/export", "--freeze=tail"], "--freeze=tail: this model has no such part"),
        (["--init_from={folder}/export", "--model=gru"], "it has no weight network/stack/rnn/gru_cell"),
    ],
)
def test_what_does_not_fit_is_refused(trained, tmp_path, capsys, arguments, message):
    arguments = [a.format(folder=trained) for a in arguments]
    assert train(tmp_path, *arguments, f"--data={trained}/a.txt", "--steps=2") == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1
    assert not (tmp_path / "run").exists() and not (tmp_path / "export").exists()
