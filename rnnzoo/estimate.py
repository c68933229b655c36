"""Whether a run fits into memory, told before it is tried."""

import dataclasses
import math
import os
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.spec import TaskSpec

FLOAT = 4  # bytes
COPIES = 4  # of each weight: itself, its gradient, two moments of the optimizer
BLOCKS = 4  # as many blocks of units in a kernel as an LSTM has
SAVED = 3 * BLOCKS  # numbers that training keeps for each unit and step
LAYER = 1 << 20  # bytes of graph and objects for a layer, however small
EXAMPLE = 512  # bytes of objects for a sequence in memory, however short


def sizes(*options: Any) -> dict[str, dict[str, int]]:
    """The options that are sizes, by what they are sizes of: `{"units": {"embedding": 64, ...}, ...}`."""
    found: dict[str, dict[str, int]] = {"batch": {}, "time": {}, "units": {}, "layers": {}, "examples": {}}
    for part in options:
        for field in dataclasses.fields(part):
            if size := field.metadata["size"]:
                found[size][field.name] = getattr(part, field.name) or 0
    return found


def least_memory(*options: Any) -> int:
    """Bytes that a run with these options takes at least, whatever its data are."""
    found = {size: values.values() for size, values in sizes(*options).items()}
    batch, time = math.prod(filter(None, found["batch"])), max(1, sum(found["time"]))
    widest, units = max(found["units"], default=1), sum(found["units"])
    activations = batch * time * units
    data = batch * time + sum(found["examples"]) * time
    return (
        FLOAT * (COPIES * widest + activations + data) + LAYER * sum(found["layers"]) + EXAMPLE * sum(found["examples"])
    )


def memory_needed(model: Any, options: Any, spec: TaskSpec, longest: int, places: int = 0) -> int:
    """Bytes that weights and activations of a training step take, roughly, from the options of model and task.

    `longest` is the length of the longest sequence in a batch, `places` that of the longest source.
    """
    batch = getattr(options, "batch_size", 1)
    units = _get(model, "units")
    embedding = _get(model, "embedding") or units
    units = max(units, _get(model, "decoder_units")) * max(1, _get(model, "context"))
    units += _get(model, "output_units") + _get(model, "projection")
    layers = max(_get(model, "layers"), _get(model, "decoder_layers"), 1)
    steps_deep = layers * max(1, _get(model, "transition_depth")) * (2 if hasattr(model, "merge_mode") else 1)
    hidden, deeper = (_get(model, "hidden_units") or units), _hidden_layers(model)
    scores = 0
    steps = longest * batch
    tokens = bool(spec.vocabulary)
    spelling = _get(model, "character_units") * 2 if spec.word_length else 0
    first = (embedding if tokens else spec.input_size) + spelling
    weights = BLOCKS * units * (first + units + (steps_deep - 1) * 2 * units) + units * spec.output_size
    weights += embedding * spec.input_size if tokens else 0
    weights += deeper * hidden * (hidden + units)
    if spec.inputs == "pair":
        weights *= 2  # an encoder and a decoder
        read = places * batch
        scores = read * longest * (2 * units if getattr(model, "attention", "") == "additive" else 3)
        steps += read
    kept_gradients = batch * units * steps_deep * min(_get(model, "truncate"), longest)
    activations = steps * (SAVED * units * steps_deep + 2 * deeper * hidden + 2 * first + 3 * spec.output_size)
    activations += steps * spec.word_length * SAVED * spelling
    return FLOAT * (COPIES * weights + activations + scores + kept_gradients) + LAYER * (steps_deep + deeper)


def _get(options: Any, name: str) -> int:
    return getattr(options, name, None) or 0


def _hidden_layers(model: Any) -> int:
    return sum(getattr(model, name, 1) - 1 for name in ("input_depth", "output_depth"))


def refuse_sizes(model: Any, options: Any) -> None:
    """Raises `UserError` for sizes that cannot fit whatever the data are: before the data are read or made."""
    _refuse(least_memory(model, options), model, options)


def refuse_what_does_not_fit(model: Any, options: Any, task: Any) -> None:
    """Raises `UserError` with an estimate if a run needs more memory than the machine has."""
    lengths = (getattr(task, "longest", 0), getattr(options, "window", 0), getattr(options, "seq_length", 0), 100)
    longest = next(length for length in lengths if length)
    _refuse(memory_needed(model, options, task.spec, longest, _places(task)), model, options)


def _refuse(needed: int, model: Any, options: Any) -> None:
    memory = _memory()
    if needed > memory:
        given = {name: value for values in sizes(model, options).values() for name, value in values.items()}
        largest = sorted(given, key=lambda name: -given[name])[:3]
        shown = ", ".join(f"--{name}={given[name]}" for name in largest)
        raise UserError(
            f"this run needs about {needed / 2**30:,.0f} GiB of memory and the machine has {memory / 2**30:,.0f}; give "
            f"smaller sizes, the largest are {shown}"
        )


def _places(task: Any) -> int:
    """The length of the longest source."""
    places = getattr(task, "places", task.spec.source_length)
    return max(places.values()) if isinstance(places, dict) else places


def _memory() -> int:
    """Bytes of memory of this machine, or as many as this process may have."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return physical
