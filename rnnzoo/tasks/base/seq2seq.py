"""Base classes of seq2seq tasks: an output sequence for each source sequence."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rnnzoo.data.batch import SPLITS, Batch
from rnnzoo.data.vocabulary import encode
from rnnzoo.spec import BOS, EOS, PAD, Level, TaskSpec
from rnnzoo.tasks.base.bucketed import BucketedTask
from rnnzoo.tasks.base.encoded_pairs import EncodedPairs, SequencePair
from rnnzoo.tasks.base.task import SyntheticTask

METRICS = ("error_rate", "exact_match", "token_accuracy")


def seq2seq_spec(
    vocabularies: Sequence[tuple[str, ...]],
    levels: tuple[Level, Level],
    max_length: int,
    metrics: tuple[str, ...] = METRICS,
    lowercase: bool = False,
    merges: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
) -> TaskSpec:
    """Creates the `TaskSpec` of a seq2seq task on text.

    Args:
        vocabularies: the source and the target vocabulary.
        levels: kinds of source and target tokens.
        max_length: length of the longest target.
        metrics: the metrics of the task.
        lowercase: whether texts are converted to lower case.
        merges: the merges of the byte-pair encodings of sources and targets.
    """
    source_vocabulary, target_vocabulary = vocabularies
    return TaskSpec(
        inputs="pair",
        outputs="token",
        per_step=True,
        input_size=len(source_vocabulary),
        output_size=len(target_vocabulary),
        loss="cross_entropy",
        metrics=metrics,
        vocabulary=target_vocabulary,
        level=levels[1],
        source="tokens",
        source_length=1 if levels[0] == "line" else 0,
        source_vocabulary=source_vocabulary,
        source_level=levels[0],
        source_merges=merges[0],
        merges=merges[1],
        lowercase=lowercase,
        output_length=max_length + max_length // 4 + 5,  # ends outputs that lack EOS
    )


def pad_pairs(
    sources: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    batch_size: int,
    source_length: int,
    target_length: int,
) -> Batch:
    """Pads pairs of ids to a batch of `batch_size` rows; missing rows are all padding.

    A target ends with EOS. The decoder's inputs, the tokens before each step of the target, begin with BOS.

    Returns:
        A batch of inputs `(source [batch, source_length], previous [batch, target_length])` and targets
        `[batch, target_length]`.
    """
    source = np.full((batch_size, source_length), PAD, "int32")
    target = np.full((batch_size, target_length), PAD, "int32")
    for row, (source_ids, target_ids) in enumerate(zip(sources, targets, strict=True)):
        source[row, : len(source_ids)] = source_ids
        target[row, : len(target_ids)] = target_ids
        target[row, len(target_ids)] = EOS
    previous = np.concatenate([np.full((batch_size, 1), BOS, "int32"), target[:, :-1]], 1)
    return Batch((source, np.where(previous == PAD, EOS, previous)), target, weights=(target != PAD).astype("float32"))


class Seq2SeqTask(BucketedTask):
    """Pairs of sequences, in batches of similar target length.

    Args:
        options: options with `batch_size`.
        pairs: the pairs of each split.
        spec: the specification of the task, see `seq2seq_spec`.
    """

    def __init__(self, options: Any, pairs: EncodedPairs, spec: TaskSpec):
        self.pairs = pairs.pairs
        super().__init__(options, pairs.examples, spec)
        longest = np.ones(len(self.buckets.padded_lengths), "int32")
        for split in SPLITS:
            np.maximum.at(longest, self.buckets.assign(self.lengths[split]), pairs.source_lengths[split])
        self.source_lengths = dict(zip(self.buckets.padded_lengths.tolist(), longest.tolist(), strict=True))

    def evaluation(self, split: str) -> Iterator[Batch]:
        for members, padded_length in self._evaluation_batches(split):
            pairs = [self.pairs[split][i] for i in members]
            texts = [[p.text] for p in pairs] if pairs[0].text else None
            references = [[tuple(p.target), *map(tuple, p.alternatives)] for p in pairs]
            batch = self._pad(split, members, padded_length)
            yield batch._replace(references=references, reference_texts=texts)

    def _pad(self, split: str, members: np.ndarray, padded_length: int) -> Batch:
        examples = [self.examples[split][i] for i in members]
        sources, targets = [e.inputs for e in examples], [e.targets for e in examples]
        source_length = self.source_lengths[padded_length]
        return pad_pairs(sources, targets, self.options.batch_size, source_length, padded_length)

    def summary(self) -> str:
        sizes = ", ".join(f"{s} {len(self.pairs[s]):,}" for s in SPLITS)
        return (
            f"pairs: {sizes}; source vocabulary of {self.spec.input_size}, target vocabulary of {self.spec.output_size}"
        )


class SyntheticSeq2SeqTask(SyntheticTask):
    """Pairs of sequences generated at random, without end. Subclasses define `sample_pair`.

    Attributes:
        source_length: the length to which sources are padded.
        target_length: the length to which targets, EOS included, are padded.
    """

    spec: TaskSpec
    source_length: int
    target_length: int

    def sample_pair(self, rng: np.random.Generator) -> SequencePair:
        """Generates one pair."""
        raise NotImplementedError(f"{type(self).__name__} does not define sample_pair(rng)")

    def sample_batch(self, rng: np.random.Generator, size: int) -> Batch:
        pairs = [self.sample_pair(rng) for _ in range(size)]
        sources = [encode(pair.source, self.spec.source_vocabulary) for pair in pairs]
        targets = [encode(pair.target, self.spec.vocabulary) for pair in pairs]
        return pad_pairs(sources, targets, size, self.source_length, self.target_length)
