"""The adding problem: remember two marked numbers over a long sequence, and add them."""

import dataclasses

import numpy as np

from rnnzoo.config import option
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import Batch, DrawnTask

RIGHT = 0.04  # Hochreiter & Schmidhuber count an output as wrong from this error on


@dataclasses.dataclass(frozen=True)
class AddingOptions:
    """Options of the adding problem."""

    seq_length: int = option(100, "length of the sequences (hs97: the shortest)", minimum=10, size="time")
    batch_size: int = option(50, "sequences a step", minimum=1, size="batch")
    variant: str = option("bai2018", "bai2018 (values in [0, 1]) or hs97", choices=("bai2018", "hs97"))
    eval_size: int = option(2560, "sequences in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("adding")
class Adding(DrawnTask):
    """The adding problem: the sum of two marked numbers in a long sequence.

    Each step shows a number and a marker. `bai2018` (Bai, Kolter & Koltun 2018): numbers uniform
    in [0, 1], one marker in each half, target the sum; answering 1 always gives an mse of 0.167.
    `hs97` (Hochreiter & Schmidhuber 1997, section 5.4): numbers in [-1, 1], lengths from T to
    1.1 T, markers 1 at two steps, -1 at both ends, target 0.5 + (X1 + X2) / 4. `accuracy` is the
    fraction of sequences with an error below 0.04, as there.
    """

    training_defaults = {"steps": 5000, "learning_rate": 2e-3}

    def __init__(self, options: AddingOptions):
        self.options = options
        self.spec = TaskSpec(
            inputs="features",
            outputs="vector",
            per_step=False,
            input_size=2,
            output_size=1,
            loss="mse",
            metrics=("mse", "accuracy"),
        )

    def baselines(self) -> dict[str, dict[str, float]]:
        targets = np.concatenate([b.targets[b.weights > 0] for b in self.evaluation("test")])
        constant = 1.0 if self.options.variant == "bai2018" else 0.5
        errors = np.abs(targets - constant)
        mse, accuracy = float(np.mean(errors**2)), float(np.mean(errors < RIGHT))
        return {"constant": {"loss": mse, "mse": mse, "accuracy": accuracy}}

    def summary(self) -> str:
        return f"adding problem ({self.options.variant}), length {self.options.seq_length}, a new sequence every time"

    def draw(self, rng: np.random.Generator, size: int) -> Batch:
        return (_bai2018 if self.options.variant == "bai2018" else _hs97)(rng, size, self.options.seq_length)


def _bai2018(rng: np.random.Generator, size: int, length: int) -> Batch:
    rows = np.arange(size)
    first, second = rng.integers(0, length // 2, size), rng.integers(length // 2, length, size)
    values, markers = rng.random((size, length)), np.zeros((size, length))
    markers[rows, first] = markers[rows, second] = 1
    targets = values[rows, first] + values[rows, second]
    return Batch(np.stack([values, markers], -1).astype("float32"), targets[:, None].astype("float32"))


def _hs97(rng: np.random.Generator, size: int, shortest: int) -> Batch:
    longest = shortest + shortest // 10
    rows, lengths = np.arange(size), rng.integers(shortest, longest + 1, size)
    first = rng.integers(0, min(10, shortest - 1), size)
    second = rng.integers(0, shortest // 2 - 1, size)
    second += second >= first  # among the steps not marked yet
    values, markers = rng.uniform(-1, 1, (size, longest)), np.zeros((size, longest))
    markers[:, 0] = markers[rows, lengths - 1] = -1
    markers[rows, first] = markers[rows, second] = 1
    values[:, 0] *= markers[:, 0] < 1  # a marked first number is zero
    mask = np.arange(longest) < lengths[:, None]
    inputs = np.stack([values, markers], -1) * mask[..., None]
    targets = 0.5 + (values[rows, first] + values[rows, second]) / 4
    return Batch(inputs.astype("float32"), targets[:, None].astype("float32"), mask=mask)
