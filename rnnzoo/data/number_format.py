"""Formats of numbers in text files: decimal marks, marks between thousands, missing values."""

import contextlib
import dataclasses
import math
import re
from collections.abc import Sequence

import numpy as np

MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-", "inf", "-inf")
SPACES = re.compile("[\u00a0\u2009\u202f]")  # that do not break a line, as between thousands


@dataclasses.dataclass(frozen=True)
class NumberFormat:
    """The format of numbers in a file.

    Attributes:
        decimal: the decimal mark, "." or ",".
        thousands: the mark between groups of digits, or "".
    """

    decimal: str = "."
    thousands: str = ""

    def parse(self, cell: str) -> float | None:
        """Returns the finite number in a cell, or None if there is none."""
        text = SPACES.sub(" ", cell.strip())
        thousands, decimal = re.escape(self.thousands), re.escape(self.decimal)
        if thousands and re.fullmatch(rf"[-+]?[1-9]\d{{0,2}}({thousands}\d{{3}})+({decimal}\d*)?", text):
            text = text.replace(self.thousands, "")
        if self.decimal != ".":
            if "." in text:
                return None
            text = text.replace(self.decimal, ".")
        try:
            value = float(text.replace("_", "?"))
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def parse_all(self, cells: Sequence[str]) -> np.ndarray:
        """Returns the numbers in cells, NaN where there is none."""
        text = "\0".join(cells)
        plain = "_" not in text and not (self.thousands and self.thousands in text)
        if self.decimal != ".":
            plain = plain and "." not in text
            text = text.replace(self.decimal, ".")
        if plain:
            with contextlib.suppress(ValueError):
                numbers = np.array(list(map(float, text.split("\0"))))
                if np.isfinite(numbers).all():
                    return numbers
        parsed = map(self.parse, cells)
        return np.array([math.nan if number is None else number for number in parsed])

    def explain(self, cell: str) -> str:
        """Returns what is wrong with a cell that is not a number, and what to do."""
        if cell.strip().lower() in MISSING:
            return f"{cell!r} is not a number but a missing value; fill it in, or leave the column out with --columns"
        if re.fullmatch(r"[-+]?\d{1,3}([ '\u2019\u00a0\u2009\u202f]\d{3})+([.,]\d*)?", cell.strip()):
            mark = "'" if "'" in cell else " "
            return f'{cell!r} has a mark between thousands; give --thousands="{mark}"'
        for mark, other in ((",", "."), (".", ",")):
            if self.decimal != mark and re.fullmatch(rf"-?\d+{re.escape(mark)}\d+", cell.strip()):
                group = re.fullmatch(rf"-?\d{{1,3}}{re.escape(mark)}\d{{3}}", cell.strip())
                also = f" (or --thousands={mark} if the mark separates thousands)" if group else ""
                return f"{cell!r} is not a number with the decimal mark '{self.decimal}'; give --decimal={mark}{also}"
            if re.fullmatch(rf"-?\d{{1,3}}({re.escape(mark)}\d{{3}})+({re.escape(other)}\d+)?", cell.strip()):
                return f"{cell!r} has a mark between thousands; give --thousands={mark} --decimal={other}"
        return f"{cell!r} is not a number; correct it, or leave the column out with --columns"
