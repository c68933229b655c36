"""Data: what goes in, what comes out, batches by (seed, step)."""

from typing import Any

from rnnzoo import config
from rnnzoo.registry import TASKS
from rnnzoo.tasks import (
    adding,
    char_lm,
    classify,
    copy,
    drawn_pairs,
    forecast,
    g2p,
    listops,
    music,
    pairs,
    reber,
    scan,
    series,
    sst,
    syntax,
    tag,
    temporal_order,
    waveform,
    word_lm,
)
from rnnzoo.tasks.base import Batch, Task

__all__ = ["Batch", "Task", "adding", "char_lm", "classify", "copy", "create_task", "drawn_pairs", "forecast", "g2p"]
__all__ += ["list_tasks", "listops", "music", "pairs", "reber", "scan", "series", "sst", "syntax"]
__all__ += ["tag", "temporal_order", "waveform", "word_lm"]


def list_tasks(pattern: str = "*") -> list[str]:
    """Names of the registered tasks that match an fnmatch pattern, sorted."""
    return TASKS.list(pattern)


def create_task(name: str, **options: Any) -> Task:
    """The task of that name. Raises `UserError` for an unknown name or option, or bad data.

    >>> create_task("adding", seq_length=20).batch(seed=0, step=0).inputs.shape
    (50, 20, 2)
    """
    cls = TASKS[name]
    return cls(config.make(config.options_class(cls), options, f"task '{name}'"))
