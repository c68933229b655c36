"""Base class of tasks whose examples are held in memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rnnzoo.data.batch import SPLITS, Batch, make_generator
from rnnzoo.data.bucketing import Buckets, Example, pad_batch
from rnnzoo.data.splits import check_not_empty
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base.task import Task


class InMemoryTask(Task):
    """Examples in memory, in batches of similar length (bucketing), each example once in an epoch.

    Examples are padded at the end. Rows that fill up the last batch of a bucket have weight 0. The evaluation of
    "train" uses as many examples as the validation split has.

    Args:
        options: options with `batch_size`.
        examples: the examples of each split.
        spec: the specification of the task.

    Raises:
        UserError: a split is empty.
    """

    def __init__(self, options: Any, examples: dict[str, list[Example]], spec: TaskSpec):
        self.options, self.examples, self.spec = options, examples, spec
        check_not_empty(examples, getattr(options, "data", None) or "the data")
        self.lengths = {s: np.array([self.example_length(e) for e in examples[s]]) for s in SPLITS}
        self.buckets = Buckets(self.lengths, options.batch_size)
        self.max_length = int(self.buckets.padded_lengths[-1])
        self._batches_of_epoch: dict[tuple[int, int], list] = {}

    def example_length(self, example: Example) -> int:
        """Returns the length by which examples are grouped."""
        return len(example.inputs)

    def steps_per_epoch(self) -> int:
        lengths = self.lengths["train"]
        return len(self.buckets.make_batches(lengths, np.arange(len(lengths))))

    def batch(self, seed: int, step: int) -> Batch:
        epoch, number = divmod(step, self.steps_per_epoch())
        if (seed, epoch) not in self._batches_of_epoch:
            rng = make_generator(seed, epoch, "train")
            lengths = self.lengths["train"]
            batches = self.buckets.make_batches(lengths, rng.permutation(len(lengths)))
            self._batches_of_epoch = {(seed, epoch): [batches[i] for i in rng.permutation(len(batches))]}
        return self._pad("train", *self._batches_of_epoch[seed, epoch][number])

    def evaluation(self, split: str) -> Iterator[Batch]:
        lengths = self.lengths[split]
        order = np.arange(len(lengths))
        if split == "train":
            order = order[:: max(1, len(order) // len(self.lengths["validation"]))]
        return (self._pad(split, *batch) for batch in self.buckets.make_batches(lengths, order))

    def _pad(self, split: str, members: np.ndarray, padded_length: int) -> Batch:
        examples = [self.examples[split][i] for i in members]
        lengths = self.lengths[split][members]
        batch = pad_batch(examples, lengths, self.options.batch_size, padded_length, self.spec.per_step)
        # rows that only fill up the batch need no mask: they have weight 0
        unmasked = len(self.buckets.padded_lengths) == 1 and batch.mask[: len(examples)].all()
        return batch._replace(mask=None) if unmasked else batch
