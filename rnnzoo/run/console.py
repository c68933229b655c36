"""Logger for the console: progress while a run trains, and its results."""

import math
import sys
import time
from collections.abc import Iterable
from typing import Any, TextIO

from rnnzoo.run import events
from rnnzoo.run.events import Logger
from rnnzoo.training import StepResult

DATA_DELAY = 2.0  # seconds before the progress of reading data is shown
REFRESH = 0.2  # seconds between updates of the progress line on a terminal
CLEAR_LINE = "\r\033[K"


class ConsoleLogger(Logger):
    """Prints events: a progress line that is updated on a terminal, plain lines elsewhere.

    Args:
        verbosity: 0: nothing; 1: progress and results; 2: the configuration and the stages too.
        stream: where to print; default: standard output.
    """

    def __init__(self, verbosity: int = 1, stream: TextIO | None = None):
        self.verbosity = verbosity
        self.stream = stream or sys.stdout
        self.is_terminal = self.stream.isatty()
        self._first_step: tuple[float, int] | None = None
        self._last_update = 0.0
        self._shows_bits = False
        self._select_by = ""

    def log(self, event: Any) -> None:
        if not self.verbosity:
            return
        match event:
            case events.Message(text):
                self._print(text)
            case events.StageStarted(name) if self.verbosity > 1:
                self._print(f"stage: {name}")
            case events.EngineChosen(text) if self.verbosity > 1:
                self._print(f"engine: {text}")
            case events.DataProgress():
                self._show_data_progress(event)
            case events.TrainingStarted():
                self._show_configuration(event)
            case events.StepFinished():
                self._show_step(event.result, event.total_steps, event.tokens_per_step)
            case events.EvaluationFinished(entry):
                self._show_evaluation(entry)
            case events.RunFinished():
                self._show_results(event)

    def _print(self, text: str) -> None:
        print((CLEAR_LINE if self.is_terminal else "") + text, file=self.stream, flush=True)

    def _update_line(self, text: str) -> None:
        self.stream.write(CLEAR_LINE + text)
        self.stream.flush()

    def _show_data_progress(self, event: events.DataProgress) -> None:
        now = time.monotonic()
        interval = REFRESH if self.is_terminal else DATA_DELAY * 5
        if event.seconds < DATA_DELAY or now - self._last_update < interval:
            return
        self._last_update = now
        rate = event.bytes_read / event.seconds
        remaining = event.total_bytes - event.bytes_read
        left = f", {format_duration(remaining / rate)} left" if remaining > 0 else ""
        fraction = min(1, event.bytes_read / max(1, event.total_bytes))
        text = f"reading data: {fraction:.0%}, {rate / 2**20:.1f} MiB/s{left}"
        (self._update_line if self.is_terminal else self._print)(text)

    def _show_configuration(self, event: events.TrainingStarted) -> None:
        self._shows_bits = "bits_per_char" in event.metrics
        self._select_by = event.config.get("training", {}).get("select_by") or event.metrics[0]
        self._print(event.data_summary)
        self._print(f"{event.config['model']} with {event.num_weights:,} weights; files in {event.run_dir}")
        if self.verbosity > 1:
            for part in ("model_options", "task_options", "training"):
                options = " ".join(f"--{name}={value}" for name, value in event.config[part].items())
                self._print(f"{part}: {options}")

    def _show_step(self, result: StepResult, total_steps: int, tokens_per_step: int) -> None:
        now = time.monotonic()
        self._first_step = self._first_step or (now, result.step)  # compilation does not count
        if not self.is_terminal or now - self._last_update < REFRESH:
            return
        self._last_update = now
        started, first = self._first_step
        seconds, steps = now - started, result.step - first
        text = f"step {result.step}/{total_steps}  loss {result.loss:.4f}"
        text += f" ({result.loss / math.log(2):.3f} bits/char)" if self._shows_bits else ""
        text += f"  {steps * tokens_per_step / seconds:,.0f} tokens/s" if seconds > 0 else ""
        self._update_line(f"{text}  {format_duration(seconds / max(1, steps) * (total_steps - result.step))} left")

    def _show_evaluation(self, entry: dict[str, Any]) -> None:
        values = entry["validation"]
        shown = [name for name in values if name != "loss" or self._select_by == "loss"]
        metrics = "  ".join(f"{name} {_format(values[name])}" for name in shown)
        best = "  best" if entry.get("best") else ""
        self._print(
            f"step {entry['step']:6d}  {entry['seconds']:6.1f} s  loss {entry['loss']:.4f}  validation {metrics}{best}"
        )

    def _show_results(self, event: events.RunFinished) -> None:
        result = event.result
        if event.samples is not None:
            self._print("\nSample outputs:\n" + "\n".join(f"  | {line}" for line in event.samples.split("\n")))
        names = list(result["metrics"]["test"])
        rows = list(result["metrics"].items())
        rows += [(f"baseline {name}", values) for name, values in result["baselines"].items()]
        self._print("\n" + "\n".join(format_table(["", *names], ([row, *map(v.get, names)] for row, v in rows))))
        duration = format_duration(result["seconds"])
        columns = result["test_details"].get("columns", {})
        if columns:
            names = list(next(iter(columns.values())))
            table = format_table(["test, in units of the data", *names], ([c, *v.values()] for c, v in columns.items()))
            self._print("\n" + "\n".join(table))
        if signature := result["test_details"].get("bleu_signature"):
            self._print(f"\nbleu      {signature}")
        selected = result["metrics"]["validation"][result["selected_by"]]
        best = f"step {result['best_step']}, by validation {result['selected_by']} {_format(selected)}"
        self._print(
            f"\nbest      {best}\ntime      {duration}\nrun       {event.run_dir}\nexport    {result['export_dir']}"
        )
        for warning in event.warnings:
            self._print(warning)


def format_table(header: list[str], rows: Iterable[list]) -> list[str]:
    """Formats a table as lines of aligned columns, with numbers to four decimals and None as blank."""
    texts = [header] + [[_format(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(header))]
    return [
        "  ".join(t.rjust(w) if i else t.ljust(w) for i, (t, w) in enumerate(zip(row, widths, strict=True)))
        for row in texts
    ]


def _format(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.4g}"
    return "" if value is None else str(value)


def format_duration(seconds: float) -> str:
    """Formats a duration: `3 min 4 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
