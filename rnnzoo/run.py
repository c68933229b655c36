"""One run from flags to files: where they go, and train, evaluate, export."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import rnnzoo
from rnnzoo import config, inspect
from rnnzoo.config import option
from rnnzoo.errors import RunError, UserError, name_file
from rnnzoo.estimate import refuse_sizes, refuse_what_does_not_fit
from rnnzoo.export import export_saved_model
from rnnzoo.json_files import write_json
from rnnzoo.models.embedding import begin_at
from rnnzoo.plot import Events, draw_curve
from rnnzoo.registry import MODELS, TASKS
from rnnzoo.report import Reporter
from rnnzoo.run_directory import RunDirectory
from rnnzoo.samples import draw_outputs, show_outputs
from rnnzoo.tasks import recording
from rnnzoo.tasks.base import SPLITS, Task
from rnnzoo.training import Interrupted, Session, Trainer, TrainingOptions, checkpoint


class RunLost(RunError):
    """The folder of a run is gone, so that nothing of it could be kept."""


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What to train, and where it goes."""

    model: str = option("lstm", "name of the model")
    task: str = option("char_lm", "name of the task")
    run_dir: str | None = option(None, "folder for config, log and checkpoints; default: a new one in runs/")
    export_dir: str | None = option(None, "folder of the SavedModel; default: a new one in saved_models/")
    resume: bool = option(False, "go on with the run in run_dir, or with the newest of this model and task")
    inspect: bool = option(
        False, "at the end, pictures of gradients, gates, states ... to inspect/ in the run's folder"
    )
    overwrite: bool = option(False, "use run_dir and export_dir even if they hold something")
    allow_changed_data: bool = option(
        False, "with --resume: go on although the data changed, if the vocabulary did not"
    )
    verbosity: int = option(1, "0: errors only, 1: progress, 2: the configuration too", minimum=0)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Every option of a run, in its final value."""

    run: RunOptions
    model: Any
    task: Any
    training: TrainingOptions

    def to_json(self) -> dict[str, Any]:
        """The contents of `config.json`."""
        parts = {"model_options": self.model, "task_options": self.task, "training": self.training}
        names = {"model": self.run.model, "task": self.run.task, "rnnzoo": rnnzoo.__version__}
        return {**names, **{name: dataclasses.asdict(part) for name, part in parts.items()}}


def configure(given: dict[str, Any]) -> RunConfig:
    """Defaults, then the task's own, then what is given. Raises `UserError` for what does not fit."""
    names = {field.name for field in dataclasses.fields(RunOptions)}
    run = config.make(RunOptions, {key: value for key, value in given.items() if key in names}, "a run")
    task = TASKS[run.task]
    classes = {
        "model": config.options_class(MODELS[run.model]),
        "task": config.options_class(task),
        "training": TrainingOptions,
    }
    parts: dict[str, dict[str, Any]] = {"model": {}, "task": {}, "training": dict(task.training_defaults)}
    for key, value in given.items():
        owners = [part for part, cls in classes.items() if key in {f.name for f in dataclasses.fields(cls)}]
        if not owners and key not in names:
            has = sorted({f.name for cls in (classes["model"], classes["task"]) for f in dataclasses.fields(cls)})
            raise UserError(
                f"--{key} applies neither to model '{run.model}' nor to task '{run.task}'; they have: {', '.join(has)}"
            )
        for part in owners:
            parts[part][key] = value
    made = {part: config.make(cls, parts[part], part) for part, cls in classes.items()}
    return RunConfig(run, **made)


def execute(settings: RunConfig, report: Reporter, stop: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """Trains and exports. Returns what it writes to `result.json`. Raises what `Session.run` raises."""
    started = time.monotonic()
    if settings.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(settings.training.seed)
    refuse_sizes(settings.model, settings.task)
    with RunDirectory(settings.run, settings.to_json()) as directory:
        try:
            return _execute(settings, directory, report, stop, started)
        except OSError as error:
            if directory.claimed and not directory.run_dir.is_dir():
                raise RunLost(f"{directory.run_dir} was deleted while the run was going on: nothing is left") from error
            raise


def _execute(
    settings: RunConfig, directory: RunDirectory, report: Reporter, stop: Callable[[], bool], started: float
) -> dict[str, Any]:
    with recording.record_files(report.reading) as read:
        task = TASKS[settings.run.task](settings.task)
    data = read.describe(task.spec)
    if warning := directory.check_data(data, list(read.files)):
        report.say(warning)
    if settings.training.label_smoothing and task.spec.loss != "cross_entropy":
        raise UserError(f"--label_smoothing is of classes, and task '{settings.run.task}' has none")
    settings = _count_epochs(settings, task)
    refuse_what_does_not_fit(settings.model, settings.task, task)
    model = MODELS[settings.run.model](task.spec, settings.model)
    if task.vectors is not None:
        begin_at(model.embedding, *task.vectors)
    directory.claim()
    session = Session(Trainer(model, task, settings.training), directory.run_dir, stop, report.say)
    if settings.run.resume:
        session.resume()
    directory.write_config(data)
    before = session.progress.seconds  # of the parts of the run before this one
    report.start(settings.to_json(), task, model.count_params(), directory.run_dir)
    metrics = _train(settings, session, directory.run_dir, report)
    if stop():
        raise Interrupted("stopped before the export; all steps are done: export with --resume")
    directory.check_export()
    report.say(f"exporting to {directory.export_dir}")
    details = {**settings.to_json(), "metrics": metrics, "run_id": directory.run_id}
    export_saved_model(model, directory.export_dir, config=details, overwrite=True)
    result = _result(settings, session, task, metrics)
    result |= {"seconds": round(before + time.monotonic() - started, 1), "export_dir": str(directory.export_dir)}
    write_json(directory.run_dir / "result.json", result)
    report.end(result, directory.run_dir, show_outputs(directory.export_dir, model, task))
    return result


def _train(settings: RunConfig, session: Session, run_dir: Path, report: Reporter) -> dict[str, Any]:
    """Trains, and leaves the best model in `run_dir`. Returns its metrics on each split."""
    trainer, events = session.trainer, Events(run_dir)
    for event in session.run():
        report.event(event, settings.training.steps, trainer.symbols)
        if isinstance(event, dict):
            events.write(event)
    draw_curve(run_dir)
    session.take_best()
    draw_outputs(run_dir, trainer.model, trainer.task)
    metrics = {split: trainer.evaluate(split) for split in SPLITS}
    with name_file(run_dir / "model.keras"):
        trainer.model.save(run_dir / "model.keras")
    if settings.run.inspect:
        _inspect(settings, run_dir, trainer.model, trainer.task, report)
        events.pictures(run_dir / "inspect", trainer.step)
    return metrics


def _inspect(settings: RunConfig, run_dir: Path, model: Any, task: Task, report: Reporter) -> None:
    """What `python -m rnnzoo.inspect` writes of this run."""
    try:
        subject = inspect.Subject(run_dir.name, model, task, settings.training.seed)
    except UserError as error:
        report.say(f"inspect: {error}")
        return
    for line in inspect.write([subject], run_dir / "inspect"):
        report.say(f"inspect: {line}")


def _result(settings: RunConfig, session: Session, task: Task, metrics: dict[str, Any]) -> dict[str, Any]:
    """What `result.json` holds, but for the time and the export."""
    model = session.trainer.model
    return {
        "model": settings.run.model,
        "task": settings.run.task,
        "steps": session.trainer.step,
        "parameters": model.count_params(),
        "metrics": metrics,
        "baselines": task.baselines(),
        "weights_sha256": checkpoint.digest(model.weights),
    }


def _count_epochs(settings: RunConfig, task: Task) -> RunConfig:
    """The settings with `epochs` as steps."""
    epochs = settings.training.epochs
    if epochs is None:
        return settings
    length = task.steps_per_epoch()
    if length is None:
        raise UserError(f"--epochs does not apply to task '{settings.run.task}', whose data never ends; give --steps")
    return dataclasses.replace(settings, training=dataclasses.replace(settings.training, steps=epochs * length))
