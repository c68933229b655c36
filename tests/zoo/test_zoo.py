"""Recipes of pretrained models: the table, building, cards, verification, re-export."""

import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.run.directory import EXPORTS
from rnnzoo.run.folders import make_folder
from rnnzoo.run.settings import make_settings
from rnnzoo.zoo.__main__ import main
from rnnzoo.zoo.builder import run_with_signals
from rnnzoo.zoo.card_files import read_example, read_metrics
from rnnzoo.zoo.installation import install_model
from rnnzoo.zoo.recipes import RECIPES, read_recipes
from rnnzoo.zoo.sources import CONVERTERS, prepare_data
from rnnzoo.zoo.verification import compare_answers, is_close

ROOT = Path(rnnzoo.__file__).parent.parent
CARD = "---\nlicense: other\nmodel-index:\n- name: x\n---\n"
OWN = """
[source.mine]
title = "My data"
license = "mine"
credit = "Generated."

[source.file]
title = "My file"
license = "mine"
credit = "I wrote it."
address = "https://example.org/mine.txt"
file = "sub/mine.txt"
sha256 = "c62a7c2d6f9d4ea2d9a2b0a4f1b3c0d5e6f708192a3b4c5d6e7f8091a2b3c4d5"
product = "mine.txt"

[recipe.my-adder]
summary = "Adds."
flags = "--model=elman --task=adding --units=4 --seq_length=10 --eval_size=20 --steps=2"
source = "mine"
stages = ["--steps=3 --units=4"]
limits = { mse = LIMIT }
example = '''print(model(features=tf.ones([1, 10, 2]))["predictions"].numpy().round(3))'''

[recipe.my-text]
summary = "Reads."
flags = "--model=elman --task=char_lm --data=mine.txt"
source = "file"
limits = { bits_per_char = 9 }
example = "print(1)"
"""


@pytest.fixture
def own(tmp_path):
    """`own(command, *arguments)`: the status of a command with recipes of the user's own."""
    path = tmp_path / "mine.toml"
    path.write_text(OWN.replace("LIMIT", "100"))

    def run(*arguments):
        folders = [f"--work_dir={tmp_path}/work", f"--models_dir={tmp_path}/models"]
        return main(["zoo", *arguments, f"--recipes={path}", *folders])

    return run


def test_recipes_are_complete():
    recipes = read_recipes()
    assert len(recipes) >= 30
    for recipe in recipes.values():
        flags = dict(flag.removeprefix("--").split("=", 1) for flag in recipe.flags.split() if "=" in flag)
        settings = make_settings({"model": flags["model"], "task": flags["task"]})
        assert settings.run.task == flags["task"] and recipe.name.startswith(flags["model"]) and recipe.limits
        assert 0 < recipe.max_mib <= 8 and recipe.summary.endswith(".")
        assert ("--data=" in recipe.flags and flags["data"] != "mnist1d") == bool(recipe.source.file)
        assert not recipe.source.convert or recipe.source.convert in CONVERTERS
    for name in rnnzoo.list_cells():
        assert f"{name}-char_lm-compare" in recipes, f"no character model of the cell {name} to compare"


def test_gitignore_admits_the_recipes():
    lines = (ROOT / ".gitignore").read_text().splitlines()
    admitted = [line for line in lines if line.startswith("!saved_models/") and line.endswith("/")]
    assert admitted == [f"!saved_models/{name}/" for name in read_recipes()]


def test_default_exports_do_not_take_the_names_of_recipes(tmp_path):
    recipes = read_recipes()
    assert make_folder(tmp_path / "lstm-reber", False, recipes).name == "lstm-reber-2"
    assert make_folder(tmp_path / "lstm-copy", False, recipes).name == "lstm-copy"
    assert make_folder(tmp_path / "lstm-reber", True, recipes).name == "lstm-reber"  # named by the user
    assert Path("saved_models") == EXPORTS


@pytest.mark.slow
def test_a_folder_with_a_card_is_not_overwritten(tmp_path):
    model = rnnzoo.create_model("elman", rnnzoo.create_task("adding").spec, units=2)
    path = rnnzoo.export_saved_model(model, tmp_path / "mine")
    (path / "README.md").write_text(CARD)
    with pytest.raises(rnnzoo.UserError, match="which only python -m"):
        rnnzoo.export_saved_model(model, path, overwrite=True)
    assert (path / "README.md").read_text() == CARD
    (path / "README.md").write_text("notes of mine")
    rnnzoo.export_saved_model(model, path, overwrite=True)  # which is no card


@pytest.mark.parametrize(
    "text, message",
    [
        ("x = [", "is not a TOML file"),
        ("[other.x]", r"there is no table \[other\]"),
        ("[source.a]\ntitle = 'A'", "source.a lacks license, credit"),
        (OWN.replace("LIMIT", "1").replace("summary", "sumary"), "has no key 'sumary'"),
        (OWN.replace("LIMIT", "1").replace('source = "mine"', 'source = "none"'), r"no table \[source.none\]"),
        (OWN.replace("{ mse = LIMIT }", "3"), "limits has the wrong type"),
        (OWN.replace("LIMIT", "1").replace("recipe.my-adder", "recipe.'a/b'"), "a name has letters"),
        ("[recipe]\nr = 3", "recipe.r is not a table"),
        ("[recipe.r]\nsummary = 'x'", r"no table \[source.None\]"),
        (OWN.replace("LIMIT", "'x'"), "limits must be numbers"),
        (OWN.replace("LIMIT", "1").replace('sha256 = "c', 'sha256 = "C'), "sha256 must have 64 digits"),
        (OWN.replace("LIMIT", "1").replace('product = "mine.txt"', ""), "has a file, and needs product too"),
        (OWN.replace("LIMIT", "1").replace('product = "mine', 'product = "../mine'), "without a folder"),
    ],
)
def test_wrong_files_of_recipes_are_refused(tmp_path, text, message):
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(rnnzoo.UserError, match=message):
        read_recipes(path)


def test_data_are_checked(tmp_path):
    source = read_recipes()["lstm-char_lm-shakespeare"].source
    with pytest.raises(rnnzoo.UserError, match="this recipe needs Tiny Shakespeare: download https://"):
        prepare_data(source, None, tmp_path / "out")
    with pytest.raises(rnnzoo.UserError, match="there is no tinyshakespeare"):
        prepare_data(source, tmp_path, tmp_path / "out")
    (tmp_path / "tinyshakespeare").mkdir()
    (tmp_path / "tinyshakespeare/input.txt").write_text("ROMEO")
    with pytest.raises(rnnzoo.UserError, match="is another version of Tiny Shakespeare"):
        prepare_data(source, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out/shakespeare.txt").exists()


def test_commands_refuse_bad_input(own, capsys):
    for arguments, message in (
        (["build"], "build needs the names of recipes"),
        (["build", "my-ader"], "unknown recipe 'my-ader'; did you mean my-adder"),
        (["burn", "my-adder"], "there is no command 'burn'"),
        (["build", "my-text"], "this recipe needs My file: download https://example.org/mine.txt"),
        (["reexport", "my-adder"], "has no model card"),
        (["verify"], "there is no built model in"),
    ):
        assert own(*arguments) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert own("list") == 0
    assert "my-adder  " in capsys.readouterr().out


def test_a_folder_without_a_card_is_not_replaced(own, tmp_path, capsys):
    folder = tmp_path / "models/my-adder"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("precious")
    assert own("build", "my-adder") == 2
    assert "has no model card and is not replaced" in capsys.readouterr().err
    assert (folder / "notes.txt").read_text() == "precious" and not (tmp_path / "work/my-adder").exists()


@pytest.mark.slow
def test_other_files_beside_a_card_are_kept(tmp_path):
    model = rnnzoo.create_model("elman", rnnzoo.create_task("adding").spec, units=2)
    export = rnnzoo.export_saved_model(model, tmp_path / "export")
    target = tmp_path / "models/mine"
    install_model(export, target, 1, CARD)
    (target / "LICENSE").write_text("mine")
    install_model(export, target, 1)
    assert (target / "LICENSE").read_text() == "mine" and (target / "README.md").read_text() == CARD
    target.rename(tmp_path / "models/old")  # as a process leaves it that is killed between two renames
    (tmp_path / "models/.mine-abcdefgh").mkdir()
    (tmp_path / "models/old").rename(tmp_path / "models/.mine-abcdefgh/old")
    install_model(export, target, 1)
    assert (target / "LICENSE").read_text() == "mine"
    with pytest.raises(RuntimeError, match=r"takes 0.\d+ MiB, more than the 0.01 MiB"):
        install_model(export, target, 0.01)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["mine"]


def test_ctrl_c_waits_for_the_training():
    code = "import signal, sys, time; signal.signal(2, lambda *_: sys.exit(130)); time.sleep(60)"
    timer = threading.Timer(3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    assert run_with_signals([sys.executable, "-c", code]) == 130
    timer.join()


@pytest.mark.slow
def test_build_verify_and_reexport_a_recipe_of_ones_own(own, tmp_path, capfd):
    models = tmp_path / "models"
    assert own("build", "my-adder") == 0
    figures, data = read_metrics(models / "my-adder")
    assert figures["mse"] > 0 and data
    code, answer = read_example(models / "my-adder")
    assert len(code.splitlines()) == 3 and answer.startswith("[[")
    assert str(tmp_path) not in (models / "my-adder/README.md").read_text()
    config = json.loads((models / "my-adder/assets.extra/config.json").read_text())
    assert str(tmp_path) not in json.dumps(config)
    assert config["init_from"] == "my-adder.part1" and config["task_options"]["seq_length"] == 10
    assert (models / "my-adder/curve.png").stat().st_size < 100_000

    assert own("verify") == 0
    assert "my-adder: as its card states, loss" in capfd.readouterr().out
    weights = {name: value.numpy() for name, value in tf.saved_model.load(models / "my-adder").weights.items()}
    assert own("reexport") == 0
    again = tf.saved_model.load(models / "my-adder").weights
    assert all((again[name].numpy() == value).all() for name, value in weights.items())
    assert read_metrics(models / "my-adder")[0] == figures and (models / "my-adder/curve.png").exists()
    assert own("verify", "my-adder") == 0

    card = models / "my-adder/README.md"
    text = card.read_text()
    card.write_text(text.replace(f"value: {figures['mse']:.5g}", "value: 7.5"))
    capfd.readouterr()
    assert own("verify") == 1
    assert "error: my-adder: loss is" in capfd.readouterr().err
    card.write_text(text)

    (tmp_path / "mine.toml").write_text(OWN.replace("LIMIT", "100").replace("--units=4 --seq", "--units=5 --seq"))
    assert own("build", "my-adder") == 2
    assert "has other flags than the recipe: delete that folder to train again" in capfd.readouterr().err
    (tmp_path / "mine.toml").write_text(OWN.replace("LIMIT", "0.00001"))
    assert own("build", "my-adder") == 1  # the run is not repeated, and the model of before is left
    assert "the recipe asks for at most 1e-05" in capfd.readouterr().err
    assert card.read_text() == text
    shutil.rmtree(tmp_path / "work")


@pytest.mark.parametrize(
    "stated, measured, same",
    [
        ("[[0.12 1.5]] abc", "[[0.121  1.501]] abc", True),
        ("[1.   0.5]", "[0.99 0.5 ]", True),
        ("[-0. 0.5]", "[0. 0.5]", True),
        ("[ 0.01 -0.5 ]", "[-0. -0.5 ]", True),
        ("[[0.12 1.5]] abc", "[[0.12 1.9]] abc", False),
        ("[[0.12 1.5]] abc", "[[0.12 1.5]] abd", False),
        ("[[0.12 1.5]] abc", "[[0.12]] abc", False),
        ("1994-03-03", "1994-03-04", False),
    ],
)
def test_answers_are_compared_up_to_rounding(stated, measured, same):
    if same:
        compare_answers(stated, measured)
    else:
        with pytest.raises(RuntimeError, match="its card states"):
            compare_answers(stated, measured)


def test_metrics_are_compared_relative_to_their_size():
    assert is_close(0.50005, 0.5) and is_close(0.0, 0.0)
    assert not is_close(0.00024, 0.00015) and not is_close(0.988, 0.99) and not is_close(float("nan"), 1.0)


def test_the_table_of_recipes_is_part_of_the_package():
    assert RECIPES.is_file() and "zoo/recipes.toml" in (ROOT / "setup.py").read_text()
    assert json.dumps(list(read_recipes()))
