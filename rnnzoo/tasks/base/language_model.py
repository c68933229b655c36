"""Base class of language modelling tasks, for characters and for words."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from rnnzoo.config import option
from rnnzoo.data import corpus
from rnnzoo.data.batch import SPLITS, Batch, make_generator
from rnnzoo.data.cache import CACHE_HELP
from rnnzoo.data.encoded_corpus import EncodedCorpus, TokenCounts, count_tokens, encode_documents, encode_texts
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.errors import UserError
from rnnzoo.spec import BOS, PAD, SPECIAL_TOKENS, UNKNOWN, TaskSpec
from rnnzoo.tasks.base.task import Task

TOKEN_NAMES = {"char": "characters", "word": "words"}
MIN_TOKENS = {"char": 100, "word": 20}  # in the training split
WINDOWS_PER_SEGMENT = 64  # windows of a document that are evaluated one after another
PROMPT_WORDS = 2


@dataclasses.dataclass(frozen=True)
class TextOptions:
    """Options of every language modelling task."""

    data: str | None = option(None, "files, folders or globs, comma-separated; default: the Python standard library")
    encoding: str = option("utf-8", "encoding of --data")
    data_size: int = option(0, "maximum characters of the standard library to train on; 0: all", minimum=0)
    validation_fraction: float = option(0.05, "fraction of --data held out for validation", minimum=0.0005, below=1)
    test_fraction: float = option(0.05, "fraction of --data held out for the test", minimum=0.0005, below=1)
    seq_length: int = option(
        100, "tokens in a training step, the length of truncated back-propagation", minimum=1, size="time"
    )
    cache_dir: str | None = option(None, CACHE_HELP)
    batch_size: int = option(64, "streams of text read in parallel", minimum=1, size="batch")

    def encode(self, level: str, whole: bool = False) -> tuple[ArrayFolder, corpus.Splits]:
        """Returns the tokens of each split, or of all splits together, as numbers, and the documents."""
        if self.data is None:
            documents = corpus.read_standard_library(self.data_size)
            return encode_documents(documents, level), documents
        paths = corpus.find_files(self.data)
        fractions = (self.validation_fraction, self.test_fraction)
        if whole:
            split = functools.partial(corpus.whole_files, paths, self.encoding)
        else:
            split = functools.partial(corpus.split_files, paths, self.encoding, *fractions)
        return encode_texts(paths, split, [self.encoding, not whole and fractions], level, self.cache_dir)


class LanguageModelTask(Task):
    """Base class of language modelling tasks: predict the next token. Subclasses set the kind of tokens.

    A document begins with the BOS token `<s>` and is cut into windows of `seq_length` tokens. The windows of a split,
    in order, are distributed over `batch_size` streams read in parallel, so that each row of a batch continues the
    same row of the previous batch, or begins a document. Each epoch begins at a different window. The evaluation of
    "train" uses the beginning of the training text, as much as there is for validation.

    Args:
        options: a `TextOptions`.
        spec: the specification of a trained model, whose vocabulary is used; each split is then all of the text.

    Raises:
        UserError: there is too little text.
    """

    metrics: ClassVar[tuple[str, ...]]
    level: ClassVar[Any]

    def __init__(self, options: Any, spec: TaskSpec | None = None):
        self.options, self.origin = options, options.data or "the Python standard library"
        arrays, self.documents = options.encode(self.level, whole=spec is not None)
        self.is_whole = arrays.facts["whole"]
        counts = count_tokens(arrays, "train")
        if spec is None and counts.total() < MIN_TOKENS[self.level]:
            raise UserError(
                f"{self.origin} holds too little text: {counts.total()} {TOKEN_NAMES[self.level]} to train on, and at "
                f"least {MIN_TOKENS[self.level]} are needed"
            )
        vocabulary = spec.vocabulary if spec else (*SPECIAL_TOKENS, *self.choose_vocabulary(counts))
        self.encoded = {s: EncodedCorpus(arrays, s, vocabulary, options.seq_length) for s in SPLITS}
        for split in SPLITS:
            if not self.encoded[split].num_windows:
                raise UserError(f"{self.origin} holds too little text: the {split} split is empty")
        self.spec = spec or TaskSpec(
            inputs="tokens",
            outputs="token",
            per_step=True,
            input_size=len(vocabulary),
            output_size=len(vocabulary),
            loss="cross_entropy",
            metrics=self.metrics,
            vocabulary=vocabulary,
            level=self.level,
        )

    def choose_vocabulary(self, counts: TokenCounts) -> list[str]:
        """Returns the tokens of the vocabulary, the most frequent first."""
        raise NotImplementedError(f"{type(self).__name__} does not define choose_vocabulary(counts)")

    def steps_per_epoch(self) -> int | None:
        return -(-self.encoded["train"].num_windows // self.options.batch_size)

    def batch(self, seed: int, step: int) -> Batch:
        rows, total = self.options.batch_size, self.encoded["train"].num_windows
        windows_per_stream = -(-total // rows)
        epoch, window = divmod(step, windows_per_stream)
        first = make_generator(seed, epoch, "train").integers(total)
        batch = self._read_windows("train", (first + window + windows_per_stream * np.arange(rows)) % total)
        return batch._replace(restart=batch.restart | (window == 0))

    def evaluation(self, split: str) -> Iterator[Batch]:
        """Yields segments of documents in parallel, each read from the initial state.

        The metrics do not depend on the batch size.
        """
        rows = self.options.batch_size
        segments = self._segments(split)
        for i in range(0, len(segments), rows):
            begin, length = np.resize(segments[i : i + rows], (rows, 2)).T
            length = np.where(np.arange(rows) < len(segments) - i, length, 0)  # rows that fill up the batch
            for window in range(length.max()):
                present = window < length
                batch = self._read_windows(split, begin + np.where(present, window, 0))
                weights = (batch.weights * present[:, None]).astype("float32")
                yield batch._replace(weights=weights, restart=np.full(rows, window == 0))

    def _segments(self, split: str) -> np.ndarray:
        """Returns the first window and the number of windows of each segment, `[segments, 2]`, the longest first."""
        encoded = self.encoded[split]
        limit = self.encoded["validation"].num_windows if split == "train" else encoded.num_windows
        segments = []
        for first, end in itertools.pairwise(np.minimum(encoded.first_windows, limit).tolist()):
            for begin in range(first, end, WINDOWS_PER_SEGMENT):
                segments.append((begin, min(WINDOWS_PER_SEGMENT, end - begin)))
        return np.array(sorted(segments, key=lambda segment: -segment[1]))

    def baselines(self) -> dict[str, dict[str, float]]:
        counts, test = self.encoded["train"].counts + 1.0, self.encoded["test"].counts
        counts[[PAD, BOS]] = 0.5
        nats = -float(np.sum(np.log(counts / counts.sum()) * test) / test.sum())
        accuracy = float(test[counts.argmax()] / test.sum())
        return {"unigram": {**self.metrics_from_loss(nats), "accuracy": accuracy}}

    def prompts(self) -> list[str]:
        """Returns the first words of three lines of the test split."""
        text = "".join(itertools.islice(self.documents["test"][0].pieces(), 1))
        lines = [line for line in text.split("\n") if line.strip()] or [""]
        chosen = (lines[i * (len(lines) - 1) // 2] for i in range(3))
        return [" ".join(line.split(" ")[:PROMPT_WORDS])[: PROMPT_WORDS * 10] for line in chosen]

    def metrics_from_loss(self, nats: float) -> dict[str, float]:
        """Returns the metrics of the task that follow from the loss in nats."""
        values = {"loss": nats, "bits_per_char": nats / math.log(2), "perplexity": math.exp(nats)}
        return {name: value for name, value in values.items() if name in ("loss", *self.metrics)}

    def summary(self) -> str:
        splits = {"test": ""} if self.is_whole else {split: f"{split} " for split in SPLITS}
        part = "text" if self.is_whole else "test"
        sizes = ", ".join(f"{name}{self.encoded[split].counts.sum():,}" for split, name in splits.items())
        test = self.encoded["test"].counts
        unknown = test[UNKNOWN] / test.sum()
        vocabulary = f"vocabulary of {len(self.spec.vocabulary)}, {unknown:.3%} of the {part} unknown"
        return f"{self.origin}: {TOKEN_NAMES[self.level]} {sizes}; {vocabulary}"

    def _read_windows(self, split: str, windows: np.ndarray) -> Batch:
        ids, valid, first = self.encoded[split].read_windows(windows)
        return Batch(ids[:, :-1], ids[:, 1:], weights=valid[:, 1:].astype("float32"), restart=first)
