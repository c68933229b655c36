"""Formats of numbers in text files: decimal marks, marks between thousands, missing values."""

import dataclasses
import math
import re

MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-", "inf", "-inf")
ANY_NUMBER = re.compile(r"[-+]?\d*([.,]\d{3})*([.,]\d*)?(e[-+]?\d+)?", re.IGNORECASE)


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
        text = cell.strip()
        if self.thousands and re.search(rf"\d{re.escape(self.thousands)}\d{{3}}(?!\d)", text):
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

    def explain(self, cell: str) -> str:
        """Returns what is wrong with a cell that is not a number, and what to do."""
        if cell.strip().lower() in MISSING:
            return f"{cell!r} is not a number but a missing value; fill it in, or leave the column out with --columns"
        for mark, other in ((",", "."), (".", ",")):
            if self.decimal != mark and re.fullmatch(rf"-?\d+{re.escape(mark)}\d+", cell.strip()):
                group = re.fullmatch(rf"-?\d{{1,3}}{re.escape(mark)}\d{{3}}", cell.strip())
                also = f" (or --thousands={mark} if the mark separates thousands)" if group else ""
                return f"{cell!r} is not a number with the decimal mark '{self.decimal}'; give --decimal={mark}{also}"
            if re.fullmatch(rf"-?\d{{1,3}}({re.escape(mark)}\d{{3}})+({re.escape(other)}\d+)?", cell.strip()):
                return f"{cell!r} has a mark between thousands; give --thousands={mark} --decimal={other}"
        return f"{cell!r} is not a number; correct it, or leave the column out with --columns"


def looks_like_number(cell: str) -> bool:
    """Returns whether a cell is a number in any format."""
    return ANY_NUMBER.fullmatch(cell.strip()) is not None
