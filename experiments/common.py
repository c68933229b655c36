"""What the experiments share: data from a function, training until something holds, tables and pictures."""

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
class Found:
    """What an experiment found: a head and rows of a table, pictures to draw by name, and a sentence."""

    head: tuple[str, ...]
    rows: list[tuple]
    draw: dict[str, Callable[[Any], None]]
    says: str = ""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Of the batches of a `Drawn` task."""

    batch_size: int
    eval_size: int


class Drawn(SyntheticTask):
    """A task from a specification and a function `draw(rng, size)`."""

    def __init__(
        self, spec: TaskSpec, draw: Callable[[np.random.Generator, int], Batch], batch: int, held_out: int = 64
    ):
        self.spec, self.draw, self.options = spec, draw, Sizes(batch, held_out)


def trainer(
    model: str, task: Any, steps: int, rate: float, seed: int = 0, options: Any = None, **training: Any
) -> Trainer:
    """A `Trainer` of a new model."""
    keras.utils.set_random_seed(seed)
    made = rnnzoo.create_model(model, task.spec, **(options or {}))
    return Trainer(made, task, TrainingOptions(steps=steps, learning_rate=rate, seed=seed, **training))


def train(*args: Any, **options: Any) -> Trainer:
    """The same, trained to the end."""
    made = trainer(*args, **options)
    for _ in made.run():
        pass
    return made


def until(
    trainer: Trainer, good: Callable[[dict[str, float]], bool], every: int
) -> tuple[int | None, dict[str, float]]:
    """Trains until `good(metrics)` of the validation; sequences that took (None: never), and the last metrics."""
    found: dict[str, float] = {}
    for result in trainer.run():
        if result.step % every == 0:
            found = trainer.evaluate("validation")
            if good(found):
                return result.step * trainer.task.options.batch_size, found
    return None, found


def table(found: Found) -> Iterator[str]:
    """Lines of a table in Markdown."""
    yield "| " + " | ".join(found.head) + " |"
    yield "|---" * len(found.head) + "|"
    for row in found.rows:
        yield "| " + " | ".join(_cell(value) for value in row) + " |"


def _cell(value: Any) -> str:
    if value is None:
        return "never"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def execute(name: str, run: Callable[[bool], Found], quick: bool, images: Path | None) -> tuple[Found, float]:
    """Runs an experiment, draws its pictures into `images`, prints its table. Returns what it found, and seconds."""
    started = time.monotonic()
    found = run(quick)
    seconds = time.monotonic() - started
    for picture, draw in found.draw.items() if images is not None else ():
        images.mkdir(parents=True, exist_ok=True)
        plots.save(draw, images / f"{picture}.png")
    print(f"{name}, {seconds:.0f} s", *table(found), found.says, "", sep="\n", flush=True)
    return found, seconds


def main(name: str, run: Callable[[bool], Found]) -> None:
    """The command line of one experiment."""
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{name}")
    parser.add_argument("--quick", action="store_true", help="a small version that shows that it runs; no pictures")
    arguments = parser.parse_args()
    execute(name, run, arguments.quick, None if arguments.quick else IMAGES)
