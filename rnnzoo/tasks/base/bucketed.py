"""Base class of tasks on a given number of examples."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rnnzoo.data.batch import SPLITS, Batch, make_generator
from rnnzoo.data.bucketing import Buckets, Example, pad_batch
from rnnzoo.data.splits import check_not_empty
from rnnzoo.data.stored import StoredExamples, iterate_targets
from rnnzoo.spec import PAD, UNKNOWN, TaskSpec
from rnnzoo.tasks.base.task import Task

UNKNOWN_DROPOUT_HELP = "a: in training, a word that occurs n times becomes <unk> with probability a / (a + n)"


class BucketedTask(Task):
    """Examples in batches of similar length (bucketing), each example once in an epoch.

    Examples are padded at the end. Rows that fill up the last batch of a bucket have weight 0. The evaluation of
    "train" uses as many examples as the validation split has.

    With an option `unknown_dropout`, subclasses set `token_counts`.

    Args:
        options: options with `batch_size`.
        examples: the examples of each split, in a list or as `StoredExamples`.
        spec: the specification of the task.

    Raises:
        UserError: a split is empty.
    """

    token_counts: np.ndarray  # occurrences of each id of the vocabulary in the training data

    def __init__(self, options: Any, examples: Mapping[str, Sequence[Example]], spec: TaskSpec):
        self.options, self.examples, self.spec = options, dict(examples), spec
        check_not_empty(examples, getattr(options, "data", None) or "the data")
        self.lengths = {s: self._measure(examples[s]) for s in SPLITS}
        self.buckets = Buckets(self.lengths, options.batch_size)
        self.max_length = int(self.buckets.padded_lengths[-1])
        self._batches_of_epoch: dict[tuple[int, int], list] = {}

    def _measure(self, examples: Sequence[Example]) -> np.ndarray:
        if isinstance(examples, StoredExamples):
            return examples.lengths
        return np.array([len(e.inputs) for e in examples], "int32")

    def steps_per_epoch(self) -> int:
        return self.buckets.count_batches(self.lengths["train"])

    def batch(self, seed: int, step: int) -> Batch:
        epoch, number = divmod(step, self.steps_per_epoch())
        if (seed, epoch) not in self._batches_of_epoch:
            rng = make_generator(seed, epoch, "train")
            lengths = self.lengths["train"]
            batches = self.buckets.make_batches(lengths, rng.permutation(np.arange(len(lengths), dtype="int32")))
            self._batches_of_epoch = {(seed, epoch): [batches[i] for i in rng.permutation(len(batches))]}
        batch = self._pad("train", *self._batches_of_epoch[seed, epoch][number])
        rate = getattr(self.options, "unknown_dropout", 0.0)
        return batch._replace(inputs=self._drop_words(batch.inputs, rate, seed, step)) if rate else batch

    def class_counts(self) -> np.ndarray | None:
        if self.spec.outputs != "class":
            return None
        counts = np.zeros(self.spec.output_size, "int64")
        for targets in iterate_targets(self.examples["train"]):
            counts += np.bincount(targets[targets >= 0], minlength=len(counts))
        return counts

    def _drop_words(self, inputs: np.ndarray, rate: float, seed: int, step: int) -> np.ndarray:
        """Replaces words at random by UNKNOWN, rare ones more often, so that its embedding is trained.

        Kiperwasser & Goldberg (2016), Simple and accurate dependency parsing using bidirectional LSTM feature
        representations, TACL 4.
        """
        words = inputs if inputs.ndim == 2 else inputs[..., 0]
        probability = np.where(words == PAD, 0, rate / (rate + np.maximum(self.token_counts[words], 1)))
        rng = np.random.default_rng([seed, step, 1])
        dropped = np.where(rng.random(words.shape) < probability, UNKNOWN, words).astype(words.dtype)
        return dropped if inputs.ndim == 2 else np.concatenate([dropped[..., None], inputs[..., 1:]], -1)

    def evaluation(self, split: str) -> Iterator[Batch]:
        return (self._pad(split, *batch) for batch in self._evaluation_batches(split))

    def _evaluation_batches(self, split: str) -> list[tuple[np.ndarray, int]]:
        lengths = self.lengths[split]
        order = np.arange(len(lengths), dtype="int32")
        if split == "train":
            order = order[:: max(1, len(order) // len(self.lengths["validation"]))]
        return self.buckets.make_batches(lengths, order)

    def _pad(self, split: str, members: np.ndarray, padded_length: int) -> Batch:
        examples = [self.examples[split][i] for i in members]
        lengths = self.lengths[split][members]
        batch = pad_batch(examples, lengths, self.options.batch_size, padded_length, self.spec.per_step)
        # rows that only fill up the batch need no mask: they have weight 0
        unmasked = len(self.buckets.padded_lengths) == 1 and batch.mask[: len(examples)].all()
        return batch._replace(mask=None) if unmasked else batch
