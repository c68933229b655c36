"""Shared code of the experiments: tasks from functions, training until a task is solved, tables and figures."""

import argparse
import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import rnnzoo
from rnnzoo.data.batch import Batch
from rnnzoo.inspect import plots
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base.task import SyntheticTask
from rnnzoo.training import Trainer, TrainingOptions

IMAGES = Path(__file__).parents[1] / "docs" / "images"


@dataclasses.dataclass
class Result:
    """Result of an experiment: header and rows of a table, functions that draw its figures by name, and a summary."""

    header: tuple[str, ...]
    rows: list[tuple]
    figures: dict[str, Callable[[Any], None]]
    summary: str = ""


@dataclasses.dataclass(frozen=True)
class SampledTaskOptions:
    """Options of a `SampledTask`."""

    batch_size: int
    eval_size: int


class SampledTask(SyntheticTask):
    """A task from a specification and a function `sample(rng, size)` that generates a batch."""

    def __init__(
        self, spec: TaskSpec, sample: Callable[[np.random.Generator, int], Batch], batch_size: int, eval_size: int = 64
    ):
        self.spec, self.sample, self.options = spec, sample, SampledTaskOptions(batch_size, eval_size)

    def sample_batch(self, rng: np.random.Generator, size: int) -> Batch:
        return self.sample(rng, size)


def create_trainer(
    model: str, task: Any, steps: int, learning_rate: float, seed: int = 0, options: Any = None, **training: Any
) -> Trainer:
    """Creates a `Trainer` of a new model."""
    keras.utils.set_random_seed(seed)
    network = rnnzoo.create_model(model, task.spec, **(options or {}))
    return Trainer(network, task, TrainingOptions(steps=steps, learning_rate=learning_rate, seed=seed, **training))


def train(*args: Any, **options: Any) -> Trainer:
    """Creates the `Trainer` of a new model, as `create_trainer`, and runs it to the end."""
    trainer = create_trainer(*args, **options)
    for _ in trainer.run():
        pass
    return trainer


def train_until(
    trainer: Trainer, is_solved: Callable[[dict[str, float]], bool], eval_every: int
) -> tuple[int | None, dict[str, float]]:
    """Trains until `is_solved(metrics)`, which is evaluated on the validation split every `eval_every` steps.

    Returns:
        The number of training sequences, None if the task was not solved, and the last metrics.
    """
    metrics: dict[str, float] = {}
    for result in trainer.run():
        if result.step % eval_every == 0:
            metrics = trainer.evaluate("validation")
            if is_solved(metrics):
                return result.step * trainer.task.options.batch_size, metrics
    return None, metrics


def format_table(result: Result) -> Iterator[str]:
    """Yields the lines of a table in Markdown."""
    yield "| " + " | ".join(result.header) + " |"
    yield "|---" * len(result.header) + "|"
    for row in result.rows:
        yield "| " + " | ".join(_format_cell(value) for value in row) + " |"


def _format_cell(value: Any) -> str:
    if value is None:
        return "never"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def execute(name: str, run: Callable[[bool], Result], quick: bool, images: Path | None) -> tuple[Result, float]:
    """Runs an experiment, draws its figures into `images` and prints its table. Returns the result and the seconds."""
    started = time.monotonic()
    result = run(quick)
    seconds = time.monotonic() - started
    for figure, draw in result.figures.items() if images is not None else ():
        images.mkdir(parents=True, exist_ok=True)
        plots.save_figure(draw, images / f"{figure}.png")
    print(f"{name}, {seconds:.0f} s", *format_table(result), result.summary, "", sep="\n", flush=True)
    return result, seconds


def main(name: str, run: Callable[[bool], Result]) -> None:
    """Command line of one experiment."""
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{name}")
    parser.add_argument("--quick", action="store_true", help="small version, as a smoke test; no figures")
    arguments = parser.parse_args()
    execute(name, run, arguments.quick, None if arguments.quick else IMAGES)
