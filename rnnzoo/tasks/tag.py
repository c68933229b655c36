"""The task `tag`: sequence tagging."""

import collections
import dataclasses
import re

import numpy as np

from rnnzoo.config import option
from rnnzoo.data import corpus, python_source
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.bucketing import Example
from rnnzoo.data.conll import Sentence, read_conll
from rnnzoo.data.sentence_encoder import SentenceEncoder
from rnnzoo.data.splits import FileOptions, check_data_given, read_splits
from rnnzoo.data.word_vectors import VECTORS_HELP, read_word_vectors
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import SPECIAL_TOKENS, TaskSpec
from rnnzoo.tasks.base import InMemoryTask
from rnnzoo.tasks.base.classification import check_known_labels
from rnnzoo.tasks.base.in_memory import UNKNOWN_DROPOUT_HELP

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
class Tag(InMemoryTask):
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
        sentences = _read(options)
        given = spec is not None
        counts = collections.Counter(word for sentence in sentences["train"] for word in sentence.words)
        if spec is None:
            min_count = options.min_count if options.data else 1
            known = {word: count for word, count in counts.items() if count >= min_count}
            if not known:
                raise UserError(
                    f"--data: no word occurs {options.min_count} times in the training data; give --min_count=1"
                )
            spec = _make_spec(options, known, sentences)
        for split in SPLITS:
            check_known_labels(spec, {tag for sentence in sentences[split] for tag in sentence.tags}, self.origin)
        self.word_vectors = (
            read_word_vectors(options.vectors, spec.vocabulary) if options.vectors and not given else None
        )
        self.token_counts = np.array([counts.get(word, 0) for word in spec.vocabulary])
        super().__init__(options, {s: list(map(SentenceEncoder(spec), sentences[s])) for s in SPLITS}, spec)

    def baselines(self) -> dict[str, dict[str, float]]:
        """Returns the accuracy of the most frequent tag, and of the most frequent tag of each word."""
        train, test = (
            (
                np.concatenate([_word_ids(e) for e in self.examples[s]]),
                np.concatenate([e.targets for e in self.examples[s]]),
            )
            for s in ("train", "test")
        )
        counts = np.zeros((self.spec.input_size, self.spec.output_size))
        np.add.at(counts, train, 1)
        most_frequent = counts.sum(0).argmax()
        by_word = np.where(counts.sum(1) > 0, counts.argmax(1), most_frequent)
        predictions = {
            "most frequent tag": np.full_like(test[1], most_frequent),
            "most frequent tag of the word": by_word[test[0]],
        }
        return {name: {"accuracy": float(np.mean(tags == test[1]))} for name, tags in predictions.items()}

    def summary(self) -> str:
        sizes = ", ".join(f"{s} {self.lengths[s].sum():,}" for s in SPLITS)
        token_name = "characters" if self.options.data is None else "words"
        known = f" ({len(self.word_vectors.ids):,} with a vector)" if self.word_vectors else ""
        text = f"{self.origin}: {token_name} {sizes}; vocabulary of {self.spec.input_size}{known}"
        return f"{text}, {self.spec.output_size} tags"


def _make_spec(options: TagOptions, counts: dict[str, int], sentences: dict[str, list[Sentence]]) -> TaskSpec:
    """Creates the specification from the counts of the known words and the sentences."""
    vocabulary = (*SPECIAL_TOKENS, *sorted(counts, key=lambda word: (-counts[word], word)))
    chars = sorted({c for word in counts for c in word}) if options.char_embedding else ()
    tags = {tag for split in SPLITS for sentence in sentences[split] for tag in sentence.tags}
    names = [name.strip().lower() for name in options.features.split(",") if name.strip()]
    feature_names = tuple(re.sub(r"\W", "_", name if name[0].isalpha() else f"column_{name}") for name in names)
    values = [{v for sentence in sentences["train"] for v in sentence.features[i]} for i in range(len(names))]
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
        feature_vocabularies=tuple((*SPECIAL_TOKENS, *sorted(v)) for v in values),
        char_vocabulary=(*SPECIAL_TOKENS, *chars) if chars else (),
        word_length=options.word_length if chars else 0,
    )


def _read(options: TagOptions) -> dict[str, list[Sentence]]:
    if options.data is None:
        return _read_source_code(options)
    return read_splits(
        options, lambda path: read_conll(path, options.encoding, options.columns, options.features), shuffle=False
    )


def _word_ids(example: Example) -> np.ndarray:
    return example.inputs if example.inputs.ndim == 1 else example.inputs[:, 0]


def _read_source_code(options: TagOptions) -> dict[str, list[Sentence]]:
    """Returns pieces of source files, each character tagged with the kind of its token.

    Held-out splits have an eighth of the size.
    """
    documents = corpus.read_standard_library(0)
    sentences: dict[str, list[Sentence]] = {s: [] for s in SPLITS}
    for split in SPLITS:
        remaining = options.data_size or None
        remaining = max(1, remaining // 8) if remaining and split != "train" else remaining
        for document in documents[split]:
            labelled = python_source.label_characters(document)
            if labelled is None:
                continue
            limit = min(remaining or MAX_CHARS_PER_FILE, MAX_CHARS_PER_FILE)
            text, labels = labelled[0][:limit], labelled[1][:limit]
            for i in range(0, len(text), options.seq_length):
                piece = slice(i, i + options.seq_length)
                sentences[split].append(Sentence(list(text[piece]), labels[piece]))
            remaining = None if remaining is None else remaining - len(text)
            if remaining == 0:
                break
    return sentences
