"""The course of a run for the eye: a picture if matplotlib is there, TensorBoard events if tensorboard is."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import tensorflow as tf


def draw_curve(run_dir: Path) -> Path | None:
    """Draws the losses of `log.jsonl` by step to `curve.png`. None without matplotlib (extra `plot`)."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    from matplotlib.figure import Figure

    log = [json.loads(line) for line in (run_dir / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = [entry["step"] for entry in log]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, [entry["loss"] for entry in log], "k--", label="training (mean since the last evaluation)")
    axes.plot(steps, [entry["validation"]["loss"] for entry in log], "k-", label="validation")
    axes.set(xlabel="step", ylabel="loss", title=run_dir.name)
    axes.legend()
    axes.grid(alpha=0.3)
    path = run_dir / "curve.png"
    figure.savefig(path, dpi=120)
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
