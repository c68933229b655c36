"""Events of a run, and the interface of the loggers that consume them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnzoo.training import StepResult


@dataclasses.dataclass(frozen=True)
class Message:
    """A line of text, such as a warning."""

    text: str


@dataclasses.dataclass(frozen=True)
class StageStarted:
    """The run enters a stage."""

    name: str


@dataclasses.dataclass(frozen=True)
class EngineChosen:
    """The engine that computes the model, described."""

    text: str


@dataclasses.dataclass(frozen=True)
class DataProgress:
    """Data is being read: bytes read, bytes in all, seconds so far."""

    bytes_read: int
    total_bytes: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class TrainingStarted:
    """The training starts: the configuration of the run, a summary of the data, the number of weights."""

    config: dict[str, Any]
    data_summary: str
    metrics: Sequence[str]
    num_weights: int
    run_dir: Path


@dataclasses.dataclass(frozen=True)
class StepFinished:
    """A training step has finished."""

    result: StepResult
    total_steps: int
    tokens_per_step: int


@dataclasses.dataclass(frozen=True)
class EvaluationFinished:
    """An evaluation has finished: its entry in the log."""

    entry: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class ImagesWritten:
    """Images were written to a folder, after a step."""

    folder: Path
    step: int


@dataclasses.dataclass(frozen=True)
class RunFinished:
    """The run has finished, the last event: contents of `result.json`, sample outputs, and warnings on the results."""

    result: dict[str, Any]
    run_dir: Path
    samples: str | None
    warnings: tuple[str, ...] = ()


class Logger:
    """Interface of loggers."""

    def log(self, event: Any) -> None:
        """Consumes an event; events of no interest are ignored."""
        raise NotImplementedError(f"{type(self).__name__} does not define log(event)")


class LoggerList(Logger):
    """Passes each event to several loggers, in their order."""

    def __init__(self, *loggers: Logger):
        self.loggers = list(loggers)

    def log(self, event: Any) -> None:
        for logger in self.loggers:
            logger.log(event)

    def message(self, text: str) -> None:
        """Logs a line of text."""
        self.log(Message(text))
