"""Numeric columns of a CSV file."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.cache import encode_file
from rnnzoo.data.number_column import NumberColumn
from rnnzoo.data.number_format import MISSING, NumberFormat
from rnnzoo.data.tables import Table, find_column
from rnnzoo.data.time_columns import check_order, find_time_columns
from rnnzoo.errors import UserError

BLOCK_ROWS = 1 << 16  # whose numbers are read at a time


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


class NumericTable:
    """Numeric columns of a CSV file, oldest row first; those of `choice.exogenous` come last.

    Columns of dates or of an index are left out unless they are named: `choice.time_column`, columns whose cells are
    mostly dates, and the first columns if they are an index, that is, increase in even steps.

    Args:
        path: the file.
        encoding: its encoding.
        number_format: the format of its numbers.
        choice: the columns to read.
        cache_dir: the cache folder.

    Attributes:
        names: the names of the columns.
        time_name: the column of dates or of an index that was left out, or "".

    Raises:
        UserError: a column does not exist, a cell is not a number, or the rows are not in the order of a named
            `time_column`.
    """

    def __init__(
        self,
        path: Path,
        encoding: str,
        number_format: NumberFormat,
        choice: ColumnChoice,
        cache_dir: str | None = None,
    ):
        self._path, self._format = path, number_format
        self._table = Table(path, encoding, exclude=number_format.decimal + number_format.thousands)
        key = ["numbers", encoding, *dataclasses.astuple(number_format)]
        self._arrays = encode_file(path, key, self._write, cache_dir)
        self._values, facts = self._arrays.array("values"), self._arrays.facts
        self.first_row = 1 + facts["has_header"]
        times, self._columns = _choose_columns(path, facts["header"], self, choice)
        if times is not None and choice.time_column:
            check_order(path, facts["header"][times], self.cells(times), self.first_row)
        for column in self._columns:
            self._check_numbers(column)
        self.names = tuple(facts["header"][column] for column in self._columns)
        self.time_name = "" if times is None else facts["header"][times]

    def __len__(self) -> int:
        return len(self._values)

    def read(self, rows: Any) -> np.ndarray:
        """Returns some rows, `[..., columns]`."""
        return self._values[rows][..., self._columns]

    def select(self, names: Sequence[str]) -> None:
        """Keeps columns, in this order. Raises `UserError` if the table lacks one."""
        for name in names:
            if name not in self.names:
                raise UserError(f"{self._path} has no column '{name}'; it has: {', '.join(self.names)}")
        self._columns = [self._columns[self.names.index(name)] for name in names]
        self.names = tuple(names)

    def numbers(self, column: int) -> Iterator[np.ndarray]:
        """Yields the numbers of any column of the file, many rows at a time; NaN where there is none."""
        for first in range(0, len(self), BLOCK_ROWS):
            yield self._values[first : first + BLOCK_ROWS][:, column]

    def cells(self, column: int) -> Iterator[str]:
        """Yields the cells of any column of the file, which is read again."""
        rows = itertools.chain.from_iterable(self._table.blocks())
        return (row[column] for row in itertools.islice(rows, self._arrays.facts["has_header"], None))

    def facts(self, name: str) -> list[Any]:
        """Returns a fact about each column: how many `dates` it has, its first `invalid` row, whether it is `blank`."""
        return self._arrays.facts[name]

    def _check_numbers(self, column: int) -> None:
        row = self.facts("invalid")[column]
        if row is not None:
            cell = next(itertools.islice(self.cells(column), row, None))
            name = self._arrays.facts["header"][column]
            raise UserError(f"{self._path}, row {row + self.first_row}, column '{name}': {self._format.explain(cell)}")

    def _write(self, writer: ArrayWriter) -> dict[str, Any]:
        blocks = self._table.blocks()
        rows = next(blocks)
        has_header = _is_header(rows[0], rows[min(1, len(rows) - 1)], self._format)
        header = [name.strip() for name in rows[0]] if has_header else [str(i) for i in range(len(rows[0]))]
        columns = [NumberColumn(self._format) for _ in header]
        count = 0
        for block in itertools.chain([rows[has_header:]], blocks):
            if block:
                parsed = [column.parse(cells) for column, cells in zip(columns, zip(*block, strict=True), strict=True)]
                writer.extend("values", np.stack(parsed, 1))
                count += len(block)
        if not count:
            raise UserError(f"{self._path} has a header but no rows")
        facts = {name: [getattr(column, name) for column in columns] for name in ("dates", "invalid", "blank")}
        return {"count": count, "header": header, "has_header": has_header, **facts}


def _choose_columns(
    path: Path, header: list[str], table: NumericTable, choice: ColumnChoice
) -> tuple[int | None, list[int]]:
    """Returns the column of times, if there is one, and the columns to read."""
    named, columns, exogenous = (choice.find(name, header, path) for name in ("time_column", "columns", "exogenous"))
    for i in {*columns, *exogenous}:
        if [*columns, *exogenous].count(i) > 1:
            raise UserError(f"column '{header[i]}' is named twice by --columns and --exogenous; name it once")
    times = [i for i in find_time_columns(header, table) if i not in (*columns, *exogenous)]
    times = [*named, *(i for i in times if i not in named)]
    if not columns:
        empty = [i for i, blank in enumerate(table.facts("blank")) if blank and not header[i].strip()]
        columns = [i for i in range(len(header)) if i not in (*times, *exogenous, *empty)]
    if not columns and len(times) > len(named) and not np.isnan(next(table.numbers(times[-1]))[0]):
        columns = [times.pop()]  # an index that is alone is no index
    if not columns:
        raise UserError(f"{path} has no numeric column")
    kept = [header[i] for i in (*columns, *exogenous)]
    if twice := [name for name in kept if kept.count(name) > 1]:
        raise UserError(f"{path} has several columns '{twice[0]}'; give them different names")
    return times[0] if times else None, [*columns, *exogenous]


def _is_header(first: list[str], second: list[str], number_format: NumberFormat) -> bool:
    """Returns whether the first row is a header: it begins with a name or nothing, or has a word above a number."""
    words = [number_format.parse(cell) is None and cell.strip().lower() not in MISSING for cell in first]
    is_name = words[0] and not any(c.isdigit() for c in first[0])
    is_name = is_name or (not first[0].strip() and bool(second[0].strip()))  # of an index without a name
    above = (word and number_format.parse(cell) is not None for word, cell in zip(words, second, strict=True))
    return is_name or any(above)
