"""The course of a run for the eye: a picture if matplotlib is there, TensorBoard events if tensorboard is."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo import figures
from rnnzoo.tasks import Batch
from rnnzoo.training.log import read_log

LARGEST = 1e30  # loss in a picture
SHOWN = 15  # forecasts in a picture


def draw_curve(run_dir: Path) -> Path | None:
    """Draws the losses of `log.jsonl` by step to `curve.png`. None without matplotlib (extra `plot`)."""
    if not figures.has_matplotlib():
        return None
    log, _ = read_log(run_dir / "log.jsonl")
    steps = [entry["step"] for entry in log]
    flat = [{"loss": entry["loss"], "validation": entry["validation"]["loss"]} for entry in log]
    path = run_dir / "curve.png"
    with figures.figure_file(path, figsize=(7, 4)) as figure:
        axes = figure.subplots()
        training, validation = ([_shown(e[key]) for e in flat] for key in ("loss", "validation"))
        axes.plot(steps, training, "k--", label="training (mean since the last evaluation)")
        axes.plot(steps, validation, "k-", label="validation")
        axes.set(xlabel="step", ylabel="loss", title=figures.label_text(run_dir.name))
        axes.legend()
        axes.grid(alpha=0.3)
    return path


def _shown(loss: float) -> float:
    """A loss, or NaN, which leaves a gap, for one that is beyond any axis."""
    return loss if abs(loss) < LARGEST else float("nan")


def draw_forecast(run_dir: Path, model: Any, batches: Iterator[Batch]) -> Path | None:
    """Draws forecasts against the truth, in the user's own units, to `forecast.png`: those of the first windows of
    the test that do not overlap, up to four columns. None without matplotlib (extra `plot`), or for another task.
    """
    spec = model.spec
    if not spec.output_scale or not figures.has_matplotlib():
        return None
    columns = spec.input_size
    horizon = spec.output_size // columns
    mean, deviation = (np.array(values) for values in spec.input_scale)
    every = [(b.inputs[w > 0], b.targets[w > 0]) for b in batches for w in [np.asarray(b.weights)]]
    inputs, targets = (np.concatenate(parts)[::horizon][:SHOWN] for parts in zip(*every, strict=True))
    forecasts = model(inputs).numpy().reshape(-1, columns)
    truth, seen = targets.reshape(-1, columns), inputs[0]
    count = min(columns, 4)
    path = run_dir / "forecast.png"
    with figures.figure_file(path, figsize=(9, 1 + 2.5 * count)) as figure:
        for i, axes in enumerate(np.ravel(figure.subplots(count, sharex=True))):
            now = np.arange(len(truth))
            scaled = [values[:, i] * deviation[i] + mean[i] for values in (seen, truth, forecasts)]
            axes.plot(np.arange(-len(seen), 0), scaled[0], color="0.6", label="seen by the first forecast")
            axes.plot(now, scaled[1], "k-", label="truth")
            axes.plot(now, scaled[2], "k:", label=f"forecast, {horizon} steps at a time")
            axes.set(ylabel=figures.label_text(spec.labels[i]))
            axes.grid(alpha=0.3)
        axes.set(xlabel="steps since the beginning of the test")
        figure.axes[0].legend()
        figure.axes[0].set(title=figures.label_text(run_dir.name))
    return path


class Events:
    """Writes evaluations as TensorBoard events to `run_dir/events`; does nothing without tensorboard."""

    def __init__(self, run_dir: Path):
        there = importlib.util.find_spec("tensorboard") is not None
        self._writer = tf.summary.create_file_writer(str(run_dir / "events")) if there else None

    def write(self, entry: dict[str, Any]) -> None:
        """A line of the log as scalars."""
        if self._writer is None:
            return
        scalars = {"training/loss": entry["loss"], "training/gradient_norm": entry["gradient_norm"]}
        scalars |= {f"validation/{name}": value for name, value in entry["validation"].items()}
        with self._writer.as_default(step=entry["step"]):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def pictures(self, folder: Path, step: int) -> None:
        """The pictures of a folder as images."""
        if self._writer is None:
            return
        with self._writer.as_default(step=step):
            for path in sorted(folder.glob("*.png")):
                tf.summary.image(f"{folder.name}/{path.stem}", tf.io.decode_png(path.read_bytes(), 3)[None])
        self._writer.flush()


def draw_attention(attention: np.ndarray, source: list[str], target: list[str], path: Path) -> None:
    """Draws weights `[time, places]`: a row for each symbol written, a column for each of the source.

    Raises:
        UserError: matplotlib (extra `plot`) is not installed.
    """
    rows, columns = len([t for t in target if t]) + 1, len([s for s in source if s])
    shown = [[figures.label_text(_visible(unit)) for unit in units] for units in (target[: rows - 1], source[:columns])]
    with figures.figure_file(path, figsize=(2 + 0.28 * columns, 1.6 + 0.28 * rows)) as figure:
        axes = figure.subplots()
        image = axes.imshow(attention[:rows, :columns], cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(columns), shown[1], rotation=90 if max(map(len, shown[1]), default=0) > 1 else 0)
        axes.set_yticks(range(rows), [*shown[0], "(end)"])
        axes.set(xlabel="source", ylabel="what is written", title="Where the model looks while it writes")
        axes.xaxis.tick_top()
        figure.colorbar(image, ax=axes, label="weight of the attention")


def _visible(unit: str) -> str:
    return "␣" if unit == " " else unit
