"""Bucketing: batches of examples of similar length, padded to one of a few lengths."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.data.batch import Batch

QUANTILES = (0.5, 0.8, 0.95, 1.0)  # of the lengths, used as padded lengths: XLA compiles once for each


class Example(NamedTuple):
    """One sequence: `inputs [time, ...]`, and `targets` for each step or one for the sequence."""

    inputs: np.ndarray
    targets: Any


class Buckets:
    """Padded lengths chosen from the quantiles of all lengths, and batches that share one of them.

    Args:
        lengths: the length of every example, by split.
        batch_size: examples in a batch.
    """

    def __init__(self, lengths: Mapping[str, np.ndarray], batch_size: int):
        longest = max(int(part.max()) for part in lengths.values())
        counts = sum(np.bincount(part, minlength=longest + 1) for part in lengths.values())
        totals = np.cumsum(counts)
        ranks = np.ceil((totals[-1] - 1) * np.array(QUANTILES))
        self.padded_lengths = np.unique(np.searchsorted(totals, ranks, "right"))
        self.batch_size = batch_size
        self._buckets = np.searchsorted(self.padded_lengths, np.arange(longest + 1)).astype("uint8")

    def assign(self, lengths: np.ndarray) -> np.ndarray:
        """Returns the index in `padded_lengths` of the bucket of each length."""
        return self._buckets[lengths]

    def count_batches(self, lengths: np.ndarray) -> int:
        """Returns the number of batches of `make_batches`."""
        return int(np.sum(-(-np.bincount(self.assign(lengths)) // self.batch_size)))

    def make_batches(self, lengths: np.ndarray, order: np.ndarray) -> list[tuple[np.ndarray, int]]:
        """Divides examples, in the given order, into batches: `[(indices of examples, padded length), ...]`."""
        batches = []
        buckets = self.assign(lengths)[order]
        for bucket, padded_length in enumerate(self.padded_lengths):
            members = order[buckets == bucket]
            for i in range(0, len(members), self.batch_size):
                batches.append((members[i : i + self.batch_size], int(padded_length)))
        return batches


def pad_batch(
    examples: Sequence[Example], lengths: np.ndarray, batch_size: int, padded_length: int, per_step: bool
) -> Batch:
    """Pads examples at the end to one length; missing rows of the batch are padding of weight 0."""
    row_lengths = np.zeros(batch_size, "int64")
    row_lengths[: len(examples)] = lengths
    inputs = np.zeros((batch_size, padded_length, *examples[0].inputs.shape[1:]), examples[0].inputs.dtype)
    first = np.asarray(examples[0].targets)
    shape = (batch_size, padded_length, *first.shape[1:]) if per_step else (batch_size, *first.shape)
    targets = np.zeros(shape, first.dtype)
    for row, example in enumerate(examples):
        inputs[row, : len(example.inputs)] = example.inputs
        if per_step:
            targets[row, : len(example.inputs)] = example.targets
        else:
            targets[row] = example.targets
    mask = np.arange(padded_length) < row_lengths[:, None]
    weights = (mask if per_step else row_lengths > 0).astype("float32")
    return Batch(inputs, targets, mask=mask, weights=weights)
