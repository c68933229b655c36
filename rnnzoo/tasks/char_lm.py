"""Character-wise language modelling of any text."""

import bz2
import collections
import dataclasses
import lzma
import math
import zlib
from collections.abc import Iterator

import numpy as np

from rnnzoo.config import option
from rnnzoo.registry import TASKS
from rnnzoo.spec import BOUNDARY, PAD, SPECIAL, UNKNOWN, TaskSpec
from rnnzoo.tasks import corpus
from rnnzoo.tasks.base import SPLITS, Batch, Task, generator


@dataclasses.dataclass(frozen=True)
class CharLMOptions:
    """Options of character-wise language modelling."""

    data: str | None = option(None, "text files, comma-separated; default: the Python standard library's source")
    data_size: int = option(0, "most characters of the standard library to train on; 0: all", minimum=0)
    held_out: float = option(0.1, "fraction of --data held out for validation and test", minimum=0.001, below=1)
    min_count: int = option(2, "characters seen less often in training become <unk>", minimum=1)
    seq_length: int = option(100, "characters a step that the gradient goes back through", minimum=1)
    batch_size: int = option(64, "streams of text read side by side", minimum=1)


@TASKS.register("char_lm")
class CharLM(Task):
    """Character-wise language modelling: guess the next character.

    A document begins with the boundary symbol `<s>` and is read in windows of `seq_length`
    characters. The windows of a split, in order, are dealt to `batch_size` streams read side by
    side, so that each row of a batch continues the same row of the batch before, or begins a
    document. Each epoch begins at another window. What is evaluated as "train" is the beginning
    of the training text, as much as there is for validation.
    """

    training_defaults = {"steps": 1000, "learning_rate": 1e-2}

    def __init__(self, options: CharLMOptions):
        self.options = options
        documents = corpus.files(options.data, options.held_out) if options.data else None
        documents = documents or corpus.standard_library(options.data_size)
        symbols = _symbols(documents["train"], options.min_count)
        self._test = "".join(documents["test"])
        self._ids, self._windows = {}, {}
        for split, parts in documents.items():
            self._ids[split] = _encode(parts, symbols)
            self._windows[split] = _windows([len(part) for part in parts], options.seq_length)
        self.spec = TaskSpec(
            inputs="tokens",
            outputs="token",
            per_step=True,
            input_size=len(symbols),
            output_size=len(symbols),
            loss="cross_entropy",
            metrics=("bits_per_char", "perplexity", "accuracy"),
            vocabulary=symbols,
        )

    def batch(self, seed: int, step: int) -> Batch:
        rows, total = self.options.batch_size, len(self._windows["train"])
        stream = -(-total // rows)
        epoch, window = divmod(step, stream)
        first = generator(seed, epoch, "train").integers(total)
        batch = self._cut("train", (first + window + stream * np.arange(rows)) % total)
        return batch._replace(restart=batch.restart | (window == 0))

    def steps_per_epoch(self) -> int | None:
        return -(-len(self._windows["train"]) // self.options.batch_size)

    def evaluation(self, split: str) -> Iterator[Batch]:
        rows, total = self.options.batch_size, len(self._windows[split])
        total = min(total, len(self._windows["validation"])) if split == "train" else total
        stream = -(-total // rows)
        for window in range(stream):
            at = window + stream * np.arange(rows)
            batch = self._cut(split, at % total)
            weights = batch.weights * (at < total)[:, None]
            yield batch._replace(weights=weights.astype("float32"), restart=batch.restart | (window == 0))

    def _cut(self, split: str, windows: np.ndarray) -> Batch:
        begin, end, first = self._windows[split][windows].T
        at = begin[:, None] + np.arange(self.options.seq_length + 1)
        real = at <= end[:, None]
        text = self._ids[split][np.minimum(at, end[:, None])].astype("int32")
        return Batch(text[:, :-1], text[:, 1:], weights=real[:, 1:].astype("float32"), restart=first.astype(bool))

    def baselines(self) -> dict[str, dict[str, float]]:
        test = self._ids["test"][self._ids["test"] != BOUNDARY]
        counts = np.bincount(self._ids["train"], minlength=len(self.spec.vocabulary)) + 1.0
        counts[[PAD, BOUNDARY]] = 0.5
        unigram = -float(np.mean(np.log(counts / counts.sum())[test]))
        raw = self._test.encode()
        found = {"unigram": {**_metrics(unigram), "accuracy": float(np.mean(test == counts.argmax()))}}
        for name, packed in (("zlib", zlib.compress(raw, 9)), ("bz2", bz2.compress(raw)), ("xz", lzma.compress(raw))):
            found[name] = _metrics(8 * len(packed) / len(self._test) * math.log(2))
        return found

    def summary(self) -> str:
        name = self.options.data or "the Python standard library"
        sizes = ", ".join(f"{split} {len(self._ids[split]):,}" for split in SPLITS)
        unknown = np.mean(self._ids["test"] == UNKNOWN)
        return f"{name}: characters {sizes}; {len(self.spec.vocabulary)} symbols, {unknown:.3%} of the test unknown"


def _metrics(nats: float) -> dict[str, float]:
    return {"loss": nats, "bits_per_char": nats / math.log(2), "perplexity": math.exp(nats)}


def _windows(lengths: list[int], size: int) -> np.ndarray:
    """For each window `[index of its first input, index of its document's last symbol, begins a document]`."""
    rows, begin = [], 0
    for length in lengths:
        starts = np.arange(begin, begin + length, size)
        rows.append(np.stack([starts, np.full_like(starts, begin + length), starts == begin], 1))
        begin += length + 1  # the boundary symbol comes before
    return np.concatenate(rows)


def _symbols(documents: list[str], min_count: int) -> tuple[str, ...]:
    """The special symbols, then the characters, the most frequent first."""
    counts: collections.Counter[str] = collections.Counter()
    for document in documents:
        counts.update(document)
    kept = sorted((c for c, n in counts.items() if n >= min_count), key=lambda c: (-counts[c], c))
    return (*SPECIAL, *kept)


def _encode(documents: list[str], symbols: tuple[str, ...]) -> np.ndarray:
    """Ids of all documents, a boundary before each."""
    table = np.full(0x110000, UNKNOWN, "uint16" if len(symbols) < 1 << 16 else "int32")
    table[[ord(s) for s in symbols[len(SPECIAL) :]]] = np.arange(len(SPECIAL), len(symbols))
    parts = []
    for document in documents:
        points = np.frombuffer(document.encode("utf-32-le", "surrogatepass"), "uint32")
        parts += [np.array([BOUNDARY], table.dtype), table[points]]
    return np.concatenate(parts)
