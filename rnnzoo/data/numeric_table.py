"""Numeric columns of a CSV file."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnzoo.data.number_format import MISSING, NumberFormat
from rnnzoo.data.tables import find_column, read_table
from rnnzoo.data.time_columns import check_order, find_time_columns
from rnnzoo.errors import UserError


@dataclasses.dataclass(frozen=True)
class NumericTable:
    """The numeric columns of a file.

    Attributes:
        names: the names of the columns.
        values: `[rows, columns]`.
        time_name: the column of dates or of an index that was left out, or "".
        times: its cells, one for each row; empty without such a column.
    """

    names: tuple[str, ...]
    values: np.ndarray
    time_name: str = ""
    times: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ColumnChoice:
    """The columns that a user names, each by its name or number, comma-separated.

    Attributes:
        columns: the columns to read; "": all numeric ones. A tuple holds their exact names.
        exogenous: further columns, which are left out of "all".
        time_column: the column of dates or of an index.
    """

    columns: str | tuple[str, ...] = ""
    exogenous: str = ""
    time_column: str = ""

    def find(self, name: str, header: list[str], path: Path) -> list[int]:
        """Returns the indices of the columns that an option names. Raises `UserError`."""
        given = getattr(self, name)
        if isinstance(given, tuple):
            if missing := [part for part in given if part not in header]:
                raise UserError(f"{path} has no column '{missing[0]}'; it has: {', '.join(header)}")
            return [header.index(part) for part in given]
        names = [part.strip() for part in given.split(",") if part.strip()]
        return [find_column(header, part, name, path) for part in names]


def read_numeric_table(path: Path, encoding: str, number_format: NumberFormat, choice: ColumnChoice) -> NumericTable:
    """Reads numeric columns of a CSV file, oldest row first; those of `choice.exogenous` come last.

    Columns of dates or of an index are left out unless they are named: `choice.time_column`, columns whose cells are
    mostly dates, and the first columns if they are an index, that is, increase in even steps.

    Raises:
        UserError: a column does not exist, a cell is not a number, or the rows are not in the order of a named
            `time_column`.
    """
    rows = read_table(path, encoding, exclude=number_format.decimal + number_format.thousands)
    has_header = _is_header(rows[0], rows[min(1, len(rows) - 1)], number_format)
    header, body = (
        ([name.strip() for name in rows[0]], rows[1:]) if has_header else ([str(i) for i in range(len(rows[0]))], rows)
    )
    if not body:
        raise UserError(f"{path} has a header but no rows")
    cells, first_row = list(zip(*body, strict=True)), 1 + has_header
    time_column, kept = _choose_columns(path, header, cells, number_format, choice)
    if time_column is not None and choice.time_column:
        check_order(path, header[time_column], cells[time_column], first_row)
    values = np.array([_parse_column(path, header[i], cells[i], number_format, first_row) for i in kept]).T
    names = tuple(header[i] for i in kept)
    if time_column is None:
        return NumericTable(names, values)
    return NumericTable(names, values, header[time_column], tuple(cells[time_column]))


def _choose_columns(
    path: Path, header: list[str], cells: list[tuple[str, ...]], number_format: NumberFormat, choice: ColumnChoice
) -> tuple[int | None, list[int]]:
    """Returns the column of times, if there is one, and the columns to read."""
    named, columns, exogenous = (choice.find(name, header, path) for name in ("time_column", "columns", "exogenous"))
    for i in {*columns, *exogenous}:
        if [*columns, *exogenous].count(i) > 1:
            raise UserError(f"column '{header[i]}' is named twice by --columns and --exogenous; name it once")
    times = [i for i in find_time_columns(header, cells, number_format) if i not in (*columns, *exogenous)]
    times = [*named, *(i for i in times if i not in named)]
    if not columns:
        empty = [i for i, column in enumerate(cells) if not header[i].strip() and not any(c.strip() for c in column)]
        columns = [i for i in range(len(header)) if i not in (*times, *exogenous, *empty)]
    if not columns and len(times) > len(named) and number_format.parse(cells[times[-1]][0]) is not None:
        columns = [times.pop()]  # an index that is alone is no index
    if not columns:
        raise UserError(f"{path} has no numeric column")
    kept = [header[i] for i in (*columns, *exogenous)]
    if twice := [name for name in kept if kept.count(name) > 1]:
        raise UserError(f"{path} has several columns '{twice[0]}'; give them different names")
    return times[0] if times else None, [*columns, *exogenous]


def _parse_column(path: Path, name: str, cells: Sequence[str], number_format: NumberFormat, line: int) -> list[float]:
    values = []
    for i, cell in enumerate(cells):
        value = number_format.parse(cell)
        if value is None:
            raise UserError(f"{path}, row {i + line}, column '{name}': {number_format.explain(cell)}")
        values.append(value)
    return values


def _is_header(first: list[str], second: list[str], number_format: NumberFormat) -> bool:
    """Returns whether the first row is a header: it begins with a name or nothing, or has a word above a number."""
    words = [number_format.parse(cell) is None and cell.strip().lower() not in MISSING for cell in first]
    is_name = words[0] and not any(c.isdigit() for c in first[0])
    is_name = is_name or (not first[0].strip() and bool(second[0].strip()))  # of an index without a name
    above = (word and number_format.parse(cell) is not None for word, cell in zip(words, second, strict=True))
    return is_name or any(above)
