"""The settings of a run: all options with their final values."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rnnzoo
from rnnzoo import config
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import MODELS, TASKS
from rnnzoo.renames import apply_renames, apply_value_rename
from rnnzoo.run.initialization import read_inherited_options
from rnnzoo.tasks import Task
from rnnzoo.training import TrainingOptions

REMOVED = object()
SAME = {("columns", "0,-1", "")}  # of `tag`: the former default, and the present one
BEFORE_IT_EXISTED = {"difference": "none", "unknown_dropout": 0.0}  # what earlier versions did, if not the default
MAY_CHANGE = ("rnnzoo", "steps", "epochs", "eval_every", "checkpoint_every", "early_stopping_patience", "cache_dir")
COMPARED_AS_ENGINE = ("jit_compile", "deterministic")  # see `rnnzoo.training.engine.check_engine`


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """Options of a run: model, task, folders and output."""

    model: str = option("lstm", "name of the model")
    task: str = option("char_lm", "name of the task")
    run_dir: str | None = option(None, "folder for config, log and checkpoints; default: a new one in runs/")
    export_dir: str | None = option(None, "folder for the SavedModel; default: a new one in saved_models/")
    init_from: str | None = option(
        None, "begin with the weights of this pretrained model, export or run, and inherit its options"
    )
    distribute: str = option(
        "auto",
        "divide batches over the GPUs of this machine (mirrored) or over processes (multi_worker); auto: where "
        "TF_CONFIG describes several processes, or several GPUs are there",
        choices=("auto", "none", "mirrored", "multi_worker"),
    )
    devices: int | None = option(
        None, "number of GPUs, or without a GPU of virtual CPU devices, of --distribute=mirrored", minimum=1
    )
    worker_timeout: int = option(300, "seconds to wait for the other processes of multi_worker", minimum=1)
    resume: bool = option(False, "continue the run in run_dir, or the newest run of this model and task")
    inspect: bool = option(False, "at the end, write figures of gradients, gates, states ... to inspect/ in run_dir")
    overwrite: bool = option(False, "use run_dir and export_dir even if they are not empty")
    allow_changed_data: bool = option(
        False, "with --resume: continue although the data changed, if the vocabulary did not"
    )
    verbosity: int = option(1, "0: errors only; 1: progress; 2: the configuration and TensorFlow's notices", minimum=0)


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """All options of a run, with their final values."""

    run: RunOptions
    model: Any
    task: Any
    training: TrainingOptions

    def to_json(self, with_paths: bool = True) -> dict[str, Any]:
        """Returns the settings as stored in `config.json`; an export has no path of `--init_from`, `--cache_dir`."""
        parts = {"model_options": self.model, "task_options": self.task, "training": self.training}
        names: dict[str, Any] = {"model": self.run.model, "task": self.run.task, "rnnzoo": rnnzoo.__version__}
        source = self.run.init_from or ""
        names["init_from"] = source if with_paths else Path(source).name
        settings = {**names, **{name: dataclasses.asdict(part) for name, part in parts.items()}}
        if not with_paths:
            settings["task_options"].pop("cache_dir", None)
        return settings

    def resolve_epochs(self, task: Task) -> "RunSettings":
        """Returns the settings with `--epochs` converted to steps. Raises `UserError` for data without end."""
        if self.training.epochs is None:
            return self
        length = task.steps_per_epoch()
        if length is None:
            raise UserError(f"--epochs does not apply to task '{self.run.task}', whose data never ends; give --steps")
        training = dataclasses.replace(self.training, steps=self.training.epochs * length)
        return dataclasses.replace(self, training=training)


def _find_owners(name: str) -> list[str]:
    """Returns the flags of the tasks and models that have an option."""
    owned = [("task", TASKS[task], task) for task in TASKS] + [("model", MODELS[model], model) for model in MODELS]
    return [
        f"--{kind}={owner}"
        for kind, registered, owner in owned
        if name in {field.name for field in dataclasses.fields(config.options_class(registered))}
    ]


def make_settings(given: dict[str, Any]) -> RunSettings:
    """Combines the options that are given with the defaults of the task and of all options.

    Raises:
        UserError: an option that neither the model nor the task has, or a value out of range.
    """
    run_names = {field.name for field in dataclasses.fields(RunOptions)}
    resumed_dir = given.get("run_dir") if given.get("resume") else None
    source = given.get("init_from")
    names, inherited = read_inherited_options(source, resumed_dir) if source else ({}, {})
    given = {**names, **given}
    run = config.create_options(
        RunOptions, {name: value for name, value in given.items() if name in run_names}, "a run"
    )
    task = TASKS[run.task]
    classes = {
        "model": config.options_class(MODELS[run.model]),
        "task": config.options_class(task),
        "training": TrainingOptions,
    }
    model_names = {field.name for field in dataclasses.fields(classes["model"])}
    model_defaults = {name: value for name, value in task.model_defaults.items() if name in model_names}
    values: dict[str, dict[str, Any]] = {"model": model_defaults, "task": {}, "training": dict(task.training_defaults)}
    for part in inherited:
        if part == "training" or getattr(run, part) == names.get(part):
            values[part] |= inherited[part]
    for name, value in given.items():
        owners = [part for part, cls in classes.items() if name in {f.name for f in dataclasses.fields(cls)}]
        if not owners and name not in run_names:
            others = _find_owners(name)
            where = f", but to {', '.join(others[:3])}{' and others' if others[3:] else ''}" if others else ""
            raise UserError(
                f"--{name} applies neither to model '{run.model}' nor to task '{run.task}'{where}; "
                f"their options: train.py --model={run.model} --task={run.task} --help"
            )
        for part in owners:
            values[part][name] = value
    return RunSettings(run, **{part: config.create_options(cls, values[part], part) for part, cls in classes.items()})


def changed_options(before: dict[str, Any], settings: RunSettings) -> Iterator[tuple[str, Any, Any]]:
    """Yields `(name, before, now)` of the options that differ, except those that may change in a resumed run.

    Args:
        before: the configuration of a run, stored by any version. An option that did not exist then counts with its
            default, or with what the version did; an option that does not exist any more is `REMOVED` now.
        settings: the settings now.
    """
    defaults = make_settings({"model": settings.run.model, "task": settings.run.task}).to_json()
    for part, now in settings.to_json().items():
        if not isinstance(now, dict):
            options, now, default = {part: apply_value_rename(before.get(part, now))}, {part: now}, {}
        else:
            options, default = apply_renames("option", before.get(part, {})), defaults[part]
        for name in [*now, *sorted(options.keys() - now.keys())]:
            before_it_existed = BEFORE_IT_EXISTED.get(name, default.get(name))
            values = options.get(name, before_it_existed), now.get(name, REMOVED)
            if (
                values[0] != values[1]
                and (name, *values) not in SAME
                and name not in (*MAY_CHANGE, *COMPARED_AS_ENGINE)
            ):
                yield name, *values
