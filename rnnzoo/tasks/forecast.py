"""The task `forecast`: forecast the next values of numeric series."""

import collections
import functools
from collections.abc import Iterator

import numpy as np

from rnnzoo.data import signals
from rnnzoo.data.batch import Batch, make_generator
from rnnzoo.data.forecast_reference import naive_forecast
from rnnzoo.data.forecast_series import (
    Rows,
    RowsInMemory,
    StandardizedSeries,
    read_blocks,
    read_tables,
    split_series,
)
from rnnzoo.data.mapped import BLOCK_VALUES
from rnnzoo.data.splits import check_data_given
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import Task
from rnnzoo.tasks.base.forecasting import (
    FILE_ONLY,
    ForecastOptions,
    check_options_of_model,
    compute_scale,
    forecast_spec,
)


@TASKS.register("forecast")
class Forecast(Task):
    """Forecasting: predict the next values of the columns of a series from a window of it.

    The series is split in the order of time. A held-out window may begin in the previous split, but the values it
    forecasts are in its own; a split in a file of its own is complete in it. `mse` and `mae` are in units of the
    standard deviations of the training data; an export takes and returns the original units.

    With `--difference` the network forecasts what is added to the last value or to the last season of the window. With
    `--normalize=window` every window is scaled to mean 0 and variance 1, and the forecast scaled back (Kim et al.
    2022). Both help where the level of a series changes. With `--quantiles` the loss is the mean pinball loss
    (Koenker & Bassett 1978), `mse` and `mae` are those of the quantile nearest to the median, and `coverage` is the
    fraction of the values between the lowest and the highest quantile.

    The default data follow the delay equation of Mackey & Glass (1977),

        dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x(t)

    integrated by the fourth-order Runge-Kutta method with steps of 0.1, one value for each unit of time.
    """

    training_defaults = {"steps": 1500, "learning_rate": 3e-3}
    model_defaults = {"units": 32}  # series of hundreds of values are learned by heart by larger networks

    def __init__(self, options: ForecastOptions, spec: TaskSpec | None = None):
        check_data_given(options, *FILE_ONLY)
        self.options, self.origin = options, options.data or "Mackey-Glass equation, tau = 17"
        tables: dict[str, Rows]
        if options.data:
            tables = read_tables(options)
            if spec is not None and spec.feature_names:
                check_options_of_model(options, spec)
                for table in tables.values():
                    table.select(spec.feature_names)
        else:
            tables = {"train": RowsInMemory(signals.mackey_glass(5000)[:, None], ("x",))}
        self.table = tables["train"]
        splits = split_series(tables, options)
        train_length = splits["train"].end + options.horizon - 1
        read_train = functools.partial(read_blocks, self.table, train_length)
        mean, deviation = (
            compute_scale(read_train, self.table.names) if spec is None else map(np.array, spec.input_scale)
        )
        for table in {id(table): table for table in tables.values()}.values():
            moments = signals.compute_moments(functools.partial(read_blocks, table))
            signals.standardize(np.stack([moments.least, moments.greatest]), mean, deviation, self.origin)
        self.splits = splits
        self.series = {
            split: StandardizedSeries(part.rows, mean, deviation, self.origin) for split, part in splits.items()
        }
        train = StandardizedSeries(self.table, mean, deviation, self.origin, train_length)
        period = options.seasonal_period or (spec.seasonal_period if spec else 0)
        self.seasonal_period = period or signals.find_seasonal_period(train[-signals.SEASON_STEPS :][:, 0])
        self.spec = spec or forecast_spec(options, self.table.names, mean, deviation, train, self.seasonal_period)
        self._order: tuple[tuple[int, int], np.ndarray] | None = None

    def steps_per_epoch(self) -> int:
        train = self.splits["train"]
        return -(-(train.end - train.first) // self.options.batch_size)

    def batch(self, seed: int, step: int) -> Batch:
        epoch, number = divmod(step, self.steps_per_epoch())
        train, rows = self.splits["train"], self.options.batch_size
        if self._order is None or self._order[0] != (seed, epoch):
            starts = np.arange(train.first, train.end, dtype="int32")
            self._order = (seed, epoch), make_generator(seed, epoch, "train").permutation(starts)
        order = self._order[1]
        return self._window_batch("train", order[np.arange(number * rows, (number + 1) * rows) % len(order)])

    def evaluation(self, split: str) -> Iterator[Batch]:
        starts = self._starts(split)
        rows = self.options.batch_size
        for i in range(0, len(starts), rows):
            part = starts[i : i + rows]
            weights = (np.arange(rows) < len(part)).astype("float32")
            yield self._window_batch(split, np.resize(part, rows))._replace(weights=weights)

    def baselines(self) -> dict[str, dict[str, float]]:
        """Returns the errors of repeating the last value, and of repeating the values of the last seasonal period."""
        names = {"last value": 1, f"last season ({self.seasonal_period})": self.seasonal_period}
        return {name: self._naive_errors(season) for name, season in names.items()}

    def _naive_errors(self, season: int) -> dict[str, float]:
        """Returns the test errors of repeating the last values."""
        test, horizon, columns = self.series["test"], self.options.horizon, self.spec.num_targets
        starts = self._starts("test")
        rows = max(1, BLOCK_VALUES // (max(horizon, season) * test.shape[1]))
        sums: dict[str, float] = collections.defaultdict(float)
        for i in range(0, len(starts), rows):
            steps = starts[i : i + rows, None]
            targets = test[steps + np.arange(horizon)][..., :columns]
            history = test[np.maximum(steps + np.arange(-season, 0), 0)][..., :columns]
            errors = targets - naive_forecast(history, horizon, season)
            sums["mse"] += float(np.mean(errors**2)) * len(steps)
            sums["mae"] += float(np.mean(np.abs(errors))) * len(steps)
            losses = [np.mean(np.maximum(q * errors, (q - 1) * errors)) for q in self.spec.quantiles]
            if losses:
                sums["pinball"] += float(np.mean(losses)) * len(steps)
        metrics = {name: total / len(starts) for name, total in sums.items()}
        return {"loss": metrics.get("pinball", metrics["mse"]), **metrics}

    def summary(self) -> str:
        names = ", ".join(self.spec.labels[:5]) + (" ..." if self.spec.num_targets > 5 else "")
        spec, options = self.spec, self.options
        text = f"{self.origin}: {len(self.table):,} steps of {names}"
        text += f" (time: {self.table.time_name})" if self.table.time_name else ""
        text += f"; {options.horizon} forecast from {options.window}"
        others = spec.input_size - spec.num_targets
        text += f" and {others} other column{'s' * (others > 1)}" if others else ""
        reference = {"none": "", "last": "value", "season": f"{spec.seasonal_period} values"}[spec.difference]
        return text + (f"; added to the last {reference}" if reference else "")

    def _starts(self, split: str) -> np.ndarray:
        """Returns the first forecast step of each window; for "train" only the last ones, as many as for validation."""
        first, end = self.splits[split].first, self.splits[split].end
        if split == "train":
            first = max(first, end - (self.splits["validation"].end - self.splits["validation"].first))
        return np.arange(first, end)

    def _window_batch(self, split: str, starts: np.ndarray) -> Batch:
        series, steps = self.series[split], starts[:, None]
        inputs = series[steps + np.arange(-self.options.window, 0)]
        targets = series[steps + np.arange(self.options.horizon)][..., : self.spec.num_targets]
        return Batch(inputs, targets.reshape(len(starts), -1))
