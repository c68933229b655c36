"""Classifying texts."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.tasks import python_source, table
from rnnzoo.tasks.base import SPLITS
from rnnzoo.tasks.classes import ClassTask, class_spec
from rnnzoo.tasks.stored import Example, FileOptions, from_files, need_data
from rnnzoo.tasks.units import split_tokens
from rnnzoo.tasks.vocabulary import check_known, ids_of, vocabulary

Labelled = tuple[str, str]  # text, label


@dataclasses.dataclass(frozen=True)
class ClassifyOptions(FileOptions):
    """Options of classifying texts."""

    data: str | None = option(None, "CSV or TSV; default: snippets of the Python standard library")
    text_column: str = option("text", "name or number (0: the first) of the column of texts")
    label_column: str = option("label", "name or number of the column of labels")
    level: str = option("token", "units: char, or token (words and signs)", choices=("char", "token"))
    seq_length: int = option(300, "most units of a text; the rest is cut off", minimum=1, size="time")
    vocabulary_size: int = option(5000, "most units to know; the rest become <unk>", minimum=1)
    min_count: int = option(2, "units seen less often in training become <unk>", minimum=1)


@TASKS.register("classify")
class Classify(ClassTask):
    """Classifying texts: one label for each.

    `macro_f1` is the mean of the F1 of each class, rare or not. Columns given by numbers are those of a
    file without a header. Rows without a text or a label are left out. By default: from which of
    eight packages of the standard library a snippet of code is, files for the test being others than
    those for training.
    """

    kind = "texts"
    training_defaults = {"steps": 400, "learning_rate": 3e-3}

    def __init__(self, options: ClassifyOptions):
        need_data(options, "text_column", "label_column")
        self.origin = options.data or "snippets of the Python standard library"
        texts = from_files(options, lambda path: _read(path, options)) if options.data else python_source.snippets()
        split: Callable[[str], list[str]] = list if options.level == "char" else split_tokens
        units = {s: [split(text)[: options.seq_length] for text, _ in texts[s]] for s in SPLITS}
        symbols = vocabulary(units["train"], options.vocabulary_size, options.min_count)
        check_known(symbols, options.min_count)
        labels = tuple(sorted({label for s in SPLITS for _, label in texts[s]}))
        if len(labels) < 2:
            raise UserError(f"--data: all texts have the label '{labels[0]}': there is nothing to tell apart")
        spec = class_spec(
            labels,
            ("accuracy", "macro_f1"),
            inputs="tokens",
            input_size=len(symbols),
            vocabulary=symbols,
            level="char" if options.level == "char" else "token",
        )
        examples = {
            s: [
                Example(ids_of(found, symbols), np.int32(labels.index(label)))
                for found, (_, label) in zip(units[s], texts[s], strict=True)
                if found
            ]
            for s in SPLITS
        }
        super().__init__(options, examples, spec)

    def summary(self) -> str:
        return f"{super().summary()}; {self.spec.input_size} symbols; classes {', '.join(self.spec.labels)}"


def _read(path: Path, options: ClassifyOptions) -> list[Labelled]:
    rows = table.read(path, options.encoding)
    given = {"text_column": options.text_column, "label_column": options.label_column}
    text, label = (table.column(rows[0], name, flag, path) for flag, name in given.items())
    headed = not all(map(table.is_number, given.values()))
    if not headed and len(rows) > 2 and rows[0][label] not in {row[label] for row in rows[1:]}:
        raise UserError(f"{path}: the first line looks like a header; give the columns by their names")
    found = [(row[text], row[label].strip()) for row in rows[1 if headed else 0 :]]
    found = [(words, name) for words, name in found if words.strip() and name]
    if not found:
        raise UserError(f"{path} holds no text with a label")
    return found
