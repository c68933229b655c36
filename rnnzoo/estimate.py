"""Whether a run fits into memory, told before it is tried."""

import os
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.spec import TaskSpec

FLOAT = 4  # bytes
COPIES = 4  # of each weight: itself, its gradient, two moments of the optimizer
BLOCKS = 4  # as many blocks of units in a kernel as an LSTM has
SAVED = 3 * BLOCKS  # numbers that training keeps for each unit and step


def memory_needed(model: Any, options: Any, spec: TaskSpec, longest: int, places: int = 0) -> int:
    """Bytes that weights and activations of a training step take, roughly, from the options of model and task.

    `longest` is the length of the longest sequence in a batch, `places` that of the longest source.
    """
    units, layers, embedding = (getattr(model, name, 1) for name in ("units", "layers", "embedding"))
    embedding = embedding or units
    ticks = layers * getattr(model, "transition_depth", 1) * (2 if hasattr(model, "merge_mode") else 1)
    hidden, deeper = (getattr(model, "hidden_units", None) or units, _hidden_layers(model))
    looks = 0
    steps = longest * getattr(options, "batch_size", 1)
    tokens = bool(spec.vocabulary)
    first = embedding if tokens else spec.input_size
    weights = BLOCKS * units * (first + units + (ticks - 1) * 2 * units) + units * spec.output_size
    weights += embedding * spec.input_size if tokens else 0
    weights += deeper * hidden * (hidden + units)
    if spec.inputs == "pair":
        weights *= 2  # an encoder and a decoder
        read = places * getattr(options, "batch_size", 1)
        looks = read * longest * (2 * units if getattr(model, "attention", "") == "additive" else 3)
        steps += read
    activations = steps * (SAVED * units * ticks + 2 * deeper * hidden + 2 * first + 3 * spec.output_size)
    return FLOAT * (COPIES * weights + activations + looks)


def _hidden_layers(model: Any) -> int:
    return sum(getattr(model, name, 1) - 1 for name in ("input_depth", "output_depth"))


def refuse_what_does_not_fit(model: Any, options: Any, task: Any) -> None:
    """Raises `UserError` with an estimate if a run needs more memory than the machine has."""
    lengths = (getattr(task, "longest", 0), getattr(options, "window", 0), getattr(options, "seq_length", 0), 100)
    longest = next(length for length in lengths if length)
    needed, there = memory_needed(model, options, task.spec, longest, _places(task)), _memory()
    if needed > there:
        raise UserError(
            f"this run needs about {needed / 2**30:,.0f} GiB of memory and the machine has {there / 2**30:,.0f}; "
            "give a smaller --units, --layers, --embedding, --batch_size or shorter sequences"
        )


def _places(task: Any) -> int:
    """The length of the longest source."""
    places = getattr(task, "places", task.spec.source_length)
    return max(places.values()) if isinstance(places, dict) else places


def _memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
