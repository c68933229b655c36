"""Base classes of seq2seq tasks: an output sequence for each source sequence."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.data.batch import SPLITS, Batch
from rnnzoo.data.bucketing import Example
from rnnzoo.data.joiner import split_with_joiners
from rnnzoo.data.tokens import split_words
from rnnzoo.data.vocabulary import encode
from rnnzoo.spec import BOS, EOS, PAD, Level, TaskSpec
from rnnzoo.tasks.base.in_memory import InMemoryTask
from rnnzoo.tasks.base.task import SyntheticTask

SPLITTERS: dict[str, Callable[[str], list[str]]] = {
    "char": list,
    "word": split_words,
    "joiner": split_with_joiners,
    "bpe": split_with_joiners,  # before words are divided
    "line": lambda text: [text],
}
METRICS = ("error_rate", "exact_match", "token_accuracy")


class SequencePair(NamedTuple):
    """The tokens of a source and of its target; `alternatives` are further correct targets, `text` is the target's."""

    source: list[str]
    target: list[str]
    alternatives: tuple[list[str], ...] = ()
    text: str = ""


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


class Seq2SeqTask(InMemoryTask):
    """Pairs of sequences in memory, in batches of similar target length.

    Args:
        options: options with `batch_size`.
        pairs: the pairs of each split.
        spec: the specification of the task, see `seq2seq_spec`.
    """

    def __init__(self, options: Any, pairs: dict[str, list[SequencePair]], spec: TaskSpec):
        examples = {
            s: [Example(encode(p.source, spec.source_vocabulary), encode(p.target, spec.vocabulary)) for p in pairs[s]]
            for s in SPLITS
        }
        self.pairs = pairs
        super().__init__(options, examples, spec)
        self.source_lengths = self._source_lengths()

    def example_length(self, example: Example) -> int:
        return len(example.targets) + 1

    def _source_lengths(self) -> dict[int, int]:
        """Returns the length of the longest source for each padded target length."""
        longest: dict[int, int] = {}
        for split in SPLITS:
            buckets = self.buckets.padded_lengths[self.buckets.assign(self.lengths[split])]
            for target_length, example in zip(buckets, self.examples[split], strict=True):
                longest[int(target_length)] = max(longest.get(int(target_length), 1), len(example.inputs))
        return longest

    def _pad(self, split: str, members: np.ndarray, padded_length: int) -> Batch:
        examples = [self.examples[split][i] for i in members]
        sources, targets = [e.inputs for e in examples], [e.targets for e in examples]
        source_length = self.source_lengths[padded_length]
        batch = pad_pairs(sources, targets, self.options.batch_size, source_length, padded_length)
        pairs = [self.pairs[split][i] for i in members]
        texts = [[p.text] for p in pairs] if pairs[0].text else None
        references = [[tuple(p.target), *map(tuple, p.alternatives)] for p in pairs]
        return batch._replace(references=references, reference_texts=texts)

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
