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


def size_options(*options: Any) -> dict[str, dict[str, int]]:
    """The options that are sizes, by what they are sizes of: `{"units": {"embedding": 64, ...}, ...}`."""
    found: dict[str, dict[str, int]] = {"batch": {}, "time": {}, "units": {}, "layers": {}, "examples": {}}
    for part in options:
        for field in dataclasses.fields(part):
            if size := field.metadata["size"]:
                found[size][field.name] = getattr(part, field.name) or 0
    return found


def minimum_memory(*options: Any) -> int:
    """Bytes that a run with these options takes at least, whatever its data are."""
    found = {size: values.values() for size, values in size_options(*options).items()}
    batch, time = math.prod(filter(None, found["batch"])), max(1, sum(found["time"]))
    widest, units = max(found["units"], default=1), sum(found["units"])
    activations = batch * time * units
    data = batch * time + sum(found["examples"]) * time
    return (
        FLOAT * (COPIES * widest + activations + data) + LAYER * sum(found["layers"]) + EXAMPLE * sum(found["examples"])
    )


def weight_count(model: Any, spec: TaskSpec) -> int:
    """How many weights a model has, roughly: no fewer than that of an LSTM of these options."""
    units, depth, first = _units(model), _depth(model), _input_units(model, spec)
    hidden, deeper = (_get(model, "hidden_units") or units), _hidden_layers(model)
    weights = BLOCKS * units * (first + units + (depth - 1) * 2 * units) + units * spec.output_size
    weights += (_get(model, "embedding") or units) * spec.input_size if spec.vocabulary else 0
    weights += deeper * hidden * (hidden + units)
    return weights * 2 if spec.inputs == "pair" else weights  # an encoder and a decoder


def memory_needed(model: Any, options: Any, spec: TaskSpec, longest: int, places: int = 0) -> int:
    """Bytes that weights and activations of a training step take, roughly, from the options of model and task.

    `longest` is the length of the longest sequence in a batch, `places` that of the longest source.
    """
    batch = getattr(options, "batch_size", 1)
    units, depth, first = _units(model), _depth(model), _input_units(model, spec)
    hidden, deeper = (_get(model, "hidden_units") or units), _hidden_layers(model)
    scores, steps = 0, longest * batch
    if spec.inputs == "pair":
        read = places * batch
        scores = read * longest * (2 * units if getattr(model, "attention", "") == "additive" else 3)
        steps += read
    kept_gradients = batch * units * depth * min(_get(model, "truncate"), longest)
    activations = steps * (SAVED * units * depth + 2 * deeper * hidden + 2 * first + 3 * spec.output_size)
    activations += steps * spec.word_length * SAVED * 2 * _get(model, "character_units")
    numbers = COPIES * weight_count(model, spec) + activations + scores + kept_gradients
    return FLOAT * numbers + LAYER * (depth + deeper)


def _units(model: Any) -> int:
    """Units of the widest layer, those that a projection or an output adds included."""
    units = max(_get(model, "units"), _get(model, "decoder_units"), 1) * max(1, _get(model, "context"))
    return units + _get(model, "output_units") + _get(model, "projection")


def _depth(model: Any) -> int:
    """Recurrent layers, one on top of another, side by side or between two steps."""
    layers = max(_get(model, "layers"), _get(model, "decoder_layers"), 1)
    return layers * max(1, _get(model, "transition_depth")) * (2 if hasattr(model, "merge_mode") else 1)


def _input_units(model: Any, spec: TaskSpec) -> int:
    """Size of the input of the first layer at each step."""
    spelling = 2 * _get(model, "character_units") if spec.word_length else 0
    return ((_get(model, "embedding") or _get(model, "units")) if spec.vocabulary else spec.input_size) + spelling


def _get(options: Any, name: str) -> int:
    return getattr(options, name, None) or 0


def _hidden_layers(model: Any) -> int:
    return sum(getattr(model, name, 1) - 1 for name in ("input_depth", "output_depth"))


def refuse_sizes(*options: Any) -> None:
    """Raises `UserError` for sizes that cannot fit whatever the data are: before the data are read or made."""
    _refuse(minimum_memory(*options), *options)


def refuse_what_does_not_fit(model: Any, options: Any, task: Any) -> None:
    """Raises `UserError` with an estimate if a run needs more memory than the machine has."""
    lengths = (getattr(task, "longest", 0), getattr(options, "window", 0), getattr(options, "seq_length", 0), 100)
    longest = next(length for length in lengths if length)
    _refuse(memory_needed(model, options, task.spec, longest, _places(task)), model, options)


def _refuse(needed: int, *options: Any) -> None:
    memory = available_memory()
    if needed > memory:
        given = {name: value for values in size_options(*options).values() for name, value in values.items()}
        largest = sorted(given, key=lambda name: -given[name])[:3]
        shown = ", ".join(f"--{name}={given[name]}" for name in largest)
        raise UserError(
            f"this run needs about {min(needed >> 30, 10**9):,} GiB of memory and the machine has {memory >> 30:,}; "
            f"give smaller sizes, the largest are {shown}"
        )


def _places(task: Any) -> int:
    """The length of the longest source."""
    places = getattr(task, "places", task.spec.source_length)
    return max(places.values()) if isinstance(places, dict) else places


def available_memory() -> int:
    """Bytes of memory of this machine, or as many as this process may have."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return physical
