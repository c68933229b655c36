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


def span_types(labels: Sequence[str]) -> list[str]:
    """Returns the types of the spans that labels describe, sorted; "_" for tags without a type."""
    return sorted({tag.partition("-")[2] or "_" for tag in labels if tag.partition("-")[0] in PREFIXES})


def count_spans(labels: Sequence[str], targets: np.ndarray, predicted: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Counts the correct, the predicted and the actual spans of each type, `[types, 3]`.

    Args:
        labels: the names of the labels.
        targets: label ids `[batch, time]`.
        predicted: predicted label ids `[batch, time]`.
        valid: `[batch, time]`, False at padding.
    """
    number = {kind: i for i, kind in enumerate(span_types(labels))}
    totals = np.zeros((len(number), 3))
    for row_targets, row_predicted, row_valid in zip(np.asarray(targets), predicted, valid, strict=True):
        actual = set(find_spans([labels[i] for i in row_targets[row_valid]]))
        predicted_spans = set(find_spans([labels[i] for i in row_predicted[row_valid]]))
        for column, found in enumerate((actual & predicted_spans, predicted_spans, actual)):
            for *_, kind in found:
                totals[number[kind], column] += 1
    return totals


def f1(totals: np.ndarray) -> float:
    """Returns the harmonic mean of precision and recall of the spans of all types; 0 if there are no spans."""
    correct, predicted, actual = totals.sum(0)
    return float(2 * correct / (predicted + actual)) if predicted + actual else 0.0


def compute_span_metrics(labels: Sequence[str], totals: np.ndarray) -> dict[str, dict[str, float]]:
    """Returns precision, recall, F1 and number of the spans of each type."""
    rows = {}
    for kind, (correct, predicted, actual) in zip(span_types(labels), totals, strict=True):
        precision, recall = (float(correct / n) if n else 0.0 for n in (predicted, actual))
        score = float(2 * correct / (predicted + actual)) if predicted + actual else 0.0
        rows[kind] = {"precision": precision, "recall": recall, "f1": score, "count": int(actual)}
    return rows
