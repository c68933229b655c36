"""Spans of B-/I-/O tags, found and compared as conlleval of CoNLL-2000 does; S- and E- tags are read as B- and I-."""

from collections.abc import Iterator, Sequence

import numpy as np

PREFIXES = {"B": "B", "I": "I", "S": "B", "E": "I"}  # single and end tags of other schemes begin and go on


def spans_of(tags: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """`(first, last, type)` of each span; a change of type, or of O to I, begins one, as in conlleval."""
    first, kind = 0, ""
    for t, tag in enumerate([*tags, "O"]):
        prefix, _, now = tag.partition("-")
        prefix, now = (PREFIXES[prefix], now or "_") if prefix in PREFIXES else ("O", "")
        if kind and (prefix in ("O", "B") or now != kind):
            yield first, t - 1, kind
            kind = ""
        if not kind and prefix != "O":
            first, kind = t, now


def count(labels: Sequence[str], targets: np.ndarray, predicted: np.ndarray, there: np.ndarray) -> np.ndarray:
    """`[right, found, true]` spans of a batch `[batch, time]` of label ids."""
    totals = np.zeros(3)
    for row_targets, row_predicted, row_there in zip(np.asarray(targets), predicted, there, strict=True):
        true = set(spans_of([labels[i] for i in row_targets[row_there]]))
        found = set(spans_of([labels[i] for i in row_predicted[row_there]]))
        totals += (len(true & found), len(found), len(true))
    return totals


def f1(totals: np.ndarray) -> float:
    """Harmonic mean of precision and recall over spans; 0 where there is none to find."""
    right, found, true = totals
    return float(2 * right / (found + true)) if found + true else 0.0
