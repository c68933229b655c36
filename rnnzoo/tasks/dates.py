"""The task `dates`: convert English dates to ISO 8601."""

import dataclasses
import datetime

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import SPECIAL_TOKENS
from rnnzoo.tasks.base import SequencePair, SyntheticSeq2SeqTask, seq2seq_spec

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FORMATS = (
    "{d} {month} {y}",
    "{d} {mon} {y}",
    "{d}{th} {month} {y}",
    "{d}{th} of {month} {y}",
    "{d}{th} of {month}, {y}",
    "the {d}{th} of {month} {y}",
    "{month} {d}, {y}",
    "{month} {d} {y}",
    "{month} {d}{th}, {y}",
    "{mon} {d}, {y}",
    "{mon}. {d}, {y}",
    "{mon} {d} {y}",
    "{day}, {d} {month} {y}",
    "{day}, {month} {d}, {y}",
    "{day} {d} {mon} {y}",
    "{dow}, {d} {mon} {y}",
    "{dow} {mon} {d} {y}",
    "{d}.{m}.{y}",
    "{d:02}.{m:02}.{y}",
    "{m}/{d}/{y}",
    "{m:02}/{d:02}/{y}",
    "{y}/{m:02}/{d:02}",
    "{y}, {month} {d}",
    "{y} {mon} {d:02}",
    "{d:02}-{mon}-{y}",
    "{y}{m:02}{d:02}",
)


@dataclasses.dataclass(frozen=True)
class DatesOptions:
    """Options of the task `dates`."""

    first_year: int = option(1900, "first year of the dates", minimum=1000, below=9999)
    last_year: int = option(2099, "last year of the dates", minimum=1000, below=10_000)
    batch_size: int = option(64, "dates in a batch", minimum=1, size="batch")
    eval_size: int = option(2000, "dates in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("dates")
class Dates(SyntheticSeq2SeqTask):
    """Dates: convert English dates in 26 formats to ISO 8601, such as 2024-02-29.

    Dates are in their usual case, lower case or capitals. With slashes the month comes before the day, with dots the
    day before the month. Days of the week are correct but redundant.
    """

    training_defaults = {"steps": 2000, "learning_rate": 3e-3}

    def __init__(self, options: DatesOptions):
        self.options = options
        if options.last_year < options.first_year:
            raise UserError(f"--last_year={options.last_year} is before --first_year={options.first_year}")
        self.first = datetime.date(options.first_year, 1, 1).toordinal()
        self.last = datetime.date(options.last_year, 12, 31).toordinal()
        letters = LETTERS + LETTERS.upper()
        example = datetime.date(2000, 9, 27)  # its month and day have the longest names
        self.source_length = max(len(_format_date(example, date_format)) for date_format in FORMATS)
        self.target_length = len("2000-01-01") + 1
        source_vocabulary = (*SPECIAL_TOKENS, *sorted(f"{letters}0123456789 .,/-"))
        target_vocabulary = (*SPECIAL_TOKENS, *"0123456789-")
        self.spec = seq2seq_spec((source_vocabulary, target_vocabulary), ("char", "char"), 10)

    def sample_pair(self, rng: np.random.Generator) -> SequencePair:
        date = datetime.date.fromordinal(int(rng.integers(self.first, self.last + 1)))
        text = _format_date(date, FORMATS[rng.integers(len(FORMATS))])
        case = (str, str.lower, str.upper)[rng.integers(3)]
        return SequencePair(list(case(text)), list(date.isoformat()))

    def summary(self) -> str:
        years = f"{self.options.first_year} to {self.options.last_year}"
        return f"dates of the years {years} in {len(FORMATS)} formats, generated anew for every step"


def _format_date(date: datetime.date, date_format: str) -> str:
    """Formats a date; `date_format` is one of `FORMATS`."""
    last = date.day % 10
    ending = "th" if last not in (1, 2, 3) or date.day in (11, 12, 13) else ("st", "nd", "rd")[last - 1]
    month, day = MONTHS[date.month - 1], DAYS[date.weekday()]
    names = {"month": month, "mon": month[:3], "day": day, "dow": day[:3], "th": ending}
    return date_format.format(d=date.day, m=date.month, y=date.year, **names)
