"""Pairs without end, made from random numbers: sequences to reverse, dates to write in one form."""

import dataclasses
import datetime

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import SPECIAL, TaskSpec
from rnnzoo.tasks.base import Batch, DrawnTask
from rnnzoo.tasks.pairing import Pair, pad_pairs, pair_spec
from rnnzoo.tasks.vocabulary import ids_of

LETTERS = "abcdefghijklmnopqrstuvwxyz"
EARLY = ("January", "February", "March", "April", "May", "June")
MONTHS = (*EARLY, "July", "August", "September", "October", "November", "December")
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


class DrawnPairs(DrawnTask):
    """Pairs of texts that `draw_pair` makes, of at most so many units."""

    spec: TaskSpec
    places: int
    time: int

    def draw_pair(self, rng: np.random.Generator) -> Pair:
        """One pair."""
        raise NotImplementedError(f"{type(self).__name__} does not define draw_pair(rng)")

    def draw(self, rng: np.random.Generator, size: int) -> Batch:
        pairs = [self.draw_pair(rng) for _ in range(size)]
        sources = [ids_of(pair.source, self.spec.source_vocabulary) for pair in pairs]
        targets = [ids_of(pair.target, self.spec.vocabulary) for pair in pairs]
        return pad_pairs(sources, targets, size, self.places, self.time)


@dataclasses.dataclass(frozen=True)
class ReverseOptions:
    """Options of reversing."""

    seq_length: int = option(20, "letters of the longest sequence", minimum=1, size="time")
    batch_size: int = option(64, "sequences a step", minimum=1, size="batch")
    eval_size: int = option(1000, "sequences in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("reverse")
class Reverse(DrawnPairs):
    """Reversing: write a random sequence of letters from its end.

    Half as many to `seq_length` letters; nothing but where they stand helps to remember them.
    """

    training_defaults = {"steps": 1500, "learning_rate": 5e-3}

    def __init__(self, options: ReverseOptions):
        self.options = options
        self.places, self.time = options.seq_length, options.seq_length + 1
        symbols = (*SPECIAL, *LETTERS)
        self.spec = pair_spec(symbols, symbols, ("char", "char"), options.seq_length)

    def draw_pair(self, rng: np.random.Generator) -> Pair:
        longest = self.options.seq_length
        length = rng.integers(max(1, longest // 2), longest + 1)
        letters = [LETTERS[i] for i in rng.integers(0, len(LETTERS), length)]
        return Pair(letters, letters[::-1])

    def summary(self) -> str:
        return f"reversing up to {self.options.seq_length} letters, new ones every time"


@dataclasses.dataclass(frozen=True)
class DatesOptions:
    """Options of dates."""

    first_year: int = option(1900, "of the dates", minimum=1000, below=9999)
    last_year: int = option(2099, "of the dates", minimum=1000, below=10_000)
    batch_size: int = option(64, "dates a step", minimum=1, size="batch")
    eval_size: int = option(2000, "dates in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("dates")
class Dates(DrawnPairs):
    """Dates: from the many forms in which people write them to ISO 8601, such as 2024-02-29.

    26 forms in English, in their own case, lower case or capitals. With slashes the month comes first (or the year,
    if it stands first), with dots the day. Days of the week are right, and say nothing that is not said already.
    """

    training_defaults = {"steps": 2000, "learning_rate": 3e-3}

    def __init__(self, options: DatesOptions):
        self.options = options
        if options.last_year < options.first_year:
            raise UserError(f"--last_year={options.last_year} is before --first_year={options.first_year}")
        self.first = datetime.date(options.first_year, 1, 1).toordinal()
        self.last = datetime.date(options.last_year, 12, 31).toordinal()
        letters = LETTERS + LETTERS.upper()
        self.places = max(map(len, (_written(datetime.date(2000, 9, 27), form) for form in FORMATS)))
        self.time = len("2000-01-01") + 1
        self.spec = pair_spec(
            (*SPECIAL, *sorted(f"{letters}0123456789 .,/-")), (*SPECIAL, *"0123456789-"), ("char", "char"), 10
        )

    def draw_pair(self, rng: np.random.Generator) -> Pair:
        date = datetime.date.fromordinal(int(rng.integers(self.first, self.last + 1)))
        text = _written(date, FORMATS[rng.integers(len(FORMATS))])
        case = (str, str.lower, str.upper)[rng.integers(3)]
        return Pair(list(case(text)), list(date.isoformat()))

    def summary(self) -> str:
        years = f"{self.options.first_year} to {self.options.last_year}"
        return f"dates of the years {years} in {len(FORMATS)} forms, new ones every time"


def _written(date: datetime.date, form: str) -> str:
    """A date in one of the forms."""
    last = date.day % 10
    ending = "th" if last not in (1, 2, 3) or date.day in (11, 12, 13) else ("st", "nd", "rd")[last - 1]
    month, day = MONTHS[date.month - 1], DAYS[date.weekday()]
    names = {"month": month, "mon": month[:3], "day": day, "dow": day[:3], "th": ending}
    return form.format(d=date.day, m=date.month, y=date.year, **names)
