"""Plots of a run: losses and forecasts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.data.batch import Batch
from rnnzoo.data.forecast_reference import naive_forecast
from rnnzoo.training.forecast_metrics import point_forecasts
from rnnzoo.training.log import read_log
from rnnzoo.utils import figures

MAX_LOSS = 1e30  # in a plot
NUM_FORECASTS = 15  # in a plot


def draw_loss_curve(run_dir: Path) -> Path | None:
    """Draws the losses of `log.jsonl` to `curve.png`. Returns None without matplotlib (extra `plot`)."""
    if not figures.has_matplotlib():
        return None
    log, _ = read_log(run_dir / "log.jsonl")
    steps = [entry["step"] for entry in log]
    losses = [{"loss": entry["loss"], "validation": entry["validation"]["loss"]} for entry in log]
    path = run_dir / "curve.png"
    with figures.figure_file(path, figsize=(7, 4)) as figure:
        axes = figure.subplots()
        training, validation = ([_plottable(e[key]) for e in losses] for key in ("loss", "validation"))
        axes.plot(steps, training, "k--", label="training (mean since the last evaluation)")
        axes.plot(steps, validation, "k-", label="validation")
        axes.set(xlabel="step", ylabel="loss", title=figures.label_text(run_dir.name))
        axes.legend()
        axes.grid(alpha=0.3)
    return path


def _plottable(loss: float) -> float:
    """Returns a loss, or NaN (a gap in the curve) if it is too large to plot."""
    return loss if abs(loss) < MAX_LOSS else float("nan")


def draw_forecast(run_dir: Path, model: Any, batches: Iterator[Batch]) -> Path | None:
    """Draws forecasts and a baseline against the true values, in the user's units, to `forecast.png`.

    The figure shows the first non-overlapping windows of the test, and up to four columns. Returns None without
    matplotlib (extra `plot`), or for another task.
    """
    spec = model.spec
    if not spec.is_forecast or not figures.has_matplotlib():
        return None
    columns, levels = spec.num_targets, max(1, len(spec.quantiles))
    horizon = len(spec.output_scale[0]) // columns
    every = [(b.inputs[w > 0], b.targets[w > 0]) for b in batches for w in [np.asarray(b.weights)]]
    inputs, targets = (np.concatenate(parts)[::horizon][:NUM_FORECASTS] for parts in zip(*every, strict=True))
    reference, naive = _better_baseline(inputs[..., :columns], targets, horizon, spec.seasonal_period)
    forecasts = model(inputs).numpy().reshape(-1, columns, levels)
    truth, naive, window = (v.reshape(-1, columns) for v in (targets, naive, inputs[0][:, :columns]))
    count = min(columns, 4)
    path = run_dir / "forecast.png"
    with figures.figure_file(path, figsize=(9, 1 + 2.5 * count)) as figure:
        for i, axes in enumerate(np.ravel(figure.subplots(count, sharex=True))):
            mean, deviation = (values[i] for values in spec.output_scale)
            steps = np.arange(len(truth))
            axes.plot(np.arange(-len(window), 0), window[:, i] * deviation + mean, color="0.6", label="first window")
            axes.plot(steps, truth[:, i] * deviation + mean, "k-", label="true values")
            quantiles = forecasts[:, i] * deviation + mean
            if levels > 1:
                label = f"quantiles {spec.quantiles[0]:g} to {spec.quantiles[-1]:g}"
                axes.fill_between(steps, quantiles[:, 0], quantiles[:, -1], color="0.85", label=label)
            middle = point_forecasts(spec, quantiles)[:, 0]
            axes.plot(steps, middle, "k:", label=f"forecast, {horizon} steps at a time")
            axes.plot(steps, naive[:, i] * deviation + mean, "k--", lw=0.6, label=f"baseline: {reference}")
            axes.set(ylabel=figures.label_text(spec.labels[i]))
            axes.grid(alpha=0.3)
        axes.set(xlabel="steps since the beginning of the test")
        figure.axes[0].legend(fontsize="small")
        figure.axes[0].set(title=figures.label_text(run_dir.name))
    return path


def _better_baseline(inputs: np.ndarray, targets: np.ndarray, horizon: int, season: int) -> tuple[str, np.ndarray]:
    """Returns name and values of the better naive forecast: the last value or, if windows hold one, the last season."""
    names = {1: "last value"} | ({season: f"last season ({season})"} if 1 < season <= inputs.shape[1] else {})
    forecasts = {name: naive_forecast(inputs, horizon, period) for period, name in names.items()}
    truth = targets.reshape(forecasts["last value"].shape)
    best = min(forecasts, key=lambda name: float(np.mean((forecasts[name] - truth) ** 2)))
    return best, forecasts[best]
