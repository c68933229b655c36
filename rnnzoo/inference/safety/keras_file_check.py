"""Size checks of `.keras` files before they are unpacked."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnzoo import config
from rnnzoo.errors import UserError
from rnnzoo.registry import MODELS
from rnnzoo.utils.json_files import first_line, parse_json
from rnnzoo.utils.memory import available_memory, group_sizes

WEIGHTS = "model.weights.h5"
MAX_FILE_BYTES = {"config.json": 64 << 20, "metadata.json": 1 << 20}
MAX_FILES, MAX_OBJECTS = 1000, 20_000  # in the archive, in the configuration
MAX_RATIO, MIN_UNPACKED_BYTES = 1000, 64 << 20  # compression ratio, checked for files larger than that
KERAS_SIZES = {"units", "filters", "input_dim", "output_dim", "num_heads", "key_dim", "value_dim", "depth_multiplier"}
SPEC_SIZES = {"input_size", "output_size", "word_length", "source_length", "arity", "seasonal_period", "window"}
SHAPES = {"batch_shape", "batch_input_shape", "shape", "input_shape", "target_shape"}
# A recurrent matrix has units x units weights of at least two bytes. Cells without such a matrix, such as the dampened
# network, have few weights, so the sum of these products may exceed the bytes of the weights by this factor and offset.
PRODUCTS_PER_BYTE, FREE_PRODUCTS = 1000, 20_000_000


def check_keras_file(path: Path) -> None:
    """Checks a `.keras` file. Raises `UserError` for files or sizes that do not fit a model with its weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            weights = _check_archive(path, archive)
            with archive.open("config.json") as file:
                text = file.read(MAX_FILE_BYTES["config.json"] + 1)
    except UserError:
        raise
    except Exception as error:  # zipfile passes on the errors of its decompressors
        raise UserError(f"{path} is not a .keras file: {first_line(error)}") from None
    configuration = parse_json(text, dict, f"{path}: config.json")
    objects = sum(key == "class_name" for key, _ in _items(configuration))
    if objects > MAX_OBJECTS:
        raise UserError(f"{path} is not loaded: its configuration has {objects:,} objects")
    check_sizes(path, configuration, weights)


def _check_archive(path: Path, archive: zipfile.ZipFile) -> int:
    """Checks names and sizes of the files in the archive; returns the bytes of the weights."""
    entries = archive.infolist()
    if len(entries) > MAX_FILES or len({entry.filename for entry in entries}) < len(entries):
        raise UserError(f"{path} is not loaded: the archive holds {len(entries):,} files, or two of one name")
    memory = available_memory()
    for entry in entries:
        name, size = entry.filename, entry.file_size
        parts = Path(name).parts
        if name not in (*MAX_FILE_BYTES, WEIGHTS) and (parts[:1] != ("assets",) or ".." in parts):
            raise UserError(f"{path} is not loaded: it holds {name!r}, which .keras files do not have")
        largest = MAX_FILE_BYTES.get(name, memory)
        if size > largest:
            raise UserError(f"{path} is not loaded: {name} would be {size:,} bytes, at most {largest:,} are allowed")
        if size > MIN_UNPACKED_BYTES and size > MAX_RATIO * entry.compress_size:
            raise UserError(f"{path} is not loaded: {name} would unpack from {entry.compress_size:,} to {size:,} bytes")
    total = sum(entry.file_size for entry in entries)
    if total > memory:
        raise UserError(f"{path} is not loaded: it would unpack to {total:,} bytes")
    return archive.getinfo(WEIGHTS).file_size


def check_sizes(path: Path, configuration: Any, weights: int) -> None:
    """Raises `UserError` for sizes in a configuration that do not fit so many bytes of weights."""
    size_keys = KERAS_SIZES | SPEC_SIZES | _group_sizes()
    units, widest, products = 0.0, 0.0, 0.0
    for key, value in _items(configuration):
        if isinstance(value, bool) or not isinstance(value, int | float) or key not in size_keys | SHAPES:
            continue
        if key in size_keys and value > max(weights, 1000):
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
    if products > FREE_PRODUCTS + PRODUCTS_PER_BYTE * weights:
        raise UserError(
            f"{path} is not loaded: its configuration says 'units' is {units:,.0f} and a shape {widest:,.0f}, too much "
            f"for {weights:,} bytes of weights"
        )


def _group_sizes() -> set[str]:
    """Returns the names of the options of all models that are sizes of weights."""
    names: set[str] = set()
    for name in MODELS:
        by_kind = group_sizes(config.options_class(MODELS[name])())
        names |= {*by_kind["units"], *by_kind["layers"]}
    return names


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Yields all values of a configuration, each with the nearest key above it."""
    pending = [("", value)]
    while pending:
        key, value = pending.pop()
        if isinstance(value, dict):
            pending += value.items()
        elif isinstance(value, list):
            pending += ((key, item) for item in value)
        else:
            yield key, value
