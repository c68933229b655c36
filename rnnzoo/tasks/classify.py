"""The task `classify`: text classification."""

import collections
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.data import python_source
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.bucketing import Example
from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.splits import FileOptions, check_data_given, read_splits
from rnnzoo.data.tables import find_column, is_column_number, read_table
from rnnzoo.data.tokens import split_words_and_punctuation
from rnnzoo.data.vocabulary import build_vocabulary, check_vocabulary, encode
from rnnzoo.data.word_vectors import VECTORS_HELP, read_word_vectors
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import ClassificationTask, classification_spec
from rnnzoo.tasks.base.classification import check_known_labels
from rnnzoo.tasks.base.in_memory import UNKNOWN_DROPOUT_HELP

LabelledText = tuple[str, str]
MAX_NUMERIC_CLASSES = 20


@dataclasses.dataclass(frozen=True)
class ClassifyOptions(FileOptions):
    """Options of the task `classify`."""

    data: str | None = option(None, "CSV or TSV file; default: snippets of the Python standard library")
    text_column: str = option("text", "name or number (0: the first) of the text column")
    label_column: str = option("label", "name or number of the label column")
    level: str = option("token", "kind of tokens: char, or token (words and punctuation)", choices=("char", "token"))
    seq_length: int = option(300, "tokens of a text that are read", minimum=1, size="time")
    vocabulary_size: int = option(5000, "size of the vocabulary; other tokens become <unk>", minimum=1)
    vectors: str | None = option(None, VECTORS_HELP)
    unknown_dropout: float = option(0.0, UNKNOWN_DROPOUT_HELP, minimum=0, maximum=1000)
    min_count: int = option(2, "tokens with fewer occurrences in training become <unk>", minimum=1)


@TASKS.register("classify")
class Classify(ClassificationTask):
    """Text classification: one label for each text.

    `macro_f1` is the mean of the F1 scores of the classes. If both columns are given by numbers, the file has no
    header. Rows without a text or a label are left out and counted. The default data are snippets of Python from eight
    packages of the standard library, to be classified by package; test snippets come from other files than training
    snippets.
    """

    example_name = "texts"
    training_defaults = {"steps": 400, "learning_rate": 3e-3}

    def __init__(self, options: ClassifyOptions, spec: TaskSpec | None = None):
        check_data_given(options, "text_column", "label_column")
        self.origin = options.data or "snippets of the Python standard library"
        self.dropped = 0
        texts = (
            read_splits(options, lambda path: self._read(path, options))
            if options.data
            else python_source.read_snippets()
        )
        split: Callable[[str], list[str]] = list if options.level == "char" else split_words_and_punctuation
        tokens = {s: [split(text)[: options.seq_length] for text, _ in texts[s]] for s in SPLITS}
        labels = sorted({label for s in SPLITS for _, label in texts[s]})
        given = spec is not None
        spec = spec or _make_spec(options, tokens["train"], labels)
        check_known_labels(spec, labels, self.origin)
        ids = {label: np.int32(i) for i, label in enumerate(spec.labels)}
        examples = {
            s: [
                Example(encode(text_tokens, spec.vocabulary), ids[label])
                for text_tokens, (_, label) in zip(tokens[s], texts[s], strict=True)
                if text_tokens
            ]
            for s in SPLITS
        }
        counts = collections.Counter(token for text_tokens in tokens["train"] for token in text_tokens)
        self.token_counts = np.array([counts[token] for token in spec.vocabulary])
        self.word_vectors = (
            read_word_vectors(options.vectors, spec.vocabulary) if options.vectors and not given else None
        )
        super().__init__(options, examples, spec)

    def _read(self, path: Path, options: ClassifyOptions) -> list[LabelledText]:
        texts, dropped = _read_texts(path, options)
        self.dropped += dropped
        return texts

    def summary(self) -> str:
        dropped = f"; {self.dropped:,} rows without a text or a label left out" if self.dropped else ""
        text = f"{super().summary()}; vocabulary of {self.spec.input_size}; classes {', '.join(self.spec.labels)}"
        return text + dropped


def _is_number(label: str) -> bool:
    return any(NumberFormat(decimal).parse(label) is not None for decimal in ".,")


def _make_spec(options: ClassifyOptions, train: list[list[str]], labels: list[str]) -> TaskSpec:
    vocabulary = build_vocabulary(train, options.vocabulary_size, options.min_count)
    check_vocabulary(vocabulary, options.min_count)
    if len(labels) < 2:
        raise UserError(f"--data: all texts have the label '{labels[0]}': there is nothing to classify")
    if len(labels) > MAX_NUMERIC_CLASSES and all(_is_number(label) for label in labels):
        raise UserError(
            f"--label_column={options.label_column}: its {len(labels)} different labels are numbers; name a column of "
            "classes, or group the numbers into a few classes"
        )
    return classification_spec(
        tuple(labels),
        ("accuracy", "macro_f1"),
        inputs="tokens",
        input_size=len(vocabulary),
        vocabulary=vocabulary,
        level="char" if options.level == "char" else "token",
    )


def _read_texts(path: Path, options: ClassifyOptions) -> tuple[list[LabelledText], int]:
    """Returns the texts with their labels, and the number of rows without one of them."""
    rows = read_table(path, options.encoding)
    columns = {"text_column": options.text_column, "label_column": options.label_column}
    text, label = (find_column(rows[0], name, flag, path) for flag, name in columns.items())
    has_header = not all(map(is_column_number, columns.values()))
    if not has_header and len(rows) > 2 and rows[0][label] not in {row[label] for row in rows[1:]}:
        raise UserError(f"{path}: the first line looks like a header; give the columns by their names")
    texts = [(row[text], row[label].strip()) for row in rows[1 if has_header else 0 :]]
    complete = [(words, name) for words, name in texts if words.strip() and name]
    if not complete:
        raise UserError(f"{path} holds no text with a label")
    return complete, len(texts) - len(complete)
