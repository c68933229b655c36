"""Spans of B-/I-/O tags, found and compared as in conlleval of CoNLL-2000; S- and E- tags are read as B- and I-."""

from collections.abc import Iterator, Sequence

import numpy as np

PREFIXES = {"B": "B", "I": "I", "S": "B", "E": "I"}  # single and end tags of other schemes


def find_spans(tags: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yields `(first, last, type)` of each span; a change of type, or from O to I, begins a span, as in conlleval."""
    first, kind = 0, ""
    for t, tag in enumerate([*tags, "O"]):
        prefix, _, now = tag.partition("-")
        prefix, now = (PREFIXES[prefix], now or "_") if prefix in PREFIXES else ("O", "")
        if kind and (prefix in ("O", "B") or now != kind):
            yield first, t - 1, kind
            kind = ""
        if not kind and prefix != "O":
            first, kind = t, now


def count_spans(labels: Sequence[str], targets: np.ndarray, predicted: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Counts the correct, the predicted and the actual spans of a batch `[batch, time]` of label ids."""
    totals = np.zeros(3)
    for row_targets, row_predicted, row_valid in zip(np.asarray(targets), predicted, valid, strict=True):
        actual = set(find_spans([labels[i] for i in row_targets[row_valid]]))
        predicted_spans = set(find_spans([labels[i] for i in row_predicted[row_valid]]))
        totals += (len(actual & predicted_spans), len(predicted_spans), len(actual))
    return totals


def f1(totals: np.ndarray) -> float:
    """Returns the harmonic mean of precision and recall of spans; 0 if there are no spans."""
    correct, predicted, actual = totals
    return float(2 * correct / (predicted + actual)) if predicted + actual else 0.0
