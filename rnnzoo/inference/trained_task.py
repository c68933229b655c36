"""The task that a model was trained on, with its own data or with others."""

import dataclasses
import os
from typing import Any

from rnnzoo import config
from rnnzoo.errors import UserError
from rnnzoo.models import ZooModel
from rnnzoo.registry import TASKS
from rnnzoo.renames import apply_renames, apply_value_rename
from rnnzoo.serialization import constructor_parameters
from rnnzoo.tasks.base import Task

SPLITS = ("data", "validation_data", "test_data")


def create_trained_task(
    model: ZooModel, stored: dict[str, Any], path: str | os.PathLike, given: dict[str, Any]
) -> Task:
    """Creates the task of a trained model, with the vocabulary and the scale that the model was trained with.

    Args:
        model: the model.
        stored: the configuration of its export or run.
        path: the folder of the export or run, for messages.
        given: options of the task that differ from those of the training. With `data`, all splits are those data;
            without it they are those that the task generates or finds itself.

    Raises:
        UserError: the configuration does not name the task, the task generates its own data and reads no file, or it
            needs a file and there is none.
    """
    name, values = _read_options(stored, path)
    task_class: Any = TASKS[name]
    options_class = config.options_class(task_class)
    names = {field.name for field in dataclasses.fields(options_class)}
    if "data" in given and "data" not in names:
        raise UserError(f"task '{name}' generates its own data and reads no file")
    if unknown := given.keys() - names:
        raise UserError(f"--{min(unknown)} is no option of task '{name}'")
    values |= given
    if "data" in given:
        values |= {split: given["data"] for split in SPLITS if split in names}
    elif any(values.get(split) for split in SPLITS):
        raise UserError(f"task '{name}' was trained on a file: give labelled data of the same format by --data")
    options = config.create_options(options_class, values, f"task '{name}'")
    takes_spec = "spec" in constructor_parameters(task_class)
    return task_class(options, model.spec) if takes_spec else task_class(options)


def create_own_task(model: ZooModel, stored: dict[str, Any], path: str | os.PathLike) -> Task:
    """Creates the task of a trained model with the data, and the splits, of its training.

    Raises:
        UserError: the configuration does not name the task, or its data are missing or give another vocabulary.
    """
    name, values = _read_options(stored, path)
    if not any(values.get(split) for split in SPLITS):
        return create_trained_task(model, stored, path, {})
    task = TASKS[name](config.create_options(config.options_class(TASKS[name]), values, f"task '{name}'"))
    if task.spec != model.spec:
        raise UserError(f"{path}: its data are not those of its training: they give task '{name}' another vocabulary")
    return task


def _read_options(stored: dict[str, Any], path: str | os.PathLike) -> tuple[str, dict[str, Any]]:
    """Returns the name of a trained model's task and the options it was trained with."""
    if "task" not in stored or "task_options" not in stored:
        raise UserError(f"{path} does not record its task: it was not exported by train.py")
    return apply_value_rename(stored["task"]), dict(apply_renames("option", stored["task_options"]))
