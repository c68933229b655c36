"""What a run says while it runs and when it ends."""

import math
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from rnnzoo.tasks import Task
from rnnzoo.training import StepResult

QUIET = 2.0  # seconds before the reading of data shows progress


class Reporter:
    """Progress on a stream: one line that moves on a terminal, plain lines elsewhere."""

    def __init__(self, verbosity: int = 1, stream: TextIO | None = None):
        self.verbosity = verbosity
        self.stream = stream or sys.stdout
        self.moving = self.stream.isatty()
        self._first: tuple[float, int] | None = None
        self._last = 0.0
        self._bits = False

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.verbosity:
            print(("\r\033[K" if self.moving else "") + text, file=self.stream, flush=True)

    def reading(self, done: int, total: int, seconds: float) -> None:
        """While data are read: shown after two seconds, on a terminal in a line that moves."""
        now = time.monotonic()
        if not self.verbosity or seconds < QUIET or now - self._last < (0.2 if self.moving else QUIET * 5):
            return
        self._last = now
        rate = done / seconds
        left = f", {_clock((total - done) / rate)} left" if done < total else ""
        text = f"reading data: {min(1, done / max(1, total)):.0%}, {rate / 2**20:.1f} MiB/s{left}"
        if self.moving:
            self.stream.write(f"\r\033[K{text}")
            self.stream.flush()
        else:
            self.say(text)

    def start(self, settings: dict[str, Any], task: Task, parameters: int, run_dir: Path) -> None:
        """What is about to be trained."""
        self._bits = "bits_per_char" in task.spec.metrics
        self.say(task.summary())
        self.say(f"{settings['model']} with {parameters:,} weights; files in {run_dir}")
        if self.verbosity > 1:
            for part in ("model_options", "task_options", "training"):
                self.say(f"{part}: " + " ".join(f"--{key}={value}" for key, value in settings[part].items()))

    def event(self, event: StepResult | dict[str, Any], steps: int, symbols: int) -> None:
        """A step, or an evaluation."""
        if isinstance(event, StepResult):
            self.step(event, steps, symbols)
        else:
            self.evaluation(event)

    def step(self, result: StepResult, steps: int, symbols: int) -> None:
        """After each step; shown at most five times a second, and on a terminal only."""
        now = time.monotonic()
        self._first = self._first or (now, result.step)  # the first step compiles: it does not count
        if not self.moving or not self.verbosity or now - self._last < 0.2:
            return
        self._last = now
        text = f"step {result.step}/{steps}  loss {result.loss:.4f}"
        text += f" ({result.loss / math.log(2):.3f} bits/char)" if self._bits else ""
        text += f"  {self._speed(result.step, symbols)}"
        left = (now - self._first[0]) / max(1, result.step - self._first[1]) * (steps - result.step)
        self.stream.write(f"\r\033[K{text}  {_clock(left)} left")
        self.stream.flush()

    def evaluation(self, entry: dict[str, Any]) -> None:
        """A line for each evaluation."""
        found = "  ".join(f"{name} {_cell(value)}" for name, value in entry["validation"].items() if name != "loss")
        self.say(f"step {entry['step']:6d}  {entry['seconds']:6.1f} s  loss {entry['loss']:.4f}  validation {found}")

    def end(self, result: dict[str, Any], run_dir: Path, sample: str | None) -> None:
        """The table of metrics beside the baselines, a sample, and where the files are."""
        if sample is not None:
            self.say("\nWhat it writes:\n" + "\n".join(f"  | {line}" for line in sample.split("\n")))
        names = list(result["metrics"]["test"])
        rows = [(split, values) for split, values in result["metrics"].items()]
        rows += [(f"baseline {name}", values) for name, values in result["baselines"].items()]
        self.say("\n" + "\n".join(table(["", *names], ([row, *(v.get(n) for n in names)] for row, v in rows))))
        self.say(f"\ntime      {_clock(result['seconds'])}\nrun       {run_dir}\nexport    {result['export_dir']}")

    def _speed(self, step: int, symbols: int) -> str:
        first, begin = self._first or (time.monotonic(), step)
        seconds = time.monotonic() - first
        return f"{(step - begin) * symbols / seconds:,.0f} tokens/s" if seconds > 0 else ""


def table(head: list[str], rows: Iterable[list]) -> list[str]:
    """Lines of aligned columns; numbers to four decimals, None left blank."""
    texts = [head] + [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(head))]
    return [
        "  ".join(t.rjust(w) if i else t.ljust(w) for i, (t, w) in enumerate(zip(r, widths, strict=True)))
        for r in texts
    ]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.4g}"
    return "" if value is None else str(value)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
