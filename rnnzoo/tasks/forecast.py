"""The task `forecast`: forecast the next values of numeric series."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from rnnzoo.config import option
from rnnzoo.data import signals
from rnnzoo.data.batch import SPLITS, Batch, make_generator
from rnnzoo.data.files import check_file
from rnnzoo.data.splits import check_fractions
from rnnzoo.data.tables import find_column, read_table
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import Task

MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-", "inf", "-inf")


@dataclasses.dataclass(frozen=True)
class ForecastOptions:
    """Options of the task `forecast`."""

    data: str | None = option(None, "CSV file of numeric columns, oldest row first; default: the Mackey-Glass equation")
    columns: str = option(
        "", "names or numbers of the columns, comma-separated; default: all, without a first column of dates"
    )
    window: int = option(50, "time steps that the model reads", minimum=1, size="time")
    horizon: int = option(10, "time steps that are forecast", minimum=1, size="time")
    seasonal_period: int = option(
        0, "time steps of a season, for the baseline; 0: estimated from the training data", minimum=0, maximum=10**9
    )
    validation_fraction: float = option(
        0.1, "fraction of the series for validation, before the test", minimum=0.005, below=1
    )
    test_fraction: float = option(0.1, "last fraction of the series, for the test", minimum=0.005, below=1)
    encoding: str = option("utf-8", "encoding of the file")
    batch_size: int = option(64, "windows in a batch", minimum=1, size="batch")


@TASKS.register("forecast")
class Forecast(Task):
    """Forecasting: predict the next values of all columns from a window of a series.

    The series is split in the order of time. A held-out window may begin in the previous split, but the values it
    forecasts are in its own. Columns are standardized by the mean and variance of the training data, and `mse` and
    `mae` are in these units; an export takes and returns the original units. The default data follow the delay
    equation of Mackey & Glass (1977),

        dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x(t)

    integrated by the fourth-order Runge-Kutta method with steps of 0.1, one value for each unit of time.
    """

    training_defaults = {"steps": 1500, "learning_rate": 3e-3}

    def __init__(self, options: ForecastOptions):
        self.options, self.origin = options, options.data or "Mackey-Glass equation, tau = 17"
        names, series = (("x",), signals.mackey_glass(5000)[:, None]) if options.data is None else _read(options)
        self.names = names
        self.ranges = _split_ranges(len(series), options)
        train_series = series[: self.ranges["train"][1] + options.horizon - 1]
        mean, deviation = signals.compute_moments(train_series)
        constant = train_series.min(0) == train_series.max(0)
        if constant.any():
            column = names[int(np.argmax(constant))]
            raise UserError(f"--data: column '{column}' is constant in the training data; leave it out with --columns")
        self.series = signals.standardize(series, mean, deviation, self.origin)
        self.seasonal_period = options.seasonal_period or signals.find_seasonal_period(train_series[:, 0])
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
        first, last = self.ranges["train"]
        return -(-(last - first) // self.options.batch_size)

    def batch(self, seed: int, step: int) -> Batch:
        epoch, number = divmod(step, self.steps_per_epoch())
        first, last = self.ranges["train"]
        order = make_generator(seed, epoch, "train").permutation(np.arange(first, last))
        rows = self.options.batch_size
        return self._window_batch(np.resize(order, self.steps_per_epoch() * rows)[number * rows : (number + 1) * rows])

    def evaluation(self, split: str) -> Iterator[Batch]:
        starts = self._starts(split)
        rows = self.options.batch_size
        for i in range(0, len(starts), rows):
            part = starts[i : i + rows]
            weights = (np.arange(rows) < len(part)).astype("float32")
            yield self._window_batch(np.resize(part, rows))._replace(weights=weights)

    def baselines(self) -> dict[str, dict[str, float]]:
        """Returns the errors of repeating the last value, and of repeating the values of the last seasonal period."""
        starts, horizon = self._starts("test"), self.options.horizon
        steps = starts[:, None] + np.arange(horizon)
        lags = self.seasonal_period * (1 + np.arange(horizon) // self.seasonal_period)
        seasonal = np.maximum(steps - lags, 0)
        baselines = {}
        for name, source in (
            ("last value", np.repeat(starts[:, None] - 1, horizon, 1)),
            (f"last season ({self.seasonal_period})", seasonal),
        ):
            error = self.series[source] - self.series[steps]
            mse, mae = float(np.mean(error**2)), float(np.mean(np.abs(error)))
            baselines[name] = {"loss": mse, "mse": mse, "mae": mae}
        return baselines

    def summary(self) -> str:
        names = ", ".join(self.names[:5]) + (" ..." if len(self.names) > 5 else "")
        window, horizon = self.options.window, self.options.horizon
        return f"{self.origin}: {len(self.series):,} steps of {names}; {horizon} forecast from {window}"

    def _starts(self, split: str) -> np.ndarray:
        """Returns the first forecast step of each window; for "train" only the last ones, as many as for validation."""
        first, last = self.ranges[split]
        if split == "train":
            first = max(first, last - (self.ranges["validation"][1] - self.ranges["validation"][0]))
        return np.arange(first, last)

    def _window_batch(self, starts: np.ndarray) -> Batch:
        inputs = self.series[starts[:, None] + np.arange(-self.options.window, 0)]
        targets = self.series[starts[:, None] + np.arange(self.options.horizon)]
        return Batch(inputs, targets.reshape(len(starts), -1))


def _split_ranges(length: int, options: ForecastOptions) -> dict[str, tuple[int, int]]:
    """Returns for each split the range of the first steps of its forecasts, `(begin, end)`."""
    check_fractions({"validation": options.validation_fraction, "test": options.test_fraction})
    test = max(1, int(length * options.test_fraction))
    validation = max(1, int(length * options.validation_fraction))
    cuts = [0, length - test - validation, length - test, length]
    ranges = {s: (max(cuts[i], options.window), cuts[i + 1] - options.horizon + 1) for i, s in enumerate(SPLITS)}
    for split, (first, last) in ranges.items():
        if first >= last:
            raise UserError(
                f"--data: {length} steps are too few for --window={options.window} and --horizon={options.horizon}: "
                f"the {split} split is empty"
            )
    return ranges


def _read(options: ForecastOptions) -> tuple[tuple[str, ...], np.ndarray]:
    path = check_file(options.data or "")
    rows = read_table(path, options.encoding)
    has_header = _is_header(rows)
    header = rows[0] if has_header else [str(i) for i in range(len(rows[0]))]
    body = rows[1:] if has_header else rows
    if not body:
        raise UserError(f"{path} has a header but no rows")
    if options.columns:
        columns = [find_column(header, name.strip(), "columns", path) for name in options.columns.split(",")]
    else:
        has_dates = sum(_parse_number(row[0]) is None for row in body) > len(body) / 2
        columns = list(range(1 if has_dates else 0, len(header)))
    if not columns:
        raise UserError(f"{path} has no numeric column")
    values = np.empty((len(body), len(columns)))
    for i, row in enumerate(body):
        for j, column in enumerate(columns):
            number = _parse_number(row[column])
            if number is None:
                raise UserError(
                    f"{path}, row {i + 1 + has_header}, column '{header[column]}': {row[column]!r} is not a number; "
                    "fill in missing values, or leave the column out with --columns"
                )
            values[i, j] = number
    return tuple(header[column] for column in columns), values


def _is_header(rows: list[list[str]]) -> bool:
    """Returns whether the first row is a header: it begins with a word without digits, or has a word above a number."""
    first, second = rows[0], rows[min(1, len(rows) - 1)]
    words = [_parse_number(cell) is None and cell.strip().lower() not in MISSING for cell in first]
    named = words[0] and not any(c.isdigit() for c in first[0])
    return named or any(word and _parse_number(cell) is not None for word, cell in zip(words, second, strict=True))


def _parse_number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
