"""The state of a run, which its stages share."""

import dataclasses
import time
from typing import Any

from rnnzoo.run.directory import RunDirectory
from rnnzoo.run.events import LoggerList
from rnnzoo.run.settings import RunSettings
from rnnzoo.tasks import Task
from rnnzoo.training import Session
from rnnzoo.training.distribution import Distribution


@dataclasses.dataclass
class Run:
    """The state of a run; each stage reads some of it and adds its results.

    Attributes:
        settings: the settings.
        directory: the folders of the run and of its export.
        logger: consumes the events.
        distribution: the devices and processes of the run.
        started: time at which the run started.
        task: the task, with its data.
        data: the description of the data that was read.
        session: the training session.
        seconds_before: training time of the earlier parts of a resumed run.
        best_step: the step of the best weights.
        metrics: the metrics of the best model on each split.
        details: metrics of each class or column of the test.
        trained: the trained model on one device, if the training was distributed.
        result: the contents of `result.json`.
    """

    settings: RunSettings
    directory: RunDirectory
    logger: LoggerList
    distribution: Distribution
    started: float = dataclasses.field(default_factory=time.monotonic)
    task: Task = dataclasses.field(init=False)
    data: dict[str, Any] = dataclasses.field(init=False)
    session: Session = dataclasses.field(init=False)
    seconds_before: float = 0.0
    best_step: int = 0
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    trained: Any = None
    result: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def model(self) -> Any:
        """The model that is trained."""
        return self.session.trainer.model if self.trained is None else self.trained
