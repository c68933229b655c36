"""Registry, options, flags and JSON."""

import dataclasses
import json

import keras
import pytest

import rnnzoo
from rnnzoo import config
from rnnzoo.registry import Registry
from rnnzoo.run import catalogue, cli
from rnnzoo.run.settings import RunOptions, make_settings
from rnnzoo.spec import TaskSpec


def test_names_are_sorted_and_matched():
    assert rnnzoo.list_cells() == sorted(rnnzoo.list_cells())
    assert rnnzoo.list_models("ls*tm") == ["lstm"]
    assert {"adding", "char_lm"} <= set(rnnzoo.list_tasks())
    assert set(rnnzoo.list_cells()) <= set(rnnzoo.list_models())


def test_duplicate_names_the_first_owner():
    registry = Registry("thing")

    @registry.register("a")
    def first():
        pass

    with pytest.raises(
        rnnzoo.UserError, match=r"thing 'a' is already registered by tests\.test_registry_config\..*first"
    ):
        registry.register("a")(lambda: None)


def test_unknown_names_the_nearest():
    with pytest.raises(rnnzoo.UserError, match="unknown cell 'lstn'; did you mean lstm"):
        rnnzoo.CELLS["lstn"]


def test_cell_registered_later_is_a_model_and_serializable():
    @rnnzoo.CELLS.register("late-elman")
    class LateCell(rnnzoo.cells.ElmanCell):
        """A cell of a user's own."""

        def __init__(self, units: int, activation="tanh", *, slope: float = 2.0, **kwargs):
            super().__init__(units, activation, **kwargs)
            self.slope = slope

    try:
        spec = TaskSpec("features", "vector", False, 2, 1, "mse", ("mse",))
        model = rnnzoo.create_model("late-elman", spec, units=3, slope=3.0)
        assert model.core.layers[0].cell.slope == 3.0
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
        assert again.core.layers[0].cell.slope == 3.0
        assert keras.saving.get_registered_name(LateCell) == "rnnzoo>LateCell"
    finally:
        del rnnzoo.CELLS._entries["late-elman"], rnnzoo.MODELS._entries["late-elman"]


def configured(*arguments):
    return make_settings(cli.parse(["train.py", *arguments])[0])


def test_flags_become_options_and_json():
    made = configured(
        "--model=jordan", "--units=7", "--output_units=3", "--task=adding", "--nojit_compile", "--batch_size=9"
    )
    assert (made.model.units, made.model.output_units, made.task.batch_size) == (7, 3, 9)
    assert made.training.jit_compile is False
    values = json.loads(json.dumps(made.to_json()))
    assert config.create_options(type(made.model), values["model_options"], "model") == made.model
    assert config.create_options(type(made.training), values["training"], "training") == made.training
    assert config.create_options(type(made.task), values["task_options"], "task") == made.task


def test_defaults_then_task_then_flags():
    assert configured("--task=adding").training.steps == 5000
    assert configured("--task=adding", "--steps=3").training.steps == 3
    assert configured().training.learning_rate == rnnzoo.TASKS["char_lm"].training_defaults["learning_rate"]


def test_every_option_has_help_and_a_flag():
    actual = catalogue.load()
    flags = {name for name, _, _ in catalogue.flags_of(actual)}
    pairs = [(model, "char_lm") for model in rnnzoo.MODELS] + [("lstm", task) for task in rnnzoo.TASKS]
    for model, task in pairs:
        text = cli.usage(actual, model, task)
        for entry in (rnnzoo.MODELS[model], rnnzoo.TASKS[task], None):
            for field in dataclasses.fields(config.options_class(entry) if entry else RunOptions):
                assert field.metadata["help"] and field.name in flags
                assert f"--{field.name}" in text


def test_spec_round_trip():
    spec = rnnzoo.create_task("adding").spec
    assert TaskSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_models_and_tasks_have_different_options():
    """One flag would set both."""

    def names(registry):
        return {f.name for name in registry for f in dataclasses.fields(config.options_class(registry[name]))}

    assert not names(rnnzoo.MODELS) & names(rnnzoo.TASKS)
