"""Whether a `.keras` file is of a sane size: looked at before anything in it is unpacked or built."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnzoo import config
from rnnzoo.errors import UserError
from rnnzoo.estimate import FLOAT, memory_of_machine, sizes, weight_count
from rnnzoo.json_files import first_line, parse_json
from rnnzoo.registry import MODELS
from rnnzoo.serialization import apply_renames, apply_value_rename
from rnnzoo.spec import TaskSpec

WEIGHTS = "model.weights.h5"
LARGEST = {"config.json": 64 << 20, "metadata.json": 1 << 20}  # bytes
MAX_FILES, MAX_OBJECTS = 1000, 20_000  # in the archive, in the configuration
MAX_NUMBER = 10_000_000  # of a whole number that is no seed, however few weights there are
SLACK = 64  # how far an estimate may be above the weights that are there
SIZES_OF_KERAS = {"units", "filters", "input_dim", "output_dim", "num_heads", "key_dim", "depth", "layers"}


def check_keras_file(path: Path) -> None:
    """Raises `UserError` for an archive, a configuration or sizes that cannot be those of a model of its weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = _check_archive(path, archive)
            with archive.open("config.json") as file:
                text = file.read(LARGEST["config.json"] + 1)
    except (OSError, zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path} is not a .keras file: {first_line(error)}") from None
    found = parse_json(text, dict, f"{path}: config.json")
    size_names = SIZES_OF_KERAS | _size_names()
    objects = 0
    for key, value in _items(found):
        if key == "class_name":
            objects += 1
        if not isinstance(value, int) or isinstance(value, bool) or "seed" in key:
            continue
        if value > max(MAX_NUMBER, size) or (key in size_names and value > size):
            raise UserError(
                f"{path} is not loaded: its configuration says '{key}' is {value:,}, and its weights are {size:,} bytes"
            )
    if objects > MAX_OBJECTS:
        raise UserError(f"{path} is not loaded: its configuration is of {objects:,} objects")
    _check_recipes(path, found, size)


def _check_archive(path: Path, archive: zipfile.ZipFile) -> int:
    """The bytes of the weights; raises `UserError` for names or sizes that Keras does not write."""
    entries = archive.infolist()
    if len(entries) > MAX_FILES or len({entry.filename for entry in entries}) < len(entries):
        raise UserError(f"{path} is not loaded: the archive holds {len(entries):,} files, or two of one name")
    for entry in entries:
        name = entry.filename
        parts = Path(name).parts
        if name not in (*LARGEST, WEIGHTS) and (parts[:1] != ("assets",) or ".." in parts):
            raise UserError(f"{path} is not loaded: a .keras file holds no {name!r}")
        largest = LARGEST.get(name, memory_of_machine())
        if entry.file_size > largest:
            raise UserError(f"{path} is not loaded: {name} would be {entry.file_size:,} bytes, at most {largest:,} are")
    return archive.getinfo(WEIGHTS).file_size


def _check_recipes(path: Path, found: Any, size: int) -> None:
    """Raises `UserError` for a model of this package that would have far more weights than there are."""
    for recipe in _recipes(found):
        try:
            name, options = apply_value_rename(recipe["model"]), apply_renames("option", recipe["options"])
            made = config.make(config.options_class(MODELS[name]), options, f"model '{name}'")
            weights = FLOAT * weight_count(made, TaskSpec.from_json(recipe["spec"]))
        except (UserError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{path} is not loaded: {first_line(error)}") from None
        if weights > SLACK * size + (SLACK << 20):
            raise UserError(
                f"{path} is not loaded: a model of these options has about {weights:,} bytes of weights, and {size:,} "
                "are there"
            )


def _size_names() -> set[str]:
    """The options of all models that are sizes of weights."""
    found: set[str] = set()
    for name in MODELS:
        by_kind = sizes(config.options_class(MODELS[name])())
        found |= {*by_kind["units"], *by_kind["layers"]}
    return found


def _items(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """All values of a configuration, each with the nearest key above it."""
    waiting = [(key, value)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += ((key, item) for item in value)
        else:
            yield key, value


def _recipes(value: Any) -> Iterator[dict[str, Any]]:
    """The configurations of models of this package."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if {"model", "spec", "options"} <= value.keys():
                yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
