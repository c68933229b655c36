"""The task `classify`: text classification."""

import dataclasses

from rnnzoo.config import option
from rnnzoo.data import python_source
from rnnzoo.data.cache import encode_file
from rnnzoo.data.labelled_texts import TextFormat, TextReader
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.splits import FileOptions, Part, check_data_given, read_parts, whole_parts
from rnnzoo.data.stored import open_examples
from rnnzoo.data.vocabulary import check_vocabulary, choose_vocabulary, map_symbols, sum_by_id
from rnnzoo.data.word_vectors import VECTORS_HELP, read_word_vectors
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import ClassificationTask, classification_spec
from rnnzoo.tasks.base.bucketed import UNKNOWN_DROPOUT_HELP
from rnnzoo.tasks.base.classification import check_known_labels

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
        level = "char" if options.level == "char" else "token"
        form = TextFormat(options.encoding, options.text_column, options.label_column, level, options.seq_length)
        parts, files = _read(options, form)
        self.dropped = sum(arrays.facts["dropped"] for arrays in files)
        labels = sorted({label for arrays in files for label in arrays.strings("labels.symbols")})
        symbols = parts["train"].arrays.strings("tokens.symbols")
        counts = parts["train"].count("tokens", len(symbols))
        given = spec is not None
        spec = spec or _make_spec(
            options, choose_vocabulary(counts, symbols, options.vocabulary_size, options.min_count), labels
        )
        check_known_labels(spec, labels, self.origin)
        self.token_counts = sum_by_id(map_symbols(symbols, spec.vocabulary), counts, spec.input_size)
        self.word_vectors = (
            read_word_vectors(options.vectors, spec.vocabulary) if options.vectors and not given else None
        )
        super().__init__(options, open_examples(parts, lambda arrays: TextReader(arrays, spec), "tokens"), spec)

    def summary(self) -> str:
        dropped = f"; {self.dropped:,} rows without a text or a label left out" if self.dropped else ""
        text = f"{super().summary()}; vocabulary of {self.spec.input_size}; classes {', '.join(self.spec.labels)}"
        return text + dropped


def _is_number(label: str) -> bool:
    return any(NumberFormat(decimal).parse(label) is not None for decimal in ".,")


def _read(options: ClassifyOptions, form: TextFormat) -> tuple[dict[str, Part], list[ArrayFolder]]:
    if options.data is None:
        snippets = python_source.read_snippets()
        return whole_parts(lambda split, writer: form.write([snippets[split]], "the standard library", writer))
    return read_parts(
        options, lambda path: encode_file(path, ["classify", *form], form.writer(path), options.cache_dir)
    )


def _make_spec(options: ClassifyOptions, vocabulary: tuple[str, ...], labels: list[str]) -> TaskSpec:
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
