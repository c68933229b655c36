"""Columns of dates and of indices in a table."""

import datetime
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.data.number_format import NumberFormat
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
MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
LIKE_A_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?([ T].*)?"  # 2024-01, 31.1.2024, 2024-01-31T10:00
    r"|\d{1,2}:\d\d.*|\d{4}[- ]?[QWM]\d{1,2}"  # 10:30, 1970 Q1, 2024W05
    rf"|.*\b({MONTHS})[a-z]*\b.*",  # Jan-1-1995, 1991 July
    re.IGNORECASE,
)
EVEN = 1e-6  # relative difference between two steps of an evenly spaced index


def find_time_columns(header: list[str], cells: list[tuple[str, ...]], number_format: NumberFormat) -> list[int]:
    """Returns the columns of dates, and the first of the other columns if they are an index, or a year and a month."""
    found = [i for i, column in enumerate(cells) if _is_date_column(column, number_format)]
    others = [i for i in range(len(cells)) if i not in found]
    if others and _is_index(header[others[0]], cells[others[0]], number_format):
        return [*found, others[0]]
    parts = list(itertools.takewhile(lambda i: header[i].strip().lower() in DATE_PARTS, others))
    numbers = [[number_format.parse(cell) for cell in cells[i]] for i in parts]
    if len(parts) > 1 and not any(None in column for column in numbers):
        rows = list(zip(*numbers, strict=True))
        found += parts if all(a < b for a, b in itertools.pairwise(rows)) else []
    return found


def _is_date_column(cells: Sequence[str], number_format: NumberFormat) -> bool:
    """Returns whether most cells look like dates or times."""
    dates = sum(number_format.parse(cell) is None and _is_like_a_date(cell.strip()) for cell in cells)
    return dates > len(cells) / 2


def _is_like_a_date(cell: str) -> bool:
    """Returns whether a cell is written like a date or a time; a number with one mark, such as 1.5 or 7,25, is not."""
    return bool(LIKE_A_DATE.fullmatch(cell)) and not re.fullmatch(r"\d+[.,]\d+", cell) and any(map(str.isdigit, cell))


def _is_index(name: str, cells: Sequence[str], number_format: NumberFormat) -> bool:
    """Returns whether a column increases in even steps, as numbers or as dates such as 20240131."""
    numbers = [number_format.parse(cell) for cell in cells]
    if len(numbers) < 3 or any(number is None for number in numbers):
        return False
    with np.errstate(over="ignore"):
        steps = np.diff(np.array(numbers, "float64"))
    if not (steps > 0).all():
        return False
    if steps.max() - steps.min() <= EVEN * abs(steps).max() or name.strip().lower() in TIME_NAMES:
        return True
    return any(all(_parse_date(cell, form) for cell in cells) for form in COMPACT_DATES)


def check_order(path: Path, name: str, cells: Sequence[str], line: int) -> None:
    """Raises `UserError` if a column of numbers, or of dates in one of the formats above, decreases."""
    forms = (form for form in (*COMPACT_DATES, *DATES) if _parse_date(cells[0], form))
    form = next((form for form in forms if all(_parse_date(cell, form) for cell in cells)), None)
    times: list[Any] = [_parse_number(cell) if form is None else _parse_date(cell, form) for cell in cells]
    for i, (before, now) in enumerate(itertools.pairwise(times)):
        if before is None or now is None:
            return  # a format that is not known
        if now < before:
            raise UserError(
                f"{path}, row {i + 1 + line}, column '{name}': {cells[i + 1]!r} is before {cells[i]!r}; the rows must "
                "be in the order of time, oldest first"
            )


def _parse_number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _parse_date(cell: str, form: str) -> datetime.datetime | None:
    text = cell.strip()
    if len(text) != COMPACT_DATES.get(form, len(text)):
        return None
    try:
        return datetime.datetime.strptime(text, form)
    except ValueError:
        return None
