"""One run from flags to files: where they go, and train, evaluate, export."""

import dataclasses
import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import rnnzoo
from rnnzoo import config, inspect
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.estimate import refuse_what_does_not_fit
from rnnzoo.export import export_saved_model
from rnnzoo.models.embedding import begin_at
from rnnzoo.places import Places, write_json
from rnnzoo.plot import Events, draw_attention, draw_curve, draw_forecast
from rnnzoo.registry import MODELS, TASKS
from rnnzoo.report import Reporter
from rnnzoo.spec import BOUNDARY, PAD, TaskSpec
from rnnzoo.tasks.base import SPLITS, Task
from rnnzoo.training import Interrupted, Session, Trainer, TrainingOptions, checkpoint

TEMPERATURE = 0.5  # of the sample at the end of a run
EXAMPLES = 5  # of what is written, where there are sources


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
    places = Places(settings.run, settings.to_json())
    task = TASKS[settings.run.task](settings.task)
    if settings.training.label_smoothing and task.spec.loss != "cross_entropy":
        raise UserError(f"--label_smoothing is of classes, and task '{settings.run.task}' has none")
    settings = _count_epochs(settings, task)
    refuse_what_does_not_fit(settings.model, settings.task, task)
    model = MODELS[settings.run.model](task.spec, settings.model)
    if task.vectors is not None:
        begin_at(model.embedding, *task.vectors)
    places.claim()
    try:
        session = Session(Trainer(model, task, settings.training), places.run_dir, stop, report.say)
        if settings.run.resume:
            session.resume()
        report.start(settings.to_json(), task, model.count_params(), places.run_dir)
        events = Events(places.run_dir)
        for event in session.run():
            report.event(event, settings.training.steps, session.trainer.symbols)
            if isinstance(event, dict):
                events.write(event)
        draw_curve(places.run_dir)
        session.take_best()
        _draw(places.run_dir, model, task)
        metrics = {split: session.trainer.evaluate(split) for split in SPLITS}
        model.save(places.run_dir / "model.keras")
        if settings.run.inspect:
            _inspect(settings, places.run_dir, model, task, report)
            events.pictures(places.run_dir / "inspect", session.trainer.step)
        if stop():
            raise Interrupted("stopped before the export; all steps are done: export with --resume")
        report.say(f"exporting to {places.export_dir}")
        details = {**settings.to_json(), "metrics": metrics}
        export_saved_model(model, places.export_dir, config=details, overwrite=True)
    finally:
        places.release()
    result = _result(settings, session, task, places, metrics, started)
    write_json(places.run_dir / "result.json", result)
    report.end(result, places.run_dir, _shown(places.export_dir, model, task))
    return result


def _inspect(settings: RunConfig, run_dir: Path, model: Any, task: Task, report: Reporter) -> None:
    """What `python -m rnnzoo.inspect` writes of this run."""
    try:
        subject = inspect.Subject(run_dir.name, model, task, settings.training.seed)
    except UserError as error:
        report.say(f"inspect: {error}")
        return
    for line in inspect.write([subject], run_dir / "inspect"):
        report.say(f"inspect: {line}")


def _result(
    settings: RunConfig, session: Session, task: Task, places: Places, metrics: dict[str, Any], started: float
) -> dict[str, Any]:
    """What `result.json` holds."""
    model = session.trainer.model
    return {
        "model": settings.run.model,
        "task": settings.run.task,
        "steps": session.trainer.step,
        "parameters": model.count_params(),
        "metrics": metrics,
        "baselines": task.baselines(),
        "seconds": round(time.monotonic() - started, 1),
        "export_dir": str(places.export_dir),
        "weights_sha256": checkpoint.digest(model.weights),
    }


def _draw(run_dir: Path, model: Any, task: Task) -> None:
    """Pictures of what the model does with the first of the test."""
    draw_forecast(run_dir, model, task.evaluation("test"))
    if not task.spec.writes or model.decoder.attention is None or importlib.util.find_spec("matplotlib") is None:
        return
    source = next(iter(task.evaluation("test"))).inputs[0][:1]
    ids = np.asarray(model.greedy(source)[0])
    ids = ids[:, : int((ids != PAD).sum())]
    attention = model.align(source, np.concatenate([[[BOUNDARY]], ids], 1))[0]
    read, written = ([symbols[i] for i in row if i != PAD] for symbols, row in _sides(task.spec, source[0], ids[0]))
    draw_attention(np.asarray(attention), read, written, run_dir / "attention.png")


def _shown(export_dir: Path, model: Any, task: Task) -> str | None:
    """What the trained model writes, if it does: a sample, or its answers to the first sources of the test."""
    if task.spec.language_model:
        return sample(export_dir)
    if not task.spec.writes:
        return None
    batch = next(iter(task.evaluation("test")))
    rows = zip(batch.inputs[0][:EXAMPLES], np.asarray(model.greedy(batch.inputs[0][:EXAMPLES])[0]), strict=True)
    between = ["" if level == "char" else " " for level in (task.spec.source_level, task.spec.level)]
    pairs = ([[s[i] for i in row if i != PAD] for s, row in _sides(task.spec, *pair)] for pair in rows)
    return "\n".join(f"{between[0].join(source)}  ->  {between[1].join(text)}" for source, text in pairs if source)


def _sides(spec: TaskSpec, source: Any, written: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Ids of both sides with their vocabularies."""
    yield from ((spec.source_vocabulary, source), (spec.vocabulary, written))


def sample(export_dir: Path, length: int = 500) -> str:
    """Text that an exported language model writes."""
    generate = tf.saved_model.load(str(export_dir)).signatures["generate"]
    values = {"length": length, "temperature": TEMPERATURE, "top_k": 0, "seed": 1}
    text = generate(prompt=tf.constant([""]), **{name: tf.constant([value]) for name, value in values.items()})
    return text["text"].numpy()[0].decode()


def _count_epochs(settings: RunConfig, task: Task) -> RunConfig:
    """The settings with `epochs` as steps."""
    epochs = settings.training.epochs
    if epochs is None:
        return settings
    length = task.steps_per_epoch()
    if length is None:
        raise UserError(f"--epochs does not apply to task '{settings.run.task}', whose data never ends; give --steps")
    return dataclasses.replace(settings, training=dataclasses.replace(settings.training, steps=epochs * length))
