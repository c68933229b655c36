"""Base class of tasks with one class label for each sequence or tree."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from rnnzoo.data.batch import SPLITS
from rnnzoo.data.stored import iterate_targets
from rnnzoo.errors import UserError
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base.bucketed import BucketedTask


def classification_spec(labels: tuple[str, ...], metrics: tuple[str, ...] = ("accuracy",), **fields: Any) -> TaskSpec:
    """Creates the `TaskSpec` of a classification task; `fields` add to its fields or override them."""
    shared: dict[str, Any] = {"outputs": "class", "per_step": False, "loss": "cross_entropy"} | fields
    return TaskSpec(output_size=len(labels), metrics=metrics, labels=labels, **shared)


def check_known_labels(spec: TaskSpec, labels: Iterable[str], origin: str) -> None:
    """Raises `UserError` for labels that a specification lacks."""
    if unknown := sorted(set(labels) - set(spec.labels)):
        known = ", ".join(spec.labels[:20])
        raise UserError(f"{origin}: the model has no label {', '.join(unknown[:5])}; its labels are {known}")


class ClassificationTask(BucketedTask):
    """Base class of tasks with one label for each example.

    Attributes:
        origin: name of the data.
        example_name: what an example is, in the plural.
    """

    origin: str
    example_name: ClassVar[str]

    def baselines(self) -> dict[str, dict[str, float]]:
        """Returns the metrics of always predicting the most frequent class of the training data."""
        train, test = (np.concatenate(list(iterate_targets(self.examples[s]))) for s in ("train", "test"))
        prediction = np.bincount(train).argmax()
        accuracy = float(np.mean(test == prediction))
        num_classes = len({*np.unique(test).tolist(), int(prediction)})
        scores = {"accuracy": accuracy, "macro_f1": 2 * accuracy / (1 + accuracy) / num_classes}
        return {"most frequent class": {name: scores[name] for name in self.spec.metrics if name in scores}}

    def summary(self) -> str:
        sizes = ", ".join(f"{s} {len(self.examples[s]):,}" for s in SPLITS)
        return f"{self.origin}: {self.example_name} {sizes}"
