"""One run from flags to files: train, keep the best, evaluate, export."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import rnnzoo
from rnnzoo import config
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.export import export_saved_model
from rnnzoo.export.saved_model import refuse_full
from rnnzoo.registry import MODELS, TASKS
from rnnzoo.report import Reporter
from rnnzoo.tasks.base import SPLITS
from rnnzoo.training import Trainer, TrainingOptions, checkpoint


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What to train, and where it goes."""

    model: str = option("lstm", "name of the model")
    task: str = option("char_lm", "name of the task")
    run_dir: str | None = option(None, "folder for config, log and checkpoints; default: a new one in runs/")
    export_dir: str | None = option(None, "folder of the SavedModel; default: a new one in saved_models/")
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


def execute(settings: RunConfig, report: Reporter) -> dict[str, Any]:
    """Trains and exports. Returns what it writes to `result.json`."""
    started = time.monotonic()
    keras.utils.set_random_seed(settings.training.seed)
    for path in filter(None, (settings.run.run_dir, settings.run.export_dir)):
        refuse_full(Path(path), settings.run.overwrite)
    task = TASKS[settings.run.task](settings.task)
    model = MODELS[settings.run.model](task.spec, settings.model)
    name = f"{settings.run.model}-{settings.run.task}"
    run_dir = _claim(settings.run.run_dir, Path("runs"), name)
    export_dir = _claim(settings.run.export_dir, Path("saved_models"), name)
    try:
        report.start(settings.to_json(), task.summary(), model.count_params(), run_dir)
        _clear(run_dir)
        write_json(run_dir / "config.json", settings.to_json())
        trainer = Trainer(model, task, settings.training)
        _train(trainer, run_dir, report)
        metrics = {split: trainer.evaluate(split) for split in SPLITS}
        model.save(run_dir / "model.keras")
        report.say(f"exporting to {export_dir}")
        details = {**settings.to_json(), "metrics": metrics}
        export_saved_model(model, export_dir, config=details, overwrite=True)
    finally:
        if export_dir.is_dir() and not any(export_dir.iterdir()):
            export_dir.rmdir()
    result = {
        "model": settings.run.model,
        "task": settings.run.task,
        "steps": trainer.step,
        "parameters": model.count_params(),
        "metrics": metrics,
        "baselines": task.baselines(),
        "seconds": round(time.monotonic() - started, 1),
        "export_dir": str(export_dir),
        "weights_sha256": checkpoint.digest(model.weights),
    }
    write_json(run_dir / "result.json", result)
    report.end(result, run_dir, sample(export_dir) if task.spec.language_model else None)
    return result


def sample(export_dir: Path, length: int = 400) -> str:
    """Text that an exported language model writes."""
    generate = tf.saved_model.load(str(export_dir)).signatures["generate"]
    numbers = {"length": length, "temperature": 0.5, "top_k": 0, "seed": 1}
    text = generate(prompt=tf.constant([""]), **{name: tf.constant(value) for name, value in numbers.items()})
    return text["text"].numpy()[0].decode()


def _train(trainer: Trainer, run_dir: Path, report: Reporter) -> None:
    """Runs all steps; logs each evaluation, keeps the best weights, and leaves the model with them."""
    steps, metric = trainer.options.steps, trainer.task.spec.metrics[0]
    every = trainer.options.eval_every or max(1, -(-steps // 10))
    best, losses, started = float("inf"), [], time.monotonic()
    entry: dict[str, Any]
    folder = run_dir / "checkpoints"
    folder.mkdir(exist_ok=True)
    with (run_dir / "log.jsonl").open("w", encoding="utf-8") as log:
        for result in trainer.run():
            losses.append(result.loss)
            report.step(result, steps, trainer.symbols)
            if result.step % every and result.step != steps:
                continue
            found = trainer.evaluate("validation")
            entry = {"step": result.step, "loss": sum(losses) / len(losses), "gradient_norm": result.gradient_norm}
            entry |= {"validation": found, "seconds": round(time.monotonic() - started, 1)}
            log.write(json.dumps(entry) + "\n")
            log.flush()
            report.evaluation(entry)
            losses = []
            better = found[metric] < best
            best = min(best, found[metric])
            meta = {"step": result.step, "best": best}
            checkpoint.save(folder / "last.npz", trainer.variables(), meta)
            if better:
                checkpoint.save(folder / "best.npz", {"model": trainer.model.weights}, meta)
    if (folder / "best.npz").exists():
        groups, _ = checkpoint.load(folder / "best.npz")
        checkpoint.assign(trainer.model.weights, groups["model"])


def _claim(given: str | None, root: Path, name: str) -> Path:
    """The folder given, or the first of root/name, root/name-2 ... that is not there; made, so that it is ours."""
    if given:
        Path(given).mkdir(parents=True, exist_ok=True)
        return Path(given)
    number = 1
    while True:
        path = root / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            number += 1


def _clear(run_dir: Path) -> None:
    """Removes what an earlier run left here; files that are not of a run stay."""
    for path in [run_dir / n for n in ("config.json", "log.jsonl", "result.json", "model.keras")]:
        path.unlink(missing_ok=True)
    for path in (run_dir / "checkpoints").glob("*.npz"):
        path.unlink()


def write_json(path: Path, value: Any) -> None:
    """Writes a whole JSON file or none."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)
