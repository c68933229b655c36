"""Language modelling of any text, whatever its units."""

import itertools
import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from rnnzoo.errors import UserError
from rnnzoo.spec import BOUNDARY, PAD, SPECIAL, UNKNOWN, TaskSpec
from rnnzoo.tasks.base import SPLITS, Batch, Task, generator
from rnnzoo.tasks.corpus import Splits
from rnnzoo.tasks.units import Characters, Counts, Encoded, Words

UNITS = {"char": "characters", "word": "words"}
FEWEST = {"char": 100, "word": 20}  # units to train on: fewer than a line of text teaches nothing
PIECE = 64  # windows of a document that are evaluated one after another
PROMPT = 2  # words of a prompt


class LanguageModel(Task):
    """Guess the next unit. Subclasses say what a unit is, and where the text is from.

    A document begins with the boundary symbol `<s>` and is read in windows of `seq_length` units.
    The windows of a split, in order, are dealt to `batch_size` streams read side by side, so that
    each row of a batch continues the same row of the batch before, or begins a document. Each
    epoch begins at another window. What is evaluated as "train" is the beginning of the training
    text, as much as there is for validation.
    """

    units: ClassVar[Characters | Words]
    metrics: ClassVar[tuple[str, ...]]
    level: ClassVar[Any]

    def __init__(self, options: Any, documents: Splits, origin: str):
        self.options, self.documents, self.origin = options, documents, origin
        counts = self.units.count(documents["train"])
        if counts.total() < FEWEST[self.level]:
            raise UserError(
                f"{origin} holds too little text: {counts.total()} {UNITS[self.level]} to train on, and at least "
                f"{FEWEST[self.level]} are needed"
            )
        symbols = (*SPECIAL, *self.vocabulary(counts))
        self.encoded = {s: Encoded(documents[s], self.units, symbols, options.seq_length) for s in SPLITS}
        for split in SPLITS:
            if not self.encoded[split].windows:
                raise UserError(f"{origin} holds too little text: nothing in the {split} split")
        self.spec = TaskSpec(
            inputs="tokens",
            outputs="token",
            per_step=True,
            input_size=len(symbols),
            output_size=len(symbols),
            loss="cross_entropy",
            metrics=self.metrics,
            vocabulary=symbols,
            level=self.level,
        )

    def vocabulary(self, counts: Counts) -> list[str]:
        """The units to know, the most frequent first."""
        raise NotImplementedError(f"{type(self).__name__} does not define vocabulary(counts)")

    def steps_per_epoch(self) -> int | None:
        return -(-self.encoded["train"].windows // self.options.batch_size)

    def batch(self, seed: int, step: int) -> Batch:
        rows, total = self.options.batch_size, self.encoded["train"].windows
        stream = -(-total // rows)
        epoch, window = divmod(step, stream)
        first = generator(seed, epoch, "train").integers(total)
        batch = self._cut("train", (first + window + stream * np.arange(rows)) % total)
        return batch._replace(restart=batch.restart | (window == 0))

    def evaluation(self, split: str) -> Iterator[Batch]:
        """Pieces of documents side by side, each read from a fresh state: no figure depends on how many at a time."""
        rows = self.options.batch_size
        pieces = self._pieces(split)
        for i in range(0, len(pieces), rows):
            begin, length = np.resize(pieces[i : i + rows], (rows, 2)).T
            length = np.where(np.arange(rows) < len(pieces) - i, length, 0)  # rows that fill up count nothing
            for window in range(length.max()):
                there = window < length
                batch = self._cut(split, begin + np.where(there, window, 0))
                weights = (batch.weights * there[:, None]).astype("float32")
                yield batch._replace(weights=weights, restart=np.full(rows, window == 0))

    def _pieces(self, split: str) -> np.ndarray:
        """First window and number of windows of each piece `[pieces, 2]`, the longest first; "train" is cut short."""
        encoded = self.encoded[split]
        most = self.encoded["validation"].windows if split == "train" else encoded.windows
        pieces = []
        for first, end in itertools.pairwise(np.minimum(encoded.first, most).tolist()):
            pieces += [(begin, min(PIECE, end - begin)) for begin in range(first, end, PIECE)]
        return np.array(sorted(pieces, key=lambda piece: -piece[1]))

    def baselines(self) -> dict[str, dict[str, float]]:
        counts, test = self.encoded["train"].counts + 1.0, self.encoded["test"].counts
        counts[[PAD, BOUNDARY]] = 0.5
        nats = -float(np.sum(np.log(counts / counts.sum()) * test) / test.sum())
        accuracy = float(test[counts.argmax()] / test.sum())
        return {"unigram": {**self.known(nats), "accuracy": accuracy}}

    def prompts(self) -> list[str]:
        """The first words of three lines of the test."""
        text = "".join(itertools.islice(self.documents["test"][0].pieces(), 1))
        lines = [line for line in text.split("\n") if line.strip()] or [""]
        chosen = (lines[i * (len(lines) - 1) // 2] for i in range(3))
        return [" ".join(line.split(" ")[:PROMPT])[: PROMPT * 10] for line in chosen]

    def known(self, nats: float) -> dict[str, float]:
        """The metrics that follow from a loss."""
        every = {"loss": nats, "bits_per_char": nats / math.log(2), "perplexity": math.exp(nats)}
        return {name: value for name, value in every.items() if name in ("loss", *self.metrics)}

    def summary(self) -> str:
        sizes = ", ".join(f"{split} {self.encoded[split].counts.sum():,}" for split in SPLITS)
        test = self.encoded["test"].counts
        unknown = test[UNKNOWN] / test.sum()
        known = f"{len(self.spec.vocabulary)} symbols, {unknown:.3%} of the test unknown"
        return f"{self.origin}: {UNITS[self.level]} {sizes}; {known}"

    def _cut(self, split: str, windows: np.ndarray) -> Batch:
        ids, there, first = self.encoded[split].cut(windows)
        return Batch(ids[:, :-1], ids[:, 1:], weights=there[:, 1:].astype("float32"), restart=first)
