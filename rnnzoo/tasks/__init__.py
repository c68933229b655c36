"""Tasks: one file for each registered task; base classes are in `rnnzoo.tasks.base`."""

from typing import Any

from rnnzoo import config
from rnnzoo.data.batch import Batch
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks import (  # noqa: F401
    adding,
    ast,
    char_lm,
    classify,
    copy,
    dates,
    forecast,
    g2p,
    listops,
    music,
    pairs,
    reber,
    reverse,
    scan,
    series,
    sst,
    tag,
    temporal_order,
    waveform,
    word_lm,
)
from rnnzoo.tasks.base import Task

__all__ = ["Batch", "Task", "create_task", "list_tasks"]


def list_tasks(pattern: str = "*") -> list[str]:
    """Returns the names of the registered tasks that match an fnmatch pattern, sorted."""
    return TASKS.list(pattern)


def create_task(name: str, *, spec: TaskSpec | None = None, **options: Any) -> Task:
    """Creates a task by name.

    Args:
        name: a registered name, see `list_tasks`.
        spec: for a task on files: the specification of a trained model, with its vocabularies, labels and scales, on
            whose terms the files are read. None: that of the data.
        **options: options of the task, named like its flags.

    Raises:
        UserError: an unknown name or option, or bad data.

    >>> create_task("adding", seq_length=20).batch(seed=0, step=0).inputs.shape
    (50, 20, 2)
    """
    cls = TASKS[name]
    values = config.create_options(config.options_class(cls), options, f"task '{name}'")
    return cls(values) if spec is None else cls(values, spec)
