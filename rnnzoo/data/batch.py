"""Batches of arrays, and random generators that depend only on seed, step and split."""

from typing import Any, NamedTuple

import numpy as np

SPLITS = ("train", "validation", "test")


class Batch(NamedTuple):
    """Inputs and targets of one training or evaluation step.

    Attributes:
        inputs: `[batch, time, ...]`, or a pair of such arrays for seq2seq data.
        targets: `[batch, time, ...]`, or `[batch, ...]` for one target per sequence.
        mask: `[batch, time]`, False at padding. None: no padding.
        weights: weight of each target in the loss. None: all ones.
        restart: `[batch]`, False for rows that continue the same row of the previous batch. None: all True.
        accuracy_weights: weight of each target in the accuracy. None: `weights`.
        allowed_outputs: `[batch, time, outputs]`, the outputs that are legal at each step. If given, accuracy counts
            whole sequences, correct where the most probable outputs of every step are exactly the legal ones.
        references: for each row the list of correct output sequences, as tuples of tokens.
        reference_texts: for each row the list of their texts, for metrics of texts.
    """

    inputs: Any
    targets: Any
    mask: Any = None
    weights: Any = None
    restart: Any = None
    accuracy_weights: Any = None
    allowed_outputs: Any = None
    references: Any = None
    reference_texts: Any = None

    def remove_references(self, for_metrics: bool = False) -> "Batch":
        """Returns the batch without the fields that are not arrays, and without those for metrics unless asked for."""
        batch = self._replace(references=None, reference_texts=None)
        return batch if for_metrics else batch._replace(accuracy_weights=None, allowed_outputs=None)


def make_generator(seed: int, step: int, split: str) -> np.random.Generator:
    """Creates a random generator from seed, step and split."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, step, SPLITS.index(split)])))
