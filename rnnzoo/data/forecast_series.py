"""The series of a forecasting task: read from CSV files, and divided into splits in the order of time."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from rnnzoo.data import signals
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.files import check_file
from rnnzoo.data.mapped import BLOCK_VALUES
from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.numeric_table import ColumnChoice, NumericTable
from rnnzoo.data.splits import FILE_OPTIONS, check_fractions
from rnnzoo.errors import UserError


class Rows(Protocol):
    """The rows of a table."""

    names: tuple[str, ...]
    time_name: str

    def __len__(self) -> int: ...

    def read(self, rows: Any) -> np.ndarray:
        """Returns some rows, `[..., columns]`."""

    def select(self, names: Sequence[str]) -> None:
        """Keeps columns, in this order. Raises `UserError` if there is no such column."""


class RowsInMemory:
    """Rows `[time, columns]` in memory."""

    time_name = ""

    def __init__(self, values: np.ndarray, names: tuple[str, ...]):
        self._values, self.names = values, names

    def __len__(self) -> int:
        return len(self._values)

    def read(self, rows: Any) -> np.ndarray:
        """Returns some rows, `[..., columns]`."""
        return self._values[rows]

    def select(self, names: Sequence[str]) -> None:
        """Keeps columns, in this order."""
        self._values = self._values[:, [self.names.index(name) for name in names]]
        self.names = tuple(names)


class StandardizedSeries:
    """The first rows of a table as a series `[time, columns]`, standardized where they are read.

    Attributes:
        shape: numbers of time steps and columns.
    """

    def __init__(self, rows: Rows, mean: np.ndarray, deviation: np.ndarray, origin: str, length: int | None = None):
        self._rows, self._mean, self._deviation, self._origin = rows, mean, deviation, origin
        self.shape = (len(rows) if length is None else length, len(rows.names))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, steps: Any) -> np.ndarray:
        if isinstance(steps, slice):
            steps = np.arange(*steps.indices(len(self)))
        return signals.standardize(self._rows.read(steps), self._mean, self._deviation, self._origin)


def read_blocks(rows: Rows, length: int | None = None) -> Iterator[np.ndarray]:
    """Yields the first rows, many at a time."""
    size = max(1, BLOCK_VALUES // len(rows.names))
    length = len(rows) if length is None else length
    return (rows.read(slice(first, min(first + size, length))) for first in range(0, length, size))


class SplitSeries(NamedTuple):
    """The rows of a split, and the time steps at which its forecasts begin, `first` to `end - 1`.

    The windows of the first forecasts may be part of the previous split.
    """

    rows: Rows
    first: int
    end: int


def read_tables(options: Any) -> dict[str, Rows]:
    """Reads the file of each split that has one.

    Raises:
        UserError: a file cannot be read, or lacks a column of `--data`.
    """
    number_format = NumberFormat(options.decimal, options.thousands)
    if options.decimal == options.thousands:
        raise UserError(f"--decimal and --thousands are both '{options.decimal}'; give different marks")
    choice = ColumnChoice(options.columns, options.exogenous, options.time_column)
    tables: dict[str, Any] = {}
    for split in SPLITS:
        if name := getattr(options, FILE_OPTIONS[split]):
            path = check_file(name, FILE_OPTIONS[split])
            tables[split] = NumericTable(path, options.encoding, number_format, choice, options.cache_dir)
            tables[split].select(tables["train"].names)
    return tables


def split_series(tables: dict[str, Rows], options: Any) -> dict[str, SplitSeries]:
    """Divides tables into splits; a split without a table of its own is the end of that of "train".

    Raises:
        UserError: a split is too short for a window and a forecast.
    """
    fractions = {"validation": options.validation_fraction, "test": options.test_fraction}
    fractions = {split: fraction for split, fraction in fractions.items() if split not in tables}
    check_fractions(fractions)
    train = tables["train"]
    sizes = {split: max(1, int(len(train) * fraction)) for split, fraction in fractions.items()}
    cuts = [0, len(train) - sum(sizes.values()), len(train) - sizes.get("test", 0), len(train)]
    splits = {}
    for split, begin, end in zip(SPLITS, cuts, cuts[1:], strict=False):
        own = tables[split] if split != "train" and split in tables else None
        part, begin, end = (train, begin, end) if own is None else (own, 0, len(own))
        splits[split] = SplitSeries(part, max(begin, options.window), end - options.horizon + 1)
        if splits[split].first >= splits[split].end:
            raise UserError(
                f"--data: {len(part)} steps are too few for --window={options.window} and --horizon={options.horizon}: "
                f"the {split} split is empty"
            )
    return splits
