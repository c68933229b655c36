"""Plots of a run: losses and forecasts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.data.batch import Batch
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
    """Draws forecasts against the true values, in the user's units, to `forecast.png`.

    The figure shows the first non-overlapping windows of the test, and up to four columns. Returns None without
    matplotlib (extra `plot`), or for another task.
    """
    spec = model.spec
    if not spec.output_scale or not figures.has_matplotlib():
        return None
    columns = spec.input_size
    horizon = spec.output_size // columns
    mean, deviation = (np.array(values) for values in spec.input_scale)
    every = [(b.inputs[w > 0], b.targets[w > 0]) for b in batches for w in [np.asarray(b.weights)]]
    inputs, targets = (np.concatenate(parts)[::horizon][:NUM_FORECASTS] for parts in zip(*every, strict=True))
    forecasts = model(inputs).numpy().reshape(-1, columns)
    truth, window = targets.reshape(-1, columns), inputs[0]
    count = min(columns, 4)
    path = run_dir / "forecast.png"
    with figures.figure_file(path, figsize=(9, 1 + 2.5 * count)) as figure:
        for i, axes in enumerate(np.ravel(figure.subplots(count, sharex=True))):
            steps = np.arange(len(truth))
            scaled = [values[:, i] * deviation[i] + mean[i] for values in (window, truth, forecasts)]
            axes.plot(np.arange(-len(window), 0), scaled[0], color="0.6", label="window of the first forecast")
            axes.plot(steps, scaled[1], "k-", label="true values")
            axes.plot(steps, scaled[2], "k:", label=f"forecast, {horizon} steps at a time")
            axes.set(ylabel=figures.label_text(spec.labels[i]))
            axes.grid(alpha=0.3)
        axes.set(xlabel="steps since the beginning of the test")
        figure.axes[0].legend()
        figure.axes[0].set(title=figures.label_text(run_dir.name))
    return path
