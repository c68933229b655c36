"""Forecasting: the next values of a series of numbers."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks import signals, table
from rnnzoo.tasks.base import SPLITS, Batch, Task, generator
from rnnzoo.tasks.files import check_file

MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-", "inf", "-inf")


@dataclasses.dataclass(frozen=True)
class ForecastOptions:
    """Options of forecasting."""

    data: str | None = option(None, "CSV of numeric columns, oldest row first; default: the Mackey-Glass equation")
    columns: str = option("", "names or numbers of the columns, comma-separated; default: all but a first one of dates")
    window: int = option(50, "steps that are seen", minimum=1, size="time")
    horizon: int = option(10, "steps that are forecast", minimum=1, size="time")
    season: int = option(
        0, "steps of a season, for the baseline; 0: found in the training part", minimum=0, maximum=10**9
    )
    held_out: float = option(
        0.2, "last fraction of the series, half for validation, half for the test", minimum=0.01, below=1
    )
    encoding: str = option("utf-8", "encoding of the file")
    batch_size: int = option(64, "windows a step", minimum=1, size="batch")


@TASKS.register("forecast")
class Forecast(Task):
    """Forecasting: from a window of a series to its next values, all columns together.

    The series is split in the order of time; a held-out window may look back into the part before,
    but what it forecasts is in its own. Columns are brought to mean 0 and variance 1 by what the
    training part says, and `mse` and `mae` are in those units; an export takes and gives the
    original ones. The default is the delay equation of Mackey & Glass (1977),
    `dx/dt = 0.2 x(t-17) / (1 + x(t-17)^10) - 0.1 x`, by Runge-Kutta with steps of 0.1, one value
    for each unit of time.
    """

    training_defaults = {"steps": 1500, "learning_rate": 3e-3}

    def __init__(self, options: ForecastOptions):
        self.options, self.origin = options, options.data or "Mackey-Glass equation, tau = 17"
        names, series = (("x",), signals.mackey_glass(5000)[:, None]) if options.data is None else _read(options)
        self.names = names
        self.ends = _ends(len(series), options)
        known = series[: self.ends["train"][1] + options.horizon - 1]  # the training part
        mean, deviation = signals.moments(known)
        constant = known.min(0) == known.max(0)
        if constant.any():
            flat = names[int(np.argmax(constant))]
            raise UserError(
                f"--data: column '{flat}' does not change in the training part; leave it out with --columns"
            )
        self.series = signals.standardise(series, mean, deviation, self.origin)
        self.season = options.season or signals.find_season(known[:, 0])
        scale = tuple(tuple(float(v) for v in values) for values in (mean, deviation))
        self.spec = TaskSpec(
            inputs="features",
            outputs="vector",
            per_step=False,
            input_size=len(names),
            output_size=len(names) * options.horizon,
            loss="mse",
            metrics=("mse", "mae"),
            labels=tuple(names),
            input_scale=scale,
            output_scale=tuple(values * options.horizon for values in scale),
        )

    def steps_per_epoch(self) -> int:
        first, last = self.ends["train"]
        return -(-(last - first) // self.options.batch_size)

    def batch(self, seed: int, step: int) -> Batch:
        epoch, number = divmod(step, self.steps_per_epoch())
        first, last = self.ends["train"]
        order = generator(seed, epoch, "train").permutation(np.arange(first, last))
        rows = self.options.batch_size
        return self._cut(np.resize(order, self.steps_per_epoch() * rows)[number * rows : (number + 1) * rows])

    def evaluation(self, split: str) -> Iterator[Batch]:
        starts = self._starts(split)
        rows = self.options.batch_size
        for i in range(0, len(starts), rows):
            part = starts[i : i + rows]
            weights = (np.arange(rows) < len(part)).astype("float32")
            yield self._cut(np.resize(part, rows))._replace(weights=weights)

    def baselines(self) -> dict[str, dict[str, float]]:
        """The last value again, and the value of one season before."""
        starts, horizon = self._starts("test"), self.options.horizon
        ahead = starts[:, None] + np.arange(horizon)
        seasons = self.season * (1 + np.arange(horizon) // self.season)
        back = np.maximum(ahead - seasons, 0)
        found = {}
        for name, at in (
            ("last value", np.repeat(starts[:, None] - 1, horizon, 1)),
            (f"last season ({self.season})", back),
        ):
            off = self.series[at] - self.series[ahead]
            mse, mae = float(np.mean(off**2)), float(np.mean(np.abs(off)))
            found[name] = {"loss": mse, "mse": mse, "mae": mae}
        return found

    def summary(self) -> str:
        shown = ", ".join(self.names[:5]) + (" ..." if len(self.names) > 5 else "")
        window, horizon = self.options.window, self.options.horizon
        return f"{self.origin}: {len(self.series):,} steps of {shown}; {horizon} forecast from {window}"

    def _starts(self, split: str) -> np.ndarray:
        """The first step that each window forecasts; of "train" the last ones, as many as for validation."""
        first, last = self.ends[split]
        if split == "train":
            first = max(first, last - (self.ends["validation"][1] - self.ends["validation"][0]))
        return np.arange(first, last)

    def _cut(self, starts: np.ndarray) -> Batch:
        inputs = self.series[starts[:, None] + np.arange(-self.options.window, 0)]
        targets = self.series[starts[:, None] + np.arange(self.options.horizon)]
        return Batch(inputs, targets.reshape(len(starts), -1))


def _ends(length: int, options: ForecastOptions) -> dict[str, tuple[int, int]]:
    """For each split the first steps of its forecasts, from and to (not included)."""
    test = max(1, int(length * options.held_out / 2))
    cuts = [0, length - 2 * test, length - test, length]
    ends = {s: (max(cuts[i], options.window), cuts[i + 1] - options.horizon + 1) for i, s in enumerate(SPLITS)}
    for split, (first, last) in ends.items():
        if first >= last:
            raise UserError(
                f"--data: {length} steps are too few for --window={options.window} and --horizon={options.horizon}: "
                f"nothing is left for {split}"
            )
    return ends


def _read(options: ForecastOptions) -> tuple[tuple[str, ...], np.ndarray]:
    path = check_file(options.data or "")
    rows = table.read(path, options.encoding)
    headed = _is_header(rows)
    header = rows[0] if headed else [str(i) for i in range(len(rows[0]))]
    body = rows[1:] if headed else rows
    if not body:
        raise UserError(f"{path} has a header but no rows")
    if options.columns:
        chosen = [table.column(header, name.strip(), "columns", path) for name in options.columns.split(",")]
    else:
        dated = sum(_number(row[0]) is None for row in body) > len(body) / 2
        chosen = list(range(1 if dated else 0, len(header)))
    if not chosen:
        raise UserError(f"{path} has no numeric column")
    values = np.empty((len(body), len(chosen)))
    for i, row in enumerate(body):
        for j, at in enumerate(chosen):
            number = _number(row[at])
            if number is None:
                raise UserError(
                    f"{path}, row {i + 1 + headed}, column '{header[at]}': {row[at]!r} is not a number; "
                    "fill in what is missing, or leave the column out with --columns"
                )
            values[i, j] = number
    return tuple(header[at] for at in chosen), values


def _is_header(rows: list[list[str]]) -> bool:
    """Whether the first row names columns: a word without digits stands first, or where the next row has a number."""
    first, second = rows[0], rows[min(1, len(rows) - 1)]
    words = [_number(cell) is None and cell.strip().lower() not in MISSING for cell in first]
    named = words[0] and not any(c.isdigit() for c in first[0])
    return named or any(word and _number(cell) is not None for word, cell in zip(words, second, strict=True))


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
