"""A column of a table as numbers."""

from collections.abc import Sequence

import numpy as np

from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.time_columns import is_like_a_date

SHAPES = str.maketrans("0123456789", "1111111111")
MAX_SHAPES = 10_000  # of cells, which are remembered


class NumberColumn:
    """What is known of a column after some of its cells.

    Attributes:
        dates: the number of cells that look like a date.
        invalid: the first row without a number, or None.
        blank: whether all cells are blank.
    """

    def __init__(self, number_format: NumberFormat):
        self._format = number_format
        self._is_date: dict[str, bool] = {}  # by the shape of a cell: its digits replaced by ones
        self._rows = self.dates = 0
        self.invalid: int | None = None
        self.blank = True

    def parse(self, cells: Sequence[str]) -> np.ndarray:
        """Returns the numbers of the next cells, NaN where there is none."""
        numbers = self._format.parse_all(cells)
        if (missing := np.flatnonzero(np.isnan(numbers))).size:
            if self.invalid is None:
                self.invalid = self._rows + int(missing[0])
            for i in missing.tolist():
                shape = cells[i].translate(SHAPES)
                if shape not in self._is_date:
                    if len(self._is_date) >= MAX_SHAPES:
                        self._is_date.clear()
                    self._is_date[shape] = self._format.parse(shape) is None and is_like_a_date(shape.strip())
                self.dates += self._is_date[shape]
        self.blank = self.blank and not any(map(str.strip, cells))
        self._rows += len(cells)
        return numbers
