"""What tasks of classes share: the specification, and what guessing scores."""

from typing import Any, ClassVar

import numpy as np

from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import SPLITS
from rnnzoo.tasks.stored import StoredTask


def class_spec(labels: tuple[str, ...], metrics: tuple[str, ...] = ("accuracy",), **rest: Any) -> TaskSpec:
    """The specification of one class a sequence (or more often, as `rest` says)."""
    shared: dict[str, Any] = {"outputs": "class", "per_step": False, "loss": "cross_entropy"} | rest
    return TaskSpec(output_size=len(labels), metrics=("loss", *metrics), labels=labels, **shared)


class ClassTask(StoredTask):
    """One label a sequence or tree."""

    origin: str
    kind: ClassVar[str]  # of what is classified, in many

    def baselines(self) -> dict[str, dict[str, float]]:
        """What always guessing the commonest class of the training scores."""
        train, test = (np.array([e.targets for e in self.examples[s]]) for s in ("train", "test"))
        guess = np.bincount(train).argmax()
        right = float(np.mean(test == guess))
        there = len(set(test.tolist()) | {int(guess)})
        scores = {"accuracy": right, "macro_f1": 2 * right / (1 + right) / there}
        return {"commonest class": {name: scores[name] for name in self.spec.metrics if name in scores}}

    def summary(self) -> str:
        sizes = ", ".join(f"{s} {len(self.examples[s]):,}" for s in SPLITS)
        return f"{self.origin}: {self.kind} {sizes}"
