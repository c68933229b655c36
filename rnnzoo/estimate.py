"""Whether a run fits into memory, told before it is tried."""

import os
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.spec import TaskSpec

FLOAT = 4  # bytes
COPIES = 4  # of each weight: itself, its gradient, two moments of the optimizer
BLOCKS = 4  # as many blocks of units in a kernel as an LSTM has
SAVED = 3 * BLOCKS  # numbers that training keeps for each unit and step


def memory_needed(model: Any, task: Any, spec: TaskSpec) -> int:
    """Bytes that weights and activations of a training step take, roughly, from the options of model and task."""
    units, layers, embedding = (getattr(model, name, 1) for name in ("units", "layers", "embedding"))
    steps = getattr(task, "seq_length", 100) * getattr(task, "batch_size", 1)
    tokens = spec.inputs == "tokens"
    first = embedding if tokens else spec.input_size
    weights = BLOCKS * units * (first + units + (layers - 1) * 2 * units) + units * spec.output_size
    weights += embedding * spec.input_size if tokens else 0
    activations = steps * (SAVED * units * layers + 2 * first + 3 * spec.output_size)
    return FLOAT * (COPIES * weights + activations)


def refuse_what_does_not_fit(model: Any, task: Any, spec: TaskSpec) -> None:
    """Raises `UserError` with an estimate if a run needs more memory than the machine has."""
    needed, there = memory_needed(model, task, spec), _memory()
    if needed > there:
        raise UserError(
            f"this run needs about {needed / 2**30:,.0f} GiB of memory and the machine has {there / 2**30:,.0f}; "
            "give a smaller --units, --layers, --embedding, --batch_size or --seq_length"
        )


def _memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
