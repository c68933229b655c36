"""The catalogue of all models, tasks and cells with their options, so that `--list` and `--help` need no TensorFlow.

`python -m rnnzoo.run.catalogue` writes the file from the registries; a test compares the two.
"""

import dataclasses
import difflib
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnzoo import config
from rnnzoo.errors import UserError

FILE = Path(__file__).with_name("catalogue.json")
PACKAGE = FILE.parents[1]
CHECKOUT_SECONDS = 10.0  # differences between the times of files checked out together

Catalogue = dict[str, Any]


def load() -> Catalogue:
    """Returns the catalogue, from its file unless a source file is newer."""
    if "rnnzoo.api" in sys.modules:  # everything is imported already, and more may be registered
        return build_catalogue()
    try:
        latest = FILE.stat().st_mtime + CHECKOUT_SECONDS
        if all(path.stat().st_mtime <= latest for path in PACKAGE.rglob("*.py")):
            return json.loads(FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        pass  # the file is missing or damaged
    return build_catalogue()


def build_catalogue() -> Catalogue:
    """Creates the catalogue from the registries."""
    from rnnzoo import registry, training
    from rnnzoo.api import CELLS, MODELS, TASKS
    from rnnzoo.run.settings import RunOptions

    def summarize(members: registry.Registry) -> dict[str, Any]:
        return {name: {"summary": _summary(members[name])} for name in members}

    models, tasks, cells = map(summarize, (MODELS, TASKS, CELLS))
    for name, entry in models.items():
        entry["options"] = _options(config.options_class(MODELS[name]))
    for name, entry in tasks.items():
        entry["options"] = _options(config.options_class(TASKS[name]))
        entry["training"] = dict(TASKS[name].training_defaults)
        entry["model"] = dict(TASKS[name].model_defaults)
    general = {"run": _options(RunOptions), "training": _options(training.TrainingOptions)}
    return {"models": models, "tasks": tasks, "cells": cells, **general}


def write_catalogue() -> None:
    """Writes the catalogue to its file."""
    FILE.write_text(json.dumps(build_catalogue(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def list_lines(catalogue: Catalogue) -> Iterator[str]:
    """Yields the lines of `--list`."""
    for title in ("models", "tasks", "cells"):
        yield f"{title}:"
        for name, entry in catalogue[title].items():
            yield f"  {name:14s} {entry['summary']}"


def help_lines(catalogue: Catalogue, model: str, task: str) -> Iterator[str]:
    """Yields the options of a run of one model and one task in groups, with their defaults."""
    parts = {"model": find_entry(catalogue, "model", model), "task": find_entry(catalogue, "task", task)}
    yield from _group("Run", catalogue["run"], {})
    yield from _group("Training", catalogue["training"], parts["task"]["training"])
    yield from _group(f"Model {model}", parts["model"]["options"], parts["task"]["model"])
    yield from _group(f"Task {task}", parts["task"]["options"], {})


def find_entry(catalogue: Catalogue, kind: str, name: str) -> Any:
    """Returns the entry of a model or task. Raises `UserError`, with the nearest names, if there is none."""
    entries = catalogue[f"{kind}s"]
    if name not in entries:
        near = difflib.get_close_matches(name.lower(), entries, n=3, cutoff=0.4) or list(entries)
        raise UserError(f"unknown {kind} '{name}'; did you mean {' or '.join(near)}?")
    return entries[name]


def flags_of(catalogue: Catalogue) -> Iterator[tuple[str, str, str]]:
    """Yields name, type and help of every option."""
    entries = [*catalogue["models"].values(), *catalogue["tasks"].values()]
    for options in (catalogue["run"], catalogue["training"], *(entry["options"] for entry in entries)):
        yield from ((option["name"], option["type"], option["help"]) for option in options)


def _options(cls: type) -> list[dict[str, Any]]:
    return [
        {"name": f.name, "type": config.flag_type(f), "default": f.default, "help": f.metadata["help"]}
        for f in dataclasses.fields(cls)
    ]


def _summary(entry: Any) -> str:
    return (inspect.getdoc(entry) or "").partition("\n")[0]


def _group(title: str, options: list[dict[str, Any]], defaults: dict[str, Any]) -> Iterator[str]:
    yield f"{title}:"
    for option in options:
        default = defaults.get(option["name"], option["default"])
        yield f"  --{option['name']:20s} {option['help']}{config.format_default(default)}"
    yield ""


if __name__ == "__main__":
    write_catalogue()
    sys.exit()
