"""What a task is: a specification, and batches that are a function of (seed, step)."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rnnzoo.spec import TaskSpec

SPLITS = ("train", "validation", "test")


class Batch(NamedTuple):
    """Inputs and targets, `[batch, time, ...]` or for targets `[batch, ...]`.

    `mask [batch, time]` is False at padding, `weights` (of the targets) say how much each target
    counts in the loss; None is the same as all ones. `restart [batch]` is False for the rows that
    continue those of the batch before; None is the same as all True.
    """

    inputs: Any
    targets: Any
    mask: Any = None
    weights: Any = None
    restart: Any = None


class Task:
    """Data. Knows nothing of models: `spec` is what they build from."""

    spec: TaskSpec
    training_defaults: ClassVar[dict[str, Any]] = {}

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

    def summary(self) -> str:
        """One line about the data."""
        return ""


def generator(seed: int, step: int, split: str) -> np.random.Generator:
    """Random numbers that depend on nothing but these three."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, step, SPLITS.index(split)])))
