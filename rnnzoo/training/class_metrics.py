"""Metrics of each class, from the confusion matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def macro_f1(confusion: np.ndarray) -> float:
    """Returns the mean F1 of the classes that occur or are predicted.

    >>> macro_f1(np.array([[1, 1], [0, 2]]))  # F1 2/3 and 4/5
    0.7333333333333334
    """
    _, _, f1, occurs = _precision_recall_f1(confusion)
    return float(np.mean(f1[occurs]))


def compute_class_metrics(labels: Sequence[str], confusion: np.ndarray) -> dict[str, Any]:
    """Returns precision, recall, F1 and number of targets of each class, and the confusion matrix.

    Args:
        labels: the names of the classes.
        confusion: `[actual, predicted]`, counts of targets.

    Returns:
        `{"classes": {label: {"precision": ..., "recall": ..., "f1": ..., "count": ...}}, "confusion": rows}`.
    """
    precision, recall, f1, _ = _precision_recall_f1(confusion)
    counts = confusion.sum(1)
    columns = {"precision": precision, "recall": recall, "f1": f1}
    classes = {
        label: {**{name: float(values[i]) for name, values in columns.items()}, "count": int(counts[i])}
        for i, label in enumerate(labels)
    }
    return {"classes": classes, "confusion": [[int(n) for n in row] for row in confusion]}


def _precision_recall_f1(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns precision, recall, F1 (0 where undefined) and whether a class occurs or is predicted."""
    correct, actual, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (correct / predicted, correct / actual, 2 * correct / (actual + predicted))
    precision, recall, f1 = (np.nan_to_num(v) for v in values)
    return precision, recall, f1, actual + predicted > 0
