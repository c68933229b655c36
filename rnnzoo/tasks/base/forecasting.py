"""Options and specification of forecasting."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from rnnzoo.config import option
from rnnzoo.data import signals
from rnnzoo.data.forecast_reference import choose_difference
from rnnzoo.data.forecast_series import StandardizedSeries
from rnnzoo.data.splits import FileOptions
from rnnzoo.errors import UserError
from rnnzoo.spec import TaskSpec

FILE_ONLY = ("columns", "exogenous", "time_column", "decimal", "thousands")


@dataclasses.dataclass(frozen=True)
class ForecastOptions(FileOptions):
    """Options of the task `forecast`."""

    data: str | None = option(None, "CSV file of numeric columns, oldest row first; default: the Mackey-Glass equation")
    columns: str = option(
        "", "names or numbers of the columns to forecast, comma-separated; default: all but dates and indices"
    )
    exogenous: str = option("", "names or numbers of columns that are read, but not forecast")
    time_column: str = option("", "name or number of the column of dates or of an index; default: found by its cells")
    decimal: str = option(".", "decimal mark of the numbers", choices=(".", ","))
    thousands: str = option("", "mark between groups of three digits", choices=("", ",", ".", " ", "'"))
    window: int = option(50, "time steps that the model reads", minimum=1, size="time")
    horizon: int = option(10, "time steps that are forecast", minimum=1, size="time")
    seasonal_period: int = option(
        0, "time steps of a season; 0: estimated from the training data", minimum=0, maximum=10**9
    )
    difference: str = option(
        "auto",
        "reference that the output is added to: none, the last value, the last season, or auto (by the training data)",
        choices=("none", "last", "season", "auto"),
    )
    normalize: str = option(
        "train", "scale by mean and variance of the training data, or of each window too", choices=("train", "window")
    )
    quantiles: str = option("", "quantiles to forecast instead of the mean, such as 0.1,0.5,0.9")
    validation_fraction: float = option(
        0.1, "fraction of the series for validation, before the test", minimum=0.005, below=1
    )
    test_fraction: float = option(0.1, "last fraction of the series, for the test", minimum=0.005, below=1)
    batch_size: int = option(64, "windows in a batch", minimum=1, size="batch")


def compute_scale(train: Callable[[], Iterable[np.ndarray]], names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of each column. Raises `UserError` if a column is constant."""
    moments = signals.compute_moments(train)
    constant = moments.least == moments.greatest
    if constant.any():
        column = names[int(np.argmax(constant))]
        raise UserError(f"--data: column '{column}' is constant in the training data; leave it out with --columns")
    return moments.mean, moments.deviation


def forecast_spec(
    options: ForecastOptions,
    names: tuple[str, ...],
    mean: np.ndarray,
    deviation: np.ndarray,
    train: StandardizedSeries,
    season: int,
) -> TaskSpec:
    """Creates the specification for columns of these names (exogenous ones last), means and standard deviations.

    `train` is the standardized training part, `[time, columns]`. Raises `UserError` for a season that is longer than a
    window, or invalid quantiles.
    """
    targets = names[: len(names) - len([name for name in options.exogenous.split(",") if name.strip()])]
    quantiles = parse_quantiles(options.quantiles)
    metrics = ("mse", "mae") if not quantiles else ("pinball", "mse", "mae", "coverage")[: 3 + (len(quantiles) > 1)]
    difference: Any = _choose_difference(options, train, len(targets), season)
    normalize: Any = options.normalize
    scale = tuple(tuple(float(v) for v in values) for values in (mean, deviation))
    return TaskSpec(
        inputs="features",
        outputs="vector",
        per_step=False,
        input_size=len(names),
        output_size=len(targets) * options.horizon * max(1, len(quantiles)),
        loss="pinball" if quantiles else "mse",
        metrics=metrics,
        labels=targets,
        feature_names=names,
        window=options.window,
        input_scale=scale,
        output_scale=tuple(values[: len(targets)] * options.horizon for values in scale),
        difference=difference,
        normalize=normalize,
        seasonal_period=season,
        quantiles=quantiles,
    )


def check_options_of_model(options: ForecastOptions, spec: TaskSpec) -> None:
    """Raises `UserError` if the options ask for other windows or forecasts than those of a trained model."""
    horizon = len(spec.output_scale[0]) // spec.num_targets
    for name, value in (("window", spec.window), ("horizon", horizon)):
        if getattr(options, name) != value:
            raise UserError(f"--{name} is {value} in this model, got {getattr(options, name)}; leave it out")


def _choose_difference(options: ForecastOptions, train: StandardizedSeries, num_targets: int, season: int) -> str:
    if options.difference == "auto":
        return choose_difference(train, options.window, options.horizon, season, options.normalize, num_targets)
    if options.difference == "season" and season > options.window:
        raise UserError(
            f"--difference=season: a season of {season} steps does not fit into --window={options.window}; give a "
            "longer window, or --seasonal_period"
        )
    return options.difference


def parse_quantiles(text: str) -> tuple[float, ...]:
    """Parses increasing numbers between 0 and 1. Raises `UserError`."""
    try:
        values = tuple(float(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        values = (0.0,)
    if not all(0 < value < 1 for value in values) or list(values) != sorted(set(values)):
        raise UserError(f"--quantiles={text} must be increasing numbers between 0 and 1, such as 0.1,0.5,0.9")
    return values
