"""What tasks of pairs share: units of text, batches of sources and what is to be written."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.spec import BOUNDARY, PAD, Level, TaskSpec
from rnnzoo.tasks.base import SPLITS, Batch
from rnnzoo.tasks.stored import Example, StoredTask
from rnnzoo.tasks.units import split_words
from rnnzoo.tasks.vocabulary import ids_of

LEVELS: dict[str, Callable[[str], list[str]]] = {"char": list, "word": split_words, "line": lambda text: [text]}
METRICS = ("error_rate", "exact_match", "token_accuracy")


class Pair(NamedTuple):
    """Units of a source, and of what is to be written; `others` may be written as well."""

    source: list[str]
    target: list[str]
    others: tuple[list[str], ...] = ()


def pair_spec(
    source: tuple[str, ...],
    target: tuple[str, ...],
    levels: tuple[Level, Level],
    longest: int,
    metrics: tuple[str, ...] = METRICS,
    lowercase: bool = False,
) -> TaskSpec:
    """The specification of text that is written for text; `longest` is the length of the longest to be written."""
    return TaskSpec(
        inputs="pair",
        outputs="token",
        per_step=True,
        input_size=len(source),
        output_size=len(target),
        loss="cross_entropy",
        metrics=metrics,
        vocabulary=target,
        level=levels[1],
        source="tokens",
        source_length=1 if levels[0] == "line" else 0,
        source_vocabulary=source,
        source_level=levels[0],
        lowercase=lowercase,
        output_length=longest + longest // 4 + 5,  # an end that comes late is no endless loop
    )


def pad_pairs(sources: Sequence[np.ndarray], targets: Sequence[np.ndarray], rows: int, places: int, time: int) -> Batch:
    """Ids of `rows` pairs, those that are missing being all padding: sources `[rows, places]`, targets `[rows, time]`.

    A target ends with BOUNDARY; what was written before each of its steps begins with one.
    """
    source = np.full((rows, places), PAD, "int32")
    target = np.full((rows, time), PAD, "int32")
    for row, (s, t) in enumerate(zip(sources, targets, strict=True)):
        source[row, : len(s)] = s
        target[row, : len(t)] = t
        target[row, len(t)] = BOUNDARY
    previous = np.concatenate([np.full((rows, 1), BOUNDARY, "int32"), target[:, :-1]], 1)
    return Batch(
        (source, np.where(previous == PAD, BOUNDARY, previous)), target, weights=(target != PAD).astype("float32")
    )


class PairTask(StoredTask):
    """Pairs in memory, in batches of like length of what is to be written."""

    def __init__(self, options: Any, pairs: dict[str, list[Pair]], spec: TaskSpec):
        examples = {
            s: [Example(ids_of(p.source, spec.source_vocabulary), ids_of(p.target, spec.vocabulary)) for p in pairs[s]]
            for s in SPLITS
        }
        self.pairs = pairs
        super().__init__(options, examples, spec)
        self.places = self._places()

    def measure(self, example: Example) -> int:
        return len(example.targets) + 1

    def _places(self) -> dict[int, int]:
        """For each padded length the longest source that goes with it."""
        longest: dict[int, int] = {}
        for split in SPLITS:
            bucket = self.sizes[np.searchsorted(self.sizes, self.lengths[split])]
            for size, example in zip(bucket, self.examples[split], strict=True):
                longest[int(size)] = max(longest.get(int(size), 1), len(example.inputs))
        return longest

    def _pad(self, split: str, members: np.ndarray, longest: int) -> Batch:
        chosen = [self.examples[split][i] for i in members]
        rows, places = self.options.batch_size, self.places[longest]
        batch = pad_pairs([e.inputs for e in chosen], [e.targets for e in chosen], rows, places, longest)
        pairs = [self.pairs[split][i] for i in members]
        return batch._replace(references=[[tuple(pair.target), *map(tuple, pair.others)] for pair in pairs])

    def summary(self) -> str:
        sizes = ", ".join(f"{s} {len(self.pairs[s]):,}" for s in SPLITS)
        return f"pairs: {sizes}; {self.spec.input_size} source symbols, {self.spec.output_size} target symbols"
