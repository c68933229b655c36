"""The task `tag`: sequence tagging."""

import dataclasses
import functools
import itertools
import re
from typing import Any

import numpy as np

from rnnzoo.config import option
from rnnzoo.data import corpus, python_source
from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.cache import encode_file
from rnnzoo.data.conll import ConllFormat
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.sentences import SentenceReader, SentenceWriter
from rnnzoo.data.splits import FileOptions, Part, check_data_given, read_parts, whole_parts
from rnnzoo.data.stored import open_examples
from rnnzoo.data.vocabulary import choose_vocabulary, find_labels, map_symbols, sum_by_id
from rnnzoo.data.word_vectors import VECTORS_HELP, read_word_vectors
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import SPECIAL_TOKENS, TaskSpec
from rnnzoo.tasks.base import BucketedTask
from rnnzoo.tasks.base.bucketed import UNKNOWN_DROPOUT_HELP
from rnnzoo.tasks.base.classification import check_known_labels

SPAN_PREFIXES = ("B-", "I-", "S-", "E-")
MAX_CHARS_PER_FILE = 10_000  # so that a small set has many files


@dataclasses.dataclass(frozen=True)
class TagOptions(FileOptions):
    """Options of the task `tag`."""

    data: str | None = option(None, "file in CoNLL format; default: the Python standard library, by character")
    columns: str = option(
        "", "columns of word and tag, by number or name; default: first and last (0,-1), in CoNLL-U form,upos"
    )
    features: str = option("", "further columns that are embedded, by number or name, such as pos; comma-separated")
    vectors: str | None = option(None, VECTORS_HELP)
    min_count: int = option(1, "words of --data with fewer occurrences in training become <unk>", minimum=1)
    char_embedding: bool = option(False, "embed each word also by a bidirectional LSTM over its characters")
    unknown_dropout: float = option(0.25, UNKNOWN_DROPOUT_HELP, minimum=0, maximum=1000)
    word_length: int = option(20, "characters of a word that are read", minimum=1, size="time")
    seq_length: int = option(200, "characters in a sequence of source code", minimum=1, size="time")
    data_size: int = option(400_000, "characters of source code to train on; 0: all", minimum=0)


@TASKS.register("tag")
class Tag(BucketedTask):
    """Tagging: a label for each word of a sentence.

    Files have the format of the CoNLL shared tasks: a word and its tag on each line, in the columns of `--columns`,
    and an empty line after each sentence. `accuracy` is that of single tags; for B-, I- and O tags, `f1` is that of
    whole spans, as in conlleval. The default data are Python source files, to be tagged by character with the kind
    of its token.

    Files in CoNLL-U are read by its rules. With `--features` each word is embedded with the values of further columns,
    such as its part of speech, which an export then needs too. With the option `--crf` of a model the tags of a
    sentence are predicted together, by a linear-chain conditional random field.
    """

    training_defaults = {"steps": 2500, "learning_rate": 5e-3}
    model_defaults = {"units": 100, "embedding": 100, "output_dropout": 0.5}

    def __init__(self, options: TagOptions, spec: TaskSpec | None = None):
        check_data_given(options, "columns", "features", "vectors", "min_count", "char_embedding", "word_length")
        self.origin = options.data or "the Python standard library"
        parts, files = _read(options)
        given = spec is not None
        symbols = parts["train"].arrays.strings("words.symbols")
        counts = parts["train"].count("words", len(symbols))
        spec = spec or _make_spec(options, parts, counts)
        for arrays in files:
            check_known_labels(spec, arrays.strings("tags.symbols"), self.origin)
        self.word_vectors = (
            read_word_vectors(options.vectors, spec.vocabulary) if options.vectors and not given else None
        )
        self.token_counts = sum_by_id(map_symbols(symbols, spec.vocabulary), counts, spec.input_size)
        self._parts = parts
        super().__init__(options, open_examples(parts, lambda arrays: SentenceReader(arrays, spec), "words"), spec)

    def baselines(self) -> dict[str, dict[str, float]]:
        """Returns the accuracy of the most frequent tag, and of the most frequent tag of each word."""
        counts = {s: self._count_tags(s) for s in ("train", "test")}
        most_frequent = counts["train"].sum(0).argmax()
        by_word = np.where(counts["train"].sum(1) > 0, counts["train"].argmax(1), most_frequent)
        right = {
            "most frequent tag": counts["test"][:, most_frequent].sum(),
            "most frequent tag of the word": np.take_along_axis(counts["test"], by_word[:, None], 1).sum(),
        }
        return {name: {"accuracy": float(count / counts["test"].sum())} for name, count in right.items()}

    def _count_tags(self, split: str) -> np.ndarray:
        """Returns how often each word of the vocabulary has each tag, `[words, tags]`."""
        part = self._parts[split]
        words, labels = (part.arrays.strings(f"{name}.symbols") for name in ("words", "tags"))
        word_ids, label_ids = map_symbols(words, self.spec.vocabulary), find_labels(labels, self.spec)
        counts = np.zeros((self.spec.input_size, self.spec.output_size), "int32")
        for numbers, tags in part.blocks("words", "tags"):
            np.add.at(counts, (word_ids(numbers), label_ids[tags]), 1)
        return counts

    def summary(self) -> str:
        sizes = ", ".join(f"{s} {self.lengths[s].sum():,}" for s in SPLITS)
        token_name = "characters" if self.options.data is None else "words"
        known = f" ({len(self.word_vectors.ids):,} with a vector)" if self.word_vectors else ""
        text = f"{self.origin}: {token_name} {sizes}; vocabulary of {self.spec.input_size}{known}"
        return f"{text}, {self.spec.output_size} tags"


def _make_spec(options: TagOptions, parts: dict[str, Part], counts: np.ndarray) -> TaskSpec:
    """Creates the specification from the splits and the occurrences of the words in training."""
    train, min_count = parts["train"].arrays, options.min_count if options.data else 1
    vocabulary = choose_vocabulary(counts, train.strings("words.symbols"), None, min_count)
    known = vocabulary[len(SPECIAL_TOKENS) :]
    if not known:
        raise UserError(f"--data: no word occurs {options.min_count} times in the training data; give --min_count=1")
    chars = sorted({c for word in known for c in word}) if options.char_embedding else ()
    tags = {tag for part in parts.values() for tag in part.arrays.strings("tags.symbols")}
    names = [name.strip().lower() for name in options.features.split(",") if name.strip()]
    feature_names = tuple(re.sub(r"\W", "_", name if name[0].isalpha() else f"column_{name}") for name in names)
    values = []
    for i in range(len(names)):
        symbols = train.strings(f"feature_{i}.symbols")
        present = parts["train"].count(f"feature_{i}", len(symbols)) > 0
        values.append(sorted(itertools.compress(symbols, present)))
    return TaskSpec(
        inputs="tokens",
        outputs="class",
        per_step=True,
        input_size=len(vocabulary),
        output_size=len(tags),
        loss="cross_entropy",
        metrics=("f1", "accuracy") if any(tag[:2] in SPAN_PREFIXES for tag in tags) else ("accuracy",),
        vocabulary=vocabulary,
        level="char" if options.data is None else "word",
        labels=tuple(sorted(tags)),
        feature_names=feature_names,
        feature_vocabularies=tuple((*SPECIAL_TOKENS, *v) for v in values),
        char_vocabulary=(*SPECIAL_TOKENS, *chars) if chars else (),
        word_length=options.word_length if chars else 0,
    )


def _read(options: TagOptions) -> tuple[dict[str, Part], list[ArrayFolder]]:
    if options.data is None:
        documents = corpus.read_standard_library(0)
        return whole_parts(functools.partial(_write_source_code, options, documents))
    form = ConllFormat(options.encoding, options.columns, options.features)
    return read_parts(
        options, lambda path: encode_file(path, ["tag", *form], form.writer(path), options.cache_dir), shuffle=False
    )


def _write_source_code(
    options: TagOptions, documents: corpus.Splits, split: str, writer: ArrayWriter
) -> dict[str, Any]:
    """Writes pieces of source files, each character tagged with the kind of its token.

    Held-out splits have an eighth of the size.
    """
    sentences = SentenceWriter(writer, are_chars=True)
    remaining = options.data_size or None
    remaining = max(1, remaining // 8) if remaining and split != "train" else remaining
    for document in documents[split]:
        labelled = python_source.label_characters(document)
        if labelled is None:
            continue
        limit = min(remaining or MAX_CHARS_PER_FILE, MAX_CHARS_PER_FILE)
        text, labels = labelled[0][:limit], labelled[1][:limit]
        ends = np.minimum(np.arange(0, len(text), options.seq_length) + options.seq_length, len(text))
        sentences.extend([text, labels], ends)
        remaining = None if remaining is None else remaining - len(text)
        if remaining == 0:
            break
    return sentences.close()
