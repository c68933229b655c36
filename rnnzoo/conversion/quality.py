"""The metric of a task before and after quantization, by the converted files in their own runtime."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rnnzoo.conversion.predictions import Prediction, Run, predict_by_steps, predict_converted, predict_in_memory
from rnnzoo.data.batch import Batch
from rnnzoo.export.signatures import ServedModel
from rnnzoo.tasks.base import Task
from rnnzoo.training import compute_metrics, metrics

EXAMPLES = 200
MAX_LOSS = 0.02  # of the metric, relative


class Quality(NamedTuple):
    """A metric on the test examples of a task, before and after quantization.

    Attributes:
        metric: its name.
        before: its value for the SavedModel's weights.
        after: its value for the converted files.
        examples: the number of examples.
    """

    metric: str
    before: float
    after: float
    examples: int

    @property
    def loss(self) -> float:
        """By how much the metric became worse, as a fraction of its value before; negative if it became better."""
        worse = metrics.score(self.metric, self.after) - metrics.score(self.metric, self.before)
        return worse / max(abs(self.before), 1e-6)


def measure_quality(serving: ServedModel, task: Task, run: Run, by_steps: bool = False) -> Quality:
    """Measures the first metric of a task on `EXAMPLES` test examples, by the model in memory and by converted files.

    Args:
        serving: the signatures of the model.
        task: the task.
        run: runs a converted signature.
        by_steps: whether sequences are read step by step, by the signature `step`.
    """
    spec = serving.spec
    metric = next(name for name in (*spec.metrics, "loss") if name not in metrics.NO_GOAL)
    convert = predict_by_steps if by_steps else predict_converted
    both: list[dict[str, Any]] = [{}, {}]
    count = 0
    for batch, rows in _test_batches(task):
        count += rows
        for totals, predict in zip(both, (predict_in_memory, convert), strict=True):
            prediction = predict(serving, batch, run)
            for name, value in _totals(serving.model, batch, prediction).items():
                totals[name] = totals[name] + value if name in totals else value
    before, after = (compute_metrics(spec, totals)[metric] for totals in both)
    return Quality(metric, before, after, count)


def _test_batches(task: Task) -> Iterator[tuple[Batch, int]]:
    """Yields batches of the test data, and their numbers of examples, `EXAMPLES` in all if there are as many."""
    left = EXAMPLES
    for batch in task.evaluation("test"):
        rows = min(left, len(batch.targets))
        batch = Batch(*(None if value is None else _first_rows(value, rows) for value in batch))
        counted = rows if batch.weights is None else int((np.asarray(batch.weights).reshape(rows, -1) > 0).any(1).sum())
        yield batch, counted
        left -= counted
        if left <= 0:
            return


def _first_rows(values: Any, rows: int) -> Any:
    return tuple(array[:rows] for array in values) if isinstance(values, tuple) else values[:rows]


def _totals(model: Any, batch: Batch, prediction: Prediction) -> dict[str, Any]:
    spec = model.spec
    outputs = tf.constant(prediction.outputs, tf.float32)
    if model.crf is not None:
        losses = model.crf.negative_log_likelihood(outputs, batch.targets, batch.mask)
    else:
        losses = metrics.losses(spec, outputs, batch.targets)
    as_tensors = (None if value is None else tf.constant(value) for value in prediction[1:])
    return metrics.complete_totals(spec, metrics.compute_totals(spec, outputs, batch, losses, *as_tensors), batch)
