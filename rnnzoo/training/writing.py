"""Metrics of what a model has written, against what would have been right."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnzoo.spec import BOUNDARY, PAD, TaskSpec

TEXTS = ("bleu", "chrf")  # from sacrebleu


def edits(got: Sequence[Any], wanted: Sequence[Any]) -> int:
    """The least number of insertions, deletions and replacements between two sequences (Levenshtein 1966).

    >>> edits("kitten", "sitting")
    3
    """
    row = list(range(len(wanted) + 1))
    for i, a in enumerate(got, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(wanted, 1):
            before, row[j] = row[j], min(before + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def count(
    spec: TaskSpec, written: np.ndarray, targets: np.ndarray, there: np.ndarray, references: Any
) -> dict[str, Any]:
    """Totals over the sequences that are there: how many, how many right, edits, units, and the texts for BLEU."""
    totals: dict[str, Any] = {"sequences": 0, "exact": 0, "edits": 0, "units": 0}
    texts: list[tuple[str, list[str]]] = []
    for row in np.flatnonzero(there):
        got = tuple(spec.vocabulary[i] for i in written[row] if i != PAD)
        if references is None:
            right = [tuple(spec.vocabulary[i] for i in targets[row] if i not in (PAD, BOUNDARY))]
        else:
            right = references[row]
        distances = [(edits(got, units), len(units)) for units in right]
        nearest, length = min(distances, key=lambda pair: pair[0] / max(1, pair[1]))
        totals["sequences"] += 1
        totals["exact"] += nearest == 0
        totals["edits"] += nearest
        totals["units"] += length
        texts.append((join(spec, got), [join(spec, units) for units in right]))
    return {**totals, "texts": texts} if set(TEXTS) & set(spec.metrics) else totals


def join(spec: TaskSpec, units: Sequence[str]) -> str:
    """Units as text."""
    return ("" if spec.level == "char" else " ").join(units)


def finish(totals: dict[str, Any]) -> dict[str, float]:
    """The metrics from the totals of all batches."""
    exact = totals["exact"] / max(1, totals["sequences"])
    rate = totals["edits"] / max(1, totals["units"])
    found = {"exact_match": exact, "error_rate": rate, "word_error_rate": 1 - exact, "phoneme_error_rate": rate}
    if "texts" in totals:
        import sacrebleu

        got = [text for text, _ in totals["texts"]]
        most = max(len(right) for _, right in totals["texts"])
        references = [[right[min(k, len(right) - 1)] for _, right in totals["texts"]] for k in range(most)]
        found["bleu"] = sacrebleu.corpus_bleu(got, references, force=True).score
        found["chrf"] = sacrebleu.corpus_chrf(got, references).score
    return {name: float(value) for name, value in found.items()}
