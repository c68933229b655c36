"""The task `adding`: the adding problem, a test of long-term memory."""

import dataclasses

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import Batch
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import SyntheticTask

MAX_ERROR = 0.04  # of a correct output, as in Hochreiter & Schmidhuber (1997)


@dataclasses.dataclass(frozen=True)
class AddingOptions:
    """Options of the task `adding`."""

    seq_length: int = option(100, "length of the sequences (hs97: of the shortest ones)", minimum=10, size="time")
    batch_size: int = option(50, "sequences in a batch", minimum=1, size="batch")
    variant: str = option("bai2018", "bai2018 (values in [0, 1]) or hs97", choices=("bai2018", "hs97"))
    eval_size: int = option(2560, "sequences in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("adding")
class Adding(SyntheticTask):
    """The adding problem: output the sum of two marked numbers in a long sequence.

    Each step has a number and a marker. The variant `bai2018` (Bai, Kolter & Koltun 2018) has numbers uniform in [0,
    1], one marker in each half, and the sum as target; always predicting 1 has an mse of 0.167. The variant `hs97`
    (Hochreiter & Schmidhuber 1997, section 5.4) has numbers in [-1, 1], lengths from T to 1.1 T, markers 1 at two
    steps and -1 at both ends, and the target 0.5 + (X1 + X2) / 4. `accuracy` is the fraction of sequences with an
    error below 0.04, as in that paper.
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
        mse, accuracy = float(np.mean(errors**2)), float(np.mean(errors < MAX_ERROR))
        return {"constant": {"loss": mse, "mse": mse, "accuracy": accuracy}}

    def summary(self) -> str:
        return (
            f"adding problem ({self.options.variant}), length {self.options.seq_length}, generated anew for every step"
        )

    def sample_batch(self, rng: np.random.Generator, size: int) -> Batch:
        return (_bai2018 if self.options.variant == "bai2018" else _hs97)(rng, size, self.options.seq_length)


def _bai2018(rng: np.random.Generator, size: int, length: int) -> Batch:
    rows = np.arange(size)
    first, second = rng.integers(0, length // 2, size), rng.integers(length // 2, length, size)
    values, markers = rng.random((size, length)), np.zeros((size, length))
    markers[rows, first] = markers[rows, second] = 1
    targets = values[rows, first] + values[rows, second]
    return Batch(np.stack([values, markers], -1).astype("float32"), targets[:, None].astype("float32"))


def _hs97(rng: np.random.Generator, size: int, min_length: int) -> Batch:
    max_length = min_length + min_length // 10
    rows, lengths = np.arange(size), rng.integers(min_length, max_length + 1, size)
    first = rng.integers(0, min(10, min_length - 1), size)
    second = rng.integers(0, min_length // 2 - 1, size)
    second += second >= first  # so that the two steps differ
    values, markers = rng.uniform(-1, 1, (size, max_length)), np.zeros((size, max_length))
    markers[:, 0] = markers[rows, lengths - 1] = -1
    markers[rows, first] = markers[rows, second] = 1
    values[:, 0] *= markers[:, 0] < 1  # a marked first number is zero
    mask = np.arange(max_length) < lengths[:, None]
    inputs = np.stack([values, markers], -1) * mask[..., None]
    targets = 0.5 + (values[rows, first] + values[rows, second]) / 4
    return Batch(inputs.astype("float32"), targets[:, None].astype("float32"), mask=mask)
