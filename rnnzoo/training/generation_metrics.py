"""Metrics of generated sequences: exact match, error rate, BLEU and chrF."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnzoo.data.joiner import join_with_joiners
from rnnzoo.spec import EOS, JOINED_LEVELS, PAD, TaskSpec

TEXT_METRICS = ("bleu", "chrf")  # computed by sacrebleu


def edit_distance(hypothesis: Sequence[Any], reference: Sequence[Any]) -> int:
    """Returns the edit distance between two sequences (Levenshtein 1966).

    >>> edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(reference) + 1))
    for i, a in enumerate(hypothesis, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(reference, 1):
            before, row[j] = row[j], min(before + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def count_matches(
    spec: TaskSpec,
    hypotheses: np.ndarray,
    targets: np.ndarray,
    valid: np.ndarray,
    references: Any,
    reference_texts: Any = None,
) -> dict[str, Any]:
    """Counts sequences, exact matches, edits and reference tokens, and collects the texts for BLEU.

    Args:
        spec: the specification of the task.
        hypotheses: generated ids `[batch, length]`.
        targets: target ids `[batch, time]`.
        valid: `[batch]`, False for rows that fill up the batch.
        references: the correct outputs of each row, or None: the targets.
        reference_texts: the texts of the correct outputs as they are in the data, or None: joined tokens.
    """
    totals: dict[str, Any] = {"sequences": 0, "exact": 0, "edits": 0, "tokens": 0}
    texts: list[tuple[str, list[str]]] = []
    for row in np.flatnonzero(valid):
        hypothesis = tuple(spec.vocabulary[i] for i in hypotheses[row] if i != PAD)
        if references is None:
            correct = [tuple(spec.vocabulary[i] for i in targets[row] if i not in (PAD, EOS))]
        else:
            correct = references[row]
        distances = [(edit_distance(hypothesis, tokens), len(tokens)) for tokens in correct]
        nearest, length = min(distances, key=lambda pair: pair[0] / max(1, pair[1]))
        totals["sequences"] += 1
        totals["exact"] += nearest == 0
        totals["edits"] += nearest
        totals["tokens"] += length
        raw = reference_texts[row] if reference_texts else [join_tokens(spec.level, tokens) for tokens in correct]
        texts.append((join_tokens(spec.level, hypothesis), raw))
    return {**totals, "texts": texts} if set(TEXT_METRICS) & set(spec.metrics) else totals


def join_tokens(level: str, tokens: Sequence[str]) -> str:
    """Joins tokens of a level to text, as exports do."""
    text = ("" if level == "char" else " ").join(tokens)
    return join_with_joiners(text) if level in JOINED_LEVELS else text


def compute_metrics(totals: dict[str, Any]) -> dict[str, float]:
    """Computes the metrics from the totals of all batches."""
    exact = totals["exact"] / max(1, totals["sequences"])
    error_rate = totals["edits"] / max(1, totals["tokens"])
    values = {
        "exact_match": exact,
        "error_rate": error_rate,
        "word_error_rate": 1 - exact,
        "phoneme_error_rate": error_rate,
    }
    if "texts" in totals:
        import sacrebleu

        logging.getLogger("sacrebleu").setLevel(logging.ERROR)  # it comments on every tokenized text
        hypotheses = [text for text, _ in totals["texts"]]
        count = max(len(correct) for _, correct in totals["texts"])
        references = [[correct[min(k, len(correct) - 1)] for _, correct in totals["texts"]] for k in range(count)]
        values["bleu"] = sacrebleu.BLEU(force=True).corpus_score(hypotheses, references).score
        values["chrf"] = sacrebleu.corpus_chrf(hypotheses, references).score
    return {name: float(value) for name, value in values.items()}


def bleu_signature(totals: dict[str, Any]) -> str:
    """Returns sacrebleu's signature of the BLEU of `compute_metrics`: how it was computed."""
    import sacrebleu

    bleu = sacrebleu.BLEU(force=True)
    hypothesis, references = totals["texts"][0]
    bleu.corpus_score([hypothesis], [[text] for text in references])
    return str(bleu.get_signature())
