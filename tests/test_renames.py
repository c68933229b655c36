"""Names of earlier versions: flags answer with the new name, and stored configurations are read as what they were."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import rnnzoo
from rnnzoo import config, renames
from rnnzoo.registry import MODELS, TASKS
from rnnzoo.run.cli import main
from rnnzoo.run.settings import REMOVED, changed_options, make_settings
from rnnzoo.spec import TaskSpec
from rnnzoo.training import TrainingOptions

ROOT = Path(rnnzoo.__file__).parent.parent
OLD_OPTIONS = [*renames.RENAMED["option"], *renames.SPLIT_OPTIONS]


def options_of(settings_class):
    return set(settings_class.__dataclass_fields__)


def all_options():
    classes = [config.options_class(registry[name]) for registry in (MODELS, TASKS) for name in registry]
    return set().union(*map(options_of, classes), options_of(TrainingOptions))


@pytest.mark.parametrize("old", OLD_OPTIONS)
def test_an_old_option_has_new_names_and_is_gone(old):
    names = all_options()
    assert set(renames.new_names(old)) <= names and renames.new_names(old)
    assert old not in names, f"{old} is still an option: its value would be taken for another one"


@pytest.mark.parametrize(
    "argument", ["--both_ways", "--noboth_ways", "--both_ways=true", "-both_ways", "--noboth_ways=1"]
)
def test_an_old_switch_answers_with_the_new_name(argument, capsys):
    assert main(["train.py", "--model=seq2seq", "--task=dates", argument]) == 2
    error = capsys.readouterr().err
    assert error == "error: --both_ways was renamed to --bidirectional_encoder\n"


OWNERS = {
    "--held_out=0.2": (["--task=char_lm"], "--validation_fraction and --test_fraction"),
    "--carry_state": (["--task=char_lm"], "--stateful"),
    "--layer_dropout=0.1": (["--model=lstm"], "--output_dropout"),
    "--source_max=9": (["--model=seq2seq", "--task=pairs"], "--max_source_length"),
    "--characters": (["--task=tag"], "--char_embedding"),
    "--valid_data=x": (["--task=tag"], "--validation_data"),
    "--early_stop=3": (["--model=lstm"], "--early_stopping_patience"),
    "--lower": (["--task=classify"], "--lowercase"),
    "--season=24": (["--task=forecast"], "--seasonal_period"),
}


@pytest.mark.parametrize("argument", OWNERS)
def test_an_old_flag_answers_with_the_new_name(argument, capsys):
    flags, new = OWNERS[argument]
    assert main(["train.py", *flags, argument]) == 2
    old = argument.partition("=")[0]
    assert capsys.readouterr().err == f"error: {old} was renamed to {new}\n"


def stored_by_an_earlier_version(settings, changes):
    """Returns `config.json` of a run of an earlier version: some options have their old names."""
    stored = json.loads(json.dumps(settings.to_json()))
    for part, (removed, added) in changes.items():
        for name in removed:
            del stored[part][name]
        stored[part] |= added
    return stored


FRACTIONS = ["validation_fraction", "test_fraction"]
RENAMED_RUNS = [
    ("lstm", "char_lm", "training", ["stateful"], {"carry_state": True}, {}),
    ("lstm", "char_lm", "training", ["stateful"], {"carry_state": True}, {"stateful": False}),
    ("lstm", "char_lm", "training", ["stateful"], {"carry_state": False}, {}),
    ("lstm", "char_lm", "task_options", FRACTIONS, {"held_out": 0.1}, {}),
    ("lstm", "char_lm", "task_options", FRACTIONS, {"held_out": 0.2}, {}),
    ("lstm", "char_lm", "task_options", FRACTIONS, {"held_out": 0.1}, {"test_fraction": 0.1}),
    ("seq2seq", "g2p", "task_options", FRACTIONS, {"held_out": 0.15}, {}),
    ("seq2seq", "g2p", "task_options", FRACTIONS, {"held_out": 0.3}, {}),
    ("lstm", "char_lm", "model_options", ["output_dropout"], {"layer_dropout": 0.5}, {}),
    ("lstm", "char_lm", "model_options", ["output_dropout"], {"layer_dropout": 0.5}, {"output_dropout": 0.5}),
]
CHANGED = [[], ["stateful"], ["stateful"], [], FRACTIONS, ["test_fraction"], [], FRACTIONS, ["output_dropout"], []]


@pytest.mark.parametrize(("run", "changed"), list(zip(RENAMED_RUNS, CHANGED, strict=True)))
def test_renamed_options_are_compared_by_value(run, changed):
    """Neither does an old name count as an option that did not exist, nor a new one as a change."""
    model, task, part, removed, added, given = run
    defaults = make_settings({"model": model, "task": task})
    stored = stored_by_an_earlier_version(defaults, {part: (removed, added)})
    now = make_settings({"model": model, "task": task, **given})
    assert [name for name, *_ in changed_options(stored, now)] == changed


def test_an_option_that_did_not_exist_has_its_default():
    settings = make_settings({"model": "lstm", "task": "char_lm"})
    stored = stored_by_an_earlier_version(settings, {"model_options": (["zoneout"], {})})
    assert list(changed_options(stored, settings)) == []
    other = make_settings({"model": "lstm", "task": "char_lm", "zoneout": 0.25})
    assert list(changed_options(stored, other)) == [("zoneout", 0.0, 0.25)]


def test_an_option_that_no_longer_exists_is_a_change():
    settings = make_settings({"model": "lstm", "task": "char_lm"})
    stored = stored_by_an_earlier_version(settings, {"training": ([], {"momentum": 0.9})})
    assert list(changed_options(stored, settings)) == [("momentum", 0.9, REMOVED)]


def test_another_model_or_task_is_a_change():
    stored = make_settings({"model": "lstm", "task": "char_lm"}).to_json()
    changes = list(changed_options(stored, make_settings({"model": "gru", "task": "char_lm"})))
    assert changes[0] == ("model", "lstm", "gru")


def test_fields_of_an_old_spec():
    words = {"vocabulary": ("", "the", "cat"), "char_vocabulary": ("", "a"), "word_length": 5, "input_size": 3}
    spec = TaskSpec("tokens", "class", True, output_size=2, loss="cross_entropy", metrics=("loss",), **words)
    stored = spec.to_json()
    new_to_old = {new: old for old, new in renames.RENAMED["spec"].items()}
    assert new_to_old.keys() <= stored.keys()
    old = {new_to_old.get(name, name): value for name, value in stored.items()}
    assert old != stored and TaskSpec.from_json(old) == spec


def test_an_argument_of_an_old_layer():
    layer = rnnzoo.layers.Bridge([[3], [4, 4]])
    stored = layer.get_config()
    stored["heights"] = stored.pop("state_sizes")
    assert type(layer).from_config(stored).get_config() == layer.get_config()


def test_the_old_name_of_an_inspection():
    command = [sys.executable, "-m", "rnnzoo.inspect", "runs/x", "--what=reach"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 2
    assert result.stderr == "error: --what=reach was renamed to --what=effective_context\n"
