"""Estimates of the memory that a run needs, to refuse runs that cannot fit."""

import dataclasses
import math
import os
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.spec import TaskSpec

FLOAT_BYTES = 4  # of float32
WEIGHT_COPIES = 4  # of each weight: its value, its gradient, two moments of the optimizer
LSTM_BLOCKS = 4  # blocks of units in the kernel of an LSTM
SAVED_PER_UNIT = 3 * LSTM_BLOCKS  # numbers saved for each unit and time step in training
LAYER_BYTES = 1 << 20  # bytes of graph and objects for a layer, however small
EXAMPLE_BYTES = 512  # bytes of objects for a sequence in memory, however short


def group_sizes(*options: Any) -> dict[str, dict[str, int]]:
    """Groups the options that are sizes by their kind: `{"units": {"embedding": 64, ...}, ...}`."""
    sizes: dict[str, dict[str, int]] = {"batch": {}, "time": {}, "units": {}, "layers": {}, "examples": {}}
    for part in options:
        for field in dataclasses.fields(part):
            if size := field.metadata["size"]:
                sizes[size][field.name] = getattr(part, field.name) or 0
    return sizes


def minimum_memory(*options: Any) -> int:
    """Returns a lower bound, in bytes, of the memory that a run with these options needs, whatever its data."""
    sizes = {size: values.values() for size, values in group_sizes(*options).items()}
    batch, time = math.prod(filter(None, sizes["batch"])), max(1, sum(sizes["time"]))
    widest, units = max(sizes["units"], default=1), sum(sizes["units"])
    activations = batch * time * units
    data = batch * time + sum(sizes["examples"]) * time
    objects = LAYER_BYTES * sum(sizes["layers"]) + EXAMPLE_BYTES * sum(sizes["examples"])
    return FLOAT_BYTES * (WEIGHT_COPIES * widest + activations + data) + objects


def estimate_num_weights(model: Any, spec: TaskSpec) -> int:
    """Estimates the number of weights of a model: no less than that of an LSTM with these options."""
    units, depth, first = _units(model), _depth(model), _input_units(model, spec)
    hidden, num_hidden = (_get(model, "hidden_units") or units), _hidden_layers(model)
    weights = LSTM_BLOCKS * units * (first + units + (depth - 1) * 2 * units) + units * spec.output_size
    weights += (_get(model, "embedding") or units) * spec.input_size if spec.vocabulary else 0
    weights += num_hidden * hidden * (hidden + units)
    return weights * 2 if spec.inputs == "pair" else weights  # an encoder and a decoder


def estimate_memory(model: Any, options: Any, spec: TaskSpec, max_length: int, source_length: int = 0) -> int:
    """Estimates the bytes of weights and activations in a training step.

    Args:
        model: the options of the model.
        options: the options of the task.
        spec: the specification of the task.
        max_length: length of the longest sequence in a batch.
        source_length: length of the longest source.
    """
    batch = getattr(options, "batch_size", 1)
    units, depth, first = _units(model), _depth(model), _input_units(model, spec)
    hidden, num_hidden = (_get(model, "hidden_units") or units), _hidden_layers(model)
    scores, steps = 0, max_length * batch
    if spec.inputs == "pair":
        source_steps = source_length * batch
        scores = source_steps * max_length * (2 * units if getattr(model, "attention", "") == "additive" else 3)
        steps += source_steps
    kept_gradients = batch * units * depth * min(_get(model, "truncate"), max_length)
    activations = steps * (SAVED_PER_UNIT * units * depth + 2 * num_hidden * hidden + 2 * first + 3 * spec.output_size)
    activations += steps * spec.word_length * SAVED_PER_UNIT * 2 * _get(model, "char_units")
    numbers = WEIGHT_COPIES * estimate_num_weights(model, spec) + activations + scores + kept_gradients
    return FLOAT_BYTES * numbers + LAYER_BYTES * (depth + num_hidden)


def _units(model: Any) -> int:
    """Returns the units of the widest layer, including those of a projection or output."""
    units = max(_get(model, "units"), _get(model, "decoder_units"), 1) * max(1, _get(model, "context"))
    return units + _get(model, "output_units") + _get(model, "projection")


def _depth(model: Any) -> int:
    """Returns the number of recurrent layers: stacked, in both directions, and in a deep transition."""
    layers = max(_get(model, "layers"), _get(model, "decoder_layers"), 1)
    return layers * max(1, _get(model, "transition_depth")) * (2 if hasattr(model, "merge_mode") else 1)


def _input_units(model: Any, spec: TaskSpec) -> int:
    """Returns the size of the first layer's input."""
    chars = 2 * _get(model, "char_units") if spec.word_length else 0
    others = chars + len(spec.feature_vocabularies) * _get(model, "feature_embedding")
    return ((_get(model, "embedding") or _get(model, "units")) if spec.vocabulary else spec.input_size) + others


def _get(options: Any, name: str) -> int:
    return getattr(options, name, None) or 0


def _hidden_layers(model: Any) -> int:
    return sum(getattr(model, name, 1) - 1 for name in ("input_depth", "output_depth"))


def check_sizes_fit(*options: Any) -> None:
    """Raises `UserError` for options that need too much memory whatever the data, before data are read or generated."""
    _check_memory(minimum_memory(*options), *options)


def check_run_fits(model: Any, options: Any, task: Any) -> None:
    """Raises `UserError` with an estimate if a run needs more memory than the machine has."""
    lengths = (getattr(task, "max_length", 0), getattr(options, "window", 0), getattr(options, "seq_length", 0), 100)
    max_length = next(length for length in lengths if length)
    _check_memory(estimate_memory(model, options, task.spec, max_length, _source_length(task)), model, options)


def _check_memory(needed: int, *options: Any) -> None:
    memory = available_memory()
    if needed > memory:
        sizes = {name: value for values in group_sizes(*options).values() for name, value in values.items()}
        largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
        shown = ", ".join(f"--{name}={sizes[name]}" for name in largest)
        raise UserError(
            f"this run needs about {min(needed >> 30, 10**9):,} GiB of memory and the machine has {memory >> 30:,}; "
            f"give smaller sizes, the largest are {shown}"
        )


def _source_length(task: Any) -> int:
    """Returns the length of the longest source."""
    lengths = getattr(task, "source_lengths", None)
    return max(lengths.values()) if lengths else getattr(task, "source_length", task.spec.source_length)


def available_memory() -> int:
    """Returns the memory of this machine in bytes, or the limit of its control group if that is lower."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return physical
