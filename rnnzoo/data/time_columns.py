"""Columns of dates and of indices in a table."""

import contextlib
import datetime
import functools
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rnnzoo.errors import UserError

DATE_PARTS = {"year", "quarter", "month", "week", "day", "hour", "minute", "second"}  # from the longest to the shortest
TIME_NAMES = DATE_PARTS | {"", "date", "datetime", "timestamp", "time", "index", "id", "row", "step", "unnamed: 0"}
COMPACT_DATES = {"%Y%m%d": 8, "%Y%m": 6}  # of whole numbers, 20240131 or 202401, and their numbers of digits
DATES: tuple[str, ...] = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y-%m",
    "%Y/%m",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S%z",
)
DATES += ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S%z", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%b-%d-%Y")
ISO_DATES = {"%Y-%m-%d": 10, "%Y-%m-%d %H:%M:%S": 19, "%Y-%m-%dT%H:%M:%S": 19}  # formats, and their lengths
MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
LIKE_A_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?([ T].*)?"  # 2024-01, 31.1.2024, 2024-01-31T10:00
    r"|\d{1,2}:\d\d.*|\d{4}[- ]?[QWM]\d{1,2}"  # 10:30, 1970 Q1, 2024W05
    rf"|.*\b({MONTHS})[a-z]*\b.*",  # Jan-1-1995, 1991 July
    re.IGNORECASE,
)
EVEN = 1e-6  # relative difference between two steps of an evenly spaced index


class Columns(Protocol):
    """The columns of a file, by their number."""

    def __len__(self) -> int: ...

    def numbers(self, column: int) -> Iterator[np.ndarray]:
        """Yields the numbers of a column, many rows at a time; NaN where there is none."""

    def cells(self, column: int) -> Iterator[str]:
        """Yields the cells of a column."""

    def facts(self, name: str) -> list[Any]:
        """Returns a fact about each column: the number of `dates`, or the first row that is `invalid`, or None."""


def find_time_columns(header: list[str], table: Columns) -> list[int]:
    """Returns the columns of dates, and the first of the other columns if they are an index, or a year and a month."""
    found = [i for i, dates in enumerate(table.facts("dates")) if dates > len(table) / 2]
    others = [i for i in range(len(header)) if i not in found]
    if others and _is_index(header[others[0]], table, others[0]):
        return [*found, others[0]]
    parts = list(itertools.takewhile(lambda i: header[i].strip().lower() in DATE_PARTS, others))
    if len(parts) > 1 and all(table.facts("invalid")[i] is None for i in parts):
        blocks = zip(*(table.numbers(i) for i in parts), strict=True)
        rows = itertools.chain.from_iterable(zip(*(part.tolist() for part in block), strict=True) for block in blocks)
        found += parts if all(a < b for a, b in itertools.pairwise(rows)) else []
    return found


def is_like_a_date(cell: str) -> bool:
    """Returns whether a cell is written like a date or a time; a number with one mark, such as 1.5 or 7,25, is not."""
    return bool(LIKE_A_DATE.fullmatch(cell)) and not re.fullmatch(r"\d+[.,]\d+", cell) and any(map(str.isdigit, cell))


def _is_index(name: str, table: Columns, column: int) -> bool:
    """Returns whether a column increases in even steps, as numbers or as dates such as 20240131."""
    if len(table) < 3 or table.facts("invalid")[column] is not None:
        return False
    least, most, before = np.inf, -np.inf, np.zeros(0)
    with np.errstate(over="ignore", invalid="ignore"):
        for numbers in table.numbers(column):
            steps = np.diff(np.concatenate([before, numbers]))
            if not (steps > 0).all():
                return False
            least, most = min(least, steps.min(initial=np.inf)), max(most, steps.max(initial=-np.inf))
            before = numbers[-1:]
        if most - least <= EVEN * most or name.strip().lower() in TIME_NAMES:
            return True
    return any(all(_parse_date(cell, form) for cell in table.cells(column)) for form in COMPACT_DATES)


def check_order(path: Path, name: str, cells: Iterator[str], line: int) -> None:
    """Raises `UserError` if a column of numbers, or of dates in one of the formats above, decreases."""
    first = next(cells)
    parsers: list[Callable[[str], Any]] = [
        functools.partial(_parse_date, form=form) for form in (*COMPACT_DATES, *DATES)
    ]
    orders = [_Order(parse, first) for parse in [*parsers, _parse_number]]
    for row, cell in enumerate(cells, 1):
        for order in orders:
            if order.is_known:
                order.add(row, cell)
    chosen = next((order for order in orders[:-1] if order.is_known), orders[-1])  # numbers as far as there are some
    if chosen.decrease is not None:
        row, now, before = chosen.decrease
        raise UserError(
            f"{path}, row {row + line}, column '{name}': {now!r} is before {before!r}; the rows must "
            "be in the order of time, oldest first"
        )


class _Order:
    """The order of cells that are parsed in one way.

    Attributes:
        is_known: whether all cells could be parsed.
        decrease: the first row that is before the one above it, with the cells of both, or None.
    """

    def __init__(self, parse: Callable[[str], Any], first: str):
        self._parse, self._cell = parse, first
        self._value = parse(first)
        self.is_known = self._value is not None
        self.decrease: tuple[int, str, str] | None = None

    def add(self, row: int, cell: str) -> None:
        value = self._parse(cell)
        self.is_known = value is not None
        if self.is_known:
            if self.decrease is None and value < self._value:
                self.decrease = row, cell, self._cell
            self._value, self._cell = value, cell


def _parse_number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _parse_date(cell: str, form: str) -> datetime.datetime | None:
    text = cell.strip()
    if len(text) != COMPACT_DATES.get(form, len(text)):
        return None
    if len(text) == ISO_DATES.get(form) and text[5].isdigit():
        with contextlib.suppress(ValueError):  # faster
            return datetime.datetime.fromisoformat(text)
    try:
        return datetime.datetime.strptime(text, form)
    except ValueError:
        return None
