"""Formats of the lines that exported models read: text, words with features, trees, series."""

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.python_trees import parse_python
from rnnzoo.data.tokens import split_words
from rnnzoo.data.trees import Tree, parse_tree, trees_to_arrays
from rnnzoo.errors import UserError
from rnnzoo.spec import SPECIAL_TOKENS, TaskSpec

GRADES = "01234"  # labels of the treebank, which `--binary` merges


class TextFormat:
    """Lines of text; for a source of one label, the label.

    Args:
        spec: the specification of the task.
    """

    signature = "serving_default"

    def __init__(self, spec: TaskSpec):
        self.spec = spec
        one_label = spec.inputs == "pair" and spec.source_level == "line"
        self._labels = set(spec.source_vocabulary[len(SPECIAL_TOKENS) :]) if one_label else None

    def find_problem(self, text: str) -> str:
        """Returns the reason why a line cannot be read; empty if it can."""
        label = text.strip().lower() if self.spec.lowercase else text.strip()
        return "" if self._labels is None or label in self._labels else f"the model has no label {label!r}"

    def convert(self, lines: Sequence[str]) -> dict[str, Any]:
        """Returns the arguments of the signature for lines."""
        return {"text": tf.constant(list(lines))}


class FeatureFormat(TextFormat):
    """Lines of words, a tab, and the values of a feature for each word; a tab before each further feature."""

    def find_problem(self, text: str) -> str:
        parts, names = text.split("\t"), ("words", *self.spec.feature_names)
        if len(parts) != len(names) or len({len(split_words(part)) for part in parts}) > 1:
            return f"expected {', a tab, '.join(names)}, as many of each"
        return ""

    def convert(self, lines: Sequence[str]) -> dict[str, Any]:
        columns = zip(*(line.split("\t") for line in lines), strict=True)
        return dict(zip(("text", *self.spec.feature_names), map(tf.constant, columns), strict=True))


class TreeFormat(TextFormat):
    """Lines of trees in parentheses, or of Python source."""

    def find_problem(self, text: str) -> str:
        try:
            count = max(map(len, self.parse(text).children))
        except UserError as error:
            return str(error)
        limit = self.spec.arity
        return f"a node has {count} children, and the model combines at most {limit}" if 0 < limit < count else ""

    def convert(self, lines: Sequence[str]) -> dict[str, Any]:
        return trees_to_arrays([self.parse(line) for line in lines])

    def parse(self, line: str) -> Tree:
        """Parses a line."""
        if self.spec.syntax == "python":
            return parse_python(line, self.spec.inner_tokens)
        if self.spec.syntax == "brackets":
            return parse_tree(line)
        with contextlib.suppress(UserError):  # as in training data, with labels, which are ignored
            tree = parse_tree(line, labelled=True)
            if set(tree.labels) <= {*self.spec.labels, *GRADES, ""} and all(tree.labels[-1:]):
                return tree
        return parse_tree(line, bare_words=False)


class SeriesFormat(TextFormat):
    """Lines of numbers separated by commas, dimensions separated by colons, as in a `.ts` file.

    With a decimal comma, numbers are separated by semicolons.

    Args:
        spec: the specification of the task.
        number_format: the format of the numbers.
    """

    signature = "padded"

    def __init__(self, spec: TaskSpec, number_format: NumberFormat):
        super().__init__(spec)
        self.number_format = number_format
        self.separator = "," if number_format.decimal == "." else ";"

    def find_problem(self, text: str) -> str:
        try:
            self.parse(text)
        except UserError as error:
            return str(error)
        return ""

    def convert(self, lines: Sequence[str]) -> dict[str, Any]:
        series = [self.parse(line) for line in lines]
        lengths = np.array([len(values) for values in series], "int32")
        padded = np.zeros((len(series), lengths.max(), self.spec.input_size), "float32")
        for row, values in zip(padded, series, strict=True):
            row[: len(values)] = values
        return {"features": tf.constant(padded), "lengths": tf.constant(lengths)}

    def parse(self, line: str) -> np.ndarray:
        """Parses a series `[time, dimensions]`. Raises `UserError`."""
        rows = [[self.number_format.parse(cell) for cell in part.split(self.separator)] for part in line.split(":")]
        if len(rows) != self.spec.input_size:
            raise UserError(f"{len(rows)} dimensions, separated by colons, and the model reads {self.spec.input_size}")
        if any(value is None for row in rows for value in row):
            raise UserError(f"expected numbers separated by '{self.separator}'")
        if len({len(row) for row in rows}) > 1:
            raise UserError("dimensions of different lengths")
        return np.array(rows, "float32").T

    def format(self, predictions: np.ndarray) -> list[str]:
        """Formats predicted values, a line for each row."""
        rows = predictions.reshape(len(predictions), -1)
        return [self.separator.join(f"{v:.6g}".replace(".", self.number_format.decimal) for v in row) for row in rows]
