"""Loggers that write files: JSON lines and TensorBoard events."""

import importlib.util
from pathlib import Path
from typing import Any

import tensorflow as tf

from rnnzoo.run.events import EvaluationFinished, ImagesWritten, Logger
from rnnzoo.training.log import append_entry


class JSONLinesLogger(Logger):
    """Appends each evaluation to `log.jsonl` in the folder of a run."""

    def __init__(self, run_dir: Path):
        self.path = run_dir / "log.jsonl"

    def log(self, event: Any) -> None:
        if isinstance(event, EvaluationFinished):
            append_entry(self.path, event.entry)


class TensorBoardLogger(Logger):
    """Writes evaluations and images as TensorBoard events to `events` in the folder of a run.

    Does nothing if tensorboard (extra `tensorboard`) is not installed.
    """

    def __init__(self, run_dir: Path):
        installed = importlib.util.find_spec("tensorboard") is not None
        self._writer: Any = tf.summary.create_file_writer(str(run_dir / "events")) if installed else None

    def log(self, event: Any) -> None:
        if self._writer is None:
            return
        if isinstance(event, EvaluationFinished):
            self._write_scalars(event.entry)
        elif isinstance(event, ImagesWritten):
            self._write_images(event.folder, event.step)

    def _write_scalars(self, entry: dict[str, Any]) -> None:
        scalars = {"training/loss": entry["loss"], "training/gradient_norm": entry["gradient_norm"]}
        scalars |= {f"validation/{name}": value for name, value in entry["validation"].items()}
        with self._writer.as_default(step=entry["step"]):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def _write_images(self, folder: Path, step: int) -> None:
        with self._writer.as_default(step=step):
            for path in sorted(folder.glob("*.png")):
                tf.summary.image(f"{folder.name}/{path.stem}", tf.io.decode_png(path.read_bytes(), 3)[None])
        self._writer.flush()
