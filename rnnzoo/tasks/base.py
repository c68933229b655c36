"""What a task is: a specification, and batches that are a function of (seed, step)."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.vectors import Vectors

SPLITS = ("train", "validation", "test")


class Batch(NamedTuple):
    """Inputs and targets, `[batch, time, ...]` or for targets `[batch, ...]`; inputs may be a pair of such.

    `mask [batch, time]` is False at padding, `weights` (of the targets) say how much each target
    counts in the loss; None is the same as all ones. `restart [batch]` is False for the rows that
    continue those of the batch before; None is the same as all True.

    Of use to metrics only: `scored` says how much each target counts in the accuracy, as `weights`
    does when it is None; `legal [batch, time, outputs]` makes the accuracy that of whole
    sequences, right where the likeliest outputs of every step are just the legal ones; `references` holds
    for each row all that would be right to write, as tuples of units.
    """

    inputs: Any
    targets: Any
    mask: Any = None
    weights: Any = None
    restart: Any = None
    scored: Any = None
    legal: Any = None
    references: Any = None


class Task:
    """Data. Knows nothing of models: `spec` is what they build from."""

    spec: TaskSpec
    training_defaults: ClassVar[dict[str, Any]] = {}
    vectors: Vectors | None = None  # where the embedding of known symbols begins

    def batch(self, seed: int, step: int) -> Batch:
        """The training batch of a step, whatever was asked for before."""
        raise NotImplementedError(f"{type(self).__name__} does not define batch(seed, step)")

    def evaluation(self, split: str) -> Iterator[Batch]:
        """All of a split, each target counted once; the same batches at every call.

        Of "train" a part as large as the validation split may stand for the whole.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define evaluation(split)")

    def steps_per_epoch(self) -> int | None:
        """Steps in a pass over the training data; None where it is made anew without end."""
        return None

    def baselines(self) -> dict[str, dict[str, float]]:
        """What needs no model, on the test split: `{baseline: {metric: value}}`."""
        return {}

    def prompts(self) -> list[str]:
        """Three beginnings of text for a language model to go on from."""
        return [""] * 3

    def summary(self) -> str:
        """One line about the data."""
        return ""


class DrawnTask(Task):
    """Data without end: `draw` makes as many sequences as are asked for from random numbers."""

    options: Any  # has batch_size and eval_size

    def draw(self, rng: np.random.Generator, size: int) -> Batch:
        """`size` sequences."""
        raise NotImplementedError(f"{type(self).__name__} does not define draw(rng, size)")

    def batch(self, seed: int, step: int) -> Batch:
        return self.draw(generator(seed, step, "train"), self.options.batch_size)

    def evaluation(self, split: str) -> Iterator[Batch]:
        size, total = self.options.batch_size, self.options.eval_size
        for step in range(-(-total // size)):
            batch = self.draw(generator(0, step, split), size)
            real = (np.arange(size) < total - step * size).astype("float32")
            weights = np.ones(batch.targets.shape, "float32") if batch.weights is None else batch.weights
            weights = weights[..., 0] if self.spec.outputs == "vector" else weights
            real = real.reshape(-1, *[1] * (weights.ndim - 1))
            yield batch._replace(weights=weights * real, scored=None if batch.scored is None else batch.scored * real)


def generator(seed: int, step: int, split: str) -> np.random.Generator:
    """Random numbers that depend on nothing but these three."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, step, SPLITS.index(split)])))
