"""Labelled numeric series, encoded."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from rnnzoo.data import signals
from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.bucketing import Example
from rnnzoo.data.mapped import BLOCK_VALUES, ArrayFolder, SequenceArray
from rnnzoo.data.series_files import LabelledSeries
from rnnzoo.data.splits import Part
from rnnzoo.data.token_ids import Symbols
from rnnzoo.data.vocabulary import find_labels
from rnnzoo.errors import UserError
from rnnzoo.spec import TaskSpec


def write_series(examples: Iterable[LabelledSeries], origin: Any, writer: ArrayWriter) -> dict[str, Any]:
    """Writes series as the arrays `values` and `targets`, and returns facts about them.

    Targets are numbers of labels or, of a regression, values.

    Raises:
        UserError: the series do not all have as many dimensions, or both classes and values.
    """
    labels = Symbols()
    widths, kinds = set[int](), set[bool]()
    count = 0
    for series, label in examples:
        widths.add(series.shape[1])
        kinds.add(isinstance(label, float))
        if len(widths) > 1:
            raise UserError(f"--data: series have different numbers of dimensions: {sorted(widths)}")
        if len(kinds) > 1:
            raise UserError(f"{origin}: some series have a class and others a value; give them the same kind")
        writer.extend_sequences("values", np.asarray(series, "float64"), np.array([len(series)]))
        writer.extend("targets", np.array([label]) if isinstance(label, float) else labels.encode([label]))
        count += 1
    writer.extend_strings("targets.symbols", labels)
    return {"count": count, "width": max(widths, default=0), "regression": kinds == {True}}


def read_in_blocks(sequences: SequenceArray, index: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the values of series, in this order, those of many series at a time."""
    part, size = [], 0
    for i in index.tolist():
        part.append(sequences[i])
        size += part[-1].size
        if size >= BLOCK_VALUES:
            yield np.concatenate(part)
            part, size = [], 0
    if part:
        yield np.concatenate(part)


class SeriesReader:
    """The series of a file as examples, standardized.

    Args:
        arrays: the arrays that `write_series` wrote.
        spec: the specification.
        origin: name of the data, for errors.

    Raises:
        UserError: values are too large to be standardized.
    """

    def __init__(self, arrays: ArrayFolder, spec: TaskSpec, origin: str):
        self._values, self._targets = arrays.sequences("values"), arrays.array("targets")
        self._spec, self._origin = spec, origin
        self._mean, self._deviation = (np.array(values) for values in spec.input_scale)
        if not spec.regression:
            self._labels = find_labels(arrays.strings("targets.symbols"), spec)
        moments = signals.compute_moments(lambda: (values for _, values, _ in self._values.blocks()))
        self._standardize(np.stack([moments.least, moments.greatest]))

    def __call__(self, i: int) -> Example:
        """Returns the values `[time, dimensions]`, and the class or value."""
        return Example(self._standardize(self._values[i]), self._convert(self._targets[i : i + 1])[0])

    def targets(self, part: Part) -> Iterator[np.ndarray]:
        """Yields the targets of the series of a split."""
        yield self._convert(self._targets[:][part.index])

    def _standardize(self, values: np.ndarray) -> np.ndarray:
        return signals.standardize(values, self._mean, self._deviation, self._origin)

    def _convert(self, targets: np.ndarray) -> np.ndarray:
        if not self._spec.regression:
            return self._labels[targets]
        (centre,), (scale,) = self._spec.output_scale
        return ((targets - centre) / scale).astype("float32")[:, None]
