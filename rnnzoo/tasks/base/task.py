"""Base classes of all tasks and of synthetic tasks."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from rnnzoo.data.batch import Batch, make_generator
from rnnzoo.data.word_vectors import WordVectors
from rnnzoo.spec import TaskSpec


class Task:
    """A data set with its splits, batches and baselines, independent of models, which are built from its `spec`.

    Subclasses set `spec` and define `batch` and `evaluation`. Batches are a pure function of seed and step, so that a
    resumed run continues exactly.

    Attributes:
        spec: the `TaskSpec` of inputs and outputs.
        training_defaults: defaults of `TrainingOptions` for this task.
        model_defaults: defaults of options of models for this task, where a model has them.
        word_vectors: pretrained vectors of known words, or None.
    """

    spec: TaskSpec
    training_defaults: ClassVar[dict[str, Any]] = {}
    model_defaults: ClassVar[dict[str, Any]] = {}
    word_vectors: WordVectors | None = None

    def batch(self, seed: int, step: int) -> Batch:
        """Returns the training batch of a step, independent of earlier calls."""
        raise NotImplementedError(f"{type(self).__name__} does not define batch(seed, step)")

    def evaluation(self, split: str) -> Iterator[Batch]:
        """Yields the batches of a split, in which each target counts once; the same batches at every call.

        For "train", a part as large as the validation split may be used.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define evaluation(split)")

    def steps_per_epoch(self) -> int | None:
        """Returns the number of steps in a pass over the training data; None for synthetic data without end."""
        return None

    def baselines(self) -> dict[str, dict[str, float]]:
        """Returns test metrics of trivial predictors: `{baseline: {metric: value}}`."""
        return {}

    def class_counts(self) -> np.ndarray | None:
        """Returns the number of training targets of each class; None if it is not known, or there are no classes."""
        return None

    def prompts(self) -> list[str]:
        """Returns three prompts for the samples of a language model."""
        return [""] * 3

    def summary(self) -> str:
        """Returns one line that describes the data."""
        return ""


class SyntheticTask(Task):
    """A task whose sequences are generated at random, without end. Subclasses define `sample_batch`."""

    options: Any  # has batch_size and eval_size

    def sample_batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Generates a batch of `size` sequences."""
        raise NotImplementedError(f"{type(self).__name__} does not define sample_batch(rng, size)")

    def batch(self, seed: int, step: int) -> Batch:
        return self.sample_batch(make_generator(seed, step, "train"), self.options.batch_size)

    def evaluation(self, split: str) -> Iterator[Batch]:
        size, total = self.options.batch_size, self.options.eval_size
        for step in range(-(-total // size)):
            batch = self.sample_batch(make_generator(0, step, split), size)
            real = (np.arange(size) < total - step * size).astype("float32")
            weights = np.ones(batch.targets.shape, "float32") if batch.weights is None else batch.weights
            weights = weights[..., 0] if self.spec.outputs == "vector" else weights
            real = real.reshape(-1, *[1] * (weights.ndim - 1))
            accuracy_weights = None if batch.accuracy_weights is None else batch.accuracy_weights * real
            yield batch._replace(weights=weights * real, accuracy_weights=accuracy_weights)
