"""The series of a forecasting task: read from CSV files, and divided into splits in the order of time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.data.batch import SPLITS
from rnnzoo.data.files import check_file
from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.numeric_table import ColumnChoice, NumericTable, read_numeric_table
from rnnzoo.data.splits import FILE_OPTIONS, check_fractions
from rnnzoo.errors import UserError


class SplitSeries(NamedTuple):
    """The series of a split, and the time steps at which its forecasts begin, `first` to `end - 1`.

    The windows of the first forecasts may be part of the previous split.
    """

    values: np.ndarray
    first: int
    end: int


def read_tables(options: Any) -> dict[str, NumericTable]:
    """Reads the file of each split that has one.

    Raises:
        UserError: a file cannot be read, or lacks a column of `--data`.
    """
    number_format = NumberFormat(options.decimal, options.thousands)
    if options.decimal == options.thousands:
        raise UserError(f"--decimal and --thousands are both '{options.decimal}'; give different marks")
    choice = ColumnChoice(options.columns, options.exogenous, options.time_column)
    tables = {"train": read_numeric_table(check_file(options.data), options.encoding, number_format, choice)}
    for split in SPLITS[1:]:
        if name := getattr(options, FILE_OPTIONS[split]):
            path = check_file(name, FILE_OPTIONS[split])
            table = read_numeric_table(path, options.encoding, number_format, choice)
            names = tables["train"].names
            tables[split] = NumericTable(names, select_columns(table, names, path), table.time_name, table.times)
    return tables


def select_columns(table: NumericTable, names: Sequence[str], path: Path) -> np.ndarray:
    """Returns columns of a table by their names. Raises `UserError` if it lacks one."""
    for name in names:
        if name not in table.names:
            raise UserError(f"{path} has no column '{name}'; it has: {', '.join(table.names)}")
    return table.values[:, [table.names.index(name) for name in names]]


def split_series(series: dict[str, np.ndarray], options: Any) -> dict[str, SplitSeries]:
    """Divides series into splits; a split without a series of its own is the end of that of "train".

    Raises:
        UserError: a split is too short for a window and a forecast.
    """
    fractions = {"validation": options.validation_fraction, "test": options.test_fraction}
    fractions = {split: fraction for split, fraction in fractions.items() if split not in series}
    check_fractions(fractions)
    values = series["train"]
    sizes = {split: max(1, int(len(values) * fraction)) for split, fraction in fractions.items()}
    cuts = [0, len(values) - sum(sizes.values()), len(values) - sizes.get("test", 0), len(values)]
    splits = {}
    for split, begin, end in zip(SPLITS, cuts, cuts[1:], strict=False):
        own = series[split] if split != "train" and split in series else None
        part, begin, end = (values, begin, end) if own is None else (own, 0, len(own))
        splits[split] = SplitSeries(part, max(begin, options.window), end - options.horizon + 1)
        if splits[split].first >= splits[split].end:
            raise UserError(
                f"--data: {len(part)} steps are too few for --window={options.window} and --horizon={options.horizon}: "
                f"the {split} split is empty"
            )
    return splits
