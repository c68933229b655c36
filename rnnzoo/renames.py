"""Table of names from earlier versions, by which their files are read and their flags are answered.

A rename is one line here and one in CHANGELOG.md. `.keras` files, checkpoints and the configurations of runs and
exports are read through `apply_renames`.
"""

from collections.abc import Callable, Mapping
from typing import Any

RENAMED: dict[str, dict[str, str]] = {
    "class": {},  # registered layers, cells and models, without the package's name
    "argument": {"heights": "state_sizes"},  # of their constructors
    "option": {  # of models, tasks and training, as in `config.json` and in a model's configuration
        "both_ways": "bidirectional_encoder",
        "carry_state": "stateful",
        "character_units": "char_units",
        "characters": "char_embedding",
        "early_stop": "early_stopping_patience",
        "layer_dropout": "output_dropout",
        "longest": "max_length",
        "lower": "lowercase",
        "sampling_steps": "scheduled_sampling_steps",
        "season": "seasonal_period",
        "source_max": "max_source_length",
        "target_max": "max_target_length",
        "valid_data": "validation_data",
    },
    "value": {},  # names of models, tasks, cells, scores ... that are values of options
    "spec": {"characters": "char_vocabulary", "inside": "inner_tokens"},  # fields of `TaskSpec`
}


def _split_held_out(value: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Splits `held_out` into two fractions: halves, or for the task `g2p` one third and two thirds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return {"validation_fraction": value}  # damaged: refused like any other wrong value
    validation = 1 / 3 if "stress" in options else 1 / 2
    fractions = {"validation_fraction": value * validation, "test_fraction": value * (1 - validation)}
    return {name: round(fraction, 12) for name, fraction in fractions.items()}


# options that were split: the old name, its new names, and the conversion of `(value, all options)`
SPLIT_OPTIONS: dict[str, tuple[tuple[str, ...], Callable[[Any, Mapping[str, Any]], dict[str, Any]]]] = {
    "held_out": (("validation_fraction", "test_fraction"), _split_held_out),
}


def apply_renames(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Renames the keys of a configuration from an earlier version; of options, also the values."""
    names = RENAMED[kind]
    renamed = {names.get(name, name): value for name, value in values.items()}
    if kind != "option":
        return renamed
    for name in SPLIT_OPTIONS.keys() & renamed.keys():
        value = renamed.pop(name)
        renamed |= SPLIT_OPTIONS[name][1](value, values)
    return {name: apply_value_rename(value) for name, value in renamed.items()}


def apply_value_rename(value: Any) -> Any:
    """Renames the value of an option from an earlier version."""
    return RENAMED["value"].get(value, value) if isinstance(value, str) else value


def new_names(option: str) -> tuple[str, ...]:
    """Returns the names that an option of an earlier version has now; empty for other options."""
    if option in SPLIT_OPTIONS:
        return SPLIT_OPTIONS[option][0]
    return (RENAMED["option"][option],) if option in RENAMED["option"] else ()
