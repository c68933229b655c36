"""Size checks of `.keras` files before they are unpacked."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnzoo import config
from rnnzoo.errors import UserError
from rnnzoo.registry import MODELS
from rnnzoo.utils.json_files import first_line, parse_json
from rnnzoo.utils.memory import available_memory, size_options

WEIGHTS = "model.weights.h5"
LARGEST = {"config.json": 64 << 20, "metadata.json": 1 << 20}  # bytes
MAX_FILES, MAX_OBJECTS = 1000, 20_000  # in the archive, in the configuration
MAX_RATIO, UNPACKED = 1000, 64 << 20  # of unpacked to packed size, for files with more bytes than that
KERAS = {"units", "filters", "input_dim", "output_dim", "num_heads", "key_dim", "value_dim", "depth_multiplier"}
SPECIFICATION = {"input_size", "output_size", "word_length", "source_length", "arity"}
SHAPES = {"batch_shape", "batch_input_shape", "shape", "input_shape", "target_shape"}
# A weight has two bytes or more, and a matrix between units has the square of their number. Cells without such a
# matrix, as the dampened network, have few weights: so many products of sizes are allowed per byte of weights, and so
# many more.
PRODUCTS, FREE = 1000, 20_000_000


def check_keras_file(path: Path) -> None:
    """Raises `UserError` for an archive, a configuration or sizes that a model with its weights cannot have."""
    try:
        with zipfile.ZipFile(path) as archive:
            weights = _check_archive(path, archive)
            with archive.open("config.json") as file:
                text = file.read(LARGEST["config.json"] + 1)
    except UserError:
        raise
    except Exception as error:  # zipfile raises what its decompressors do
        raise UserError(f"{path} is not a .keras file: {first_line(error)}") from None
    found = parse_json(text, dict, f"{path}: config.json")
    objects = sum(key == "class_name" for key, _ in _items(found))
    if objects > MAX_OBJECTS:
        raise UserError(f"{path} is not loaded: its configuration has {objects:,} objects")
    _check_sizes(path, found, weights)


def _check_archive(path: Path, archive: zipfile.ZipFile) -> int:
    """Checks names and sizes of the files in the archive; returns the bytes of the weights."""
    entries = archive.infolist()
    if len(entries) > MAX_FILES or len({entry.filename for entry in entries}) < len(entries):
        raise UserError(f"{path} is not loaded: the archive holds {len(entries):,} files, or two of one name")
    memory = available_memory()
    for entry in entries:
        name, size = entry.filename, entry.file_size
        parts = Path(name).parts
        if name not in (*LARGEST, WEIGHTS) and (parts[:1] != ("assets",) or ".." in parts):
            raise UserError(f"{path} is not loaded: a .keras file holds no {name!r}")
        largest = LARGEST.get(name, memory)
        if size > largest:
            raise UserError(f"{path} is not loaded: {name} would be {size:,} bytes, at most {largest:,} are allowed")
        if size > UNPACKED and size > MAX_RATIO * entry.compress_size:
            raise UserError(f"{path} is not loaded: {name} would unpack from {entry.compress_size:,} to {size:,} bytes")
    total = sum(entry.file_size for entry in entries)
    if total > memory:
        raise UserError(f"{path} is not loaded: it would unpack to {total:,} bytes")
    return archive.getinfo(WEIGHTS).file_size


def _check_sizes(path: Path, found: Any, weights: int) -> None:
    """Raises `UserError` for sizes, or products of sizes, that a model with so many bytes of weights cannot have."""
    named = KERAS | SPECIFICATION | _options()
    units, widest, products = 0.0, 0.0, 0.0
    for key, value in _items(found):
        if isinstance(value, bool) or not isinstance(value, int | float) or key not in named | SHAPES:
            continue
        if key in named and value > max(weights, 1000):
            raise UserError(
                f"{path} is not loaded: its configuration says '{key}' is {value:,}, and its weights are {weights:,} "
                "bytes"
            )
        if key in SHAPES:
            widest = max(widest, value)
        elif key in ("units", "hidden_units", "decoder_units"):
            units = max(units, value)
            products += value * value
    products = max(products, units * widest)
    if products > FREE + PRODUCTS * weights:
        raise UserError(
            f"{path} is not loaded: its configuration says 'units' is {units:,.0f} and a shape {widest:,.0f}, too much "
            f"for {weights:,} bytes of weights"
        )


def _options() -> set[str]:
    """Returns the names of the options of all models that are sizes of weights."""
    found: set[str] = set()
    for name in MODELS:
        by_kind = size_options(config.options_class(MODELS[name])())
        found |= {*by_kind["units"], *by_kind["layers"]}
    return found


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Yields all values of a configuration, each with the nearest key above it."""
    waiting = [("", value)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += ((key, item) for item in value)
        else:
            yield key, value
