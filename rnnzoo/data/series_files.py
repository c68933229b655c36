"""Readers of labelled numeric series: `.ts` files of sktime and aeon, and `.npz` files."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.data.npz import open_array
from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.tables import read_lines
from rnnzoo.errors import UserError

MAX_TAG = 40  # characters of a line that may be a tag
MAX_CLASSES = 20  # that are stored as floats
LabelledSeries = tuple[np.ndarray, str | float]  # series [time, dimensions]; its label, or for a regression its value


def read_series(path: Path, encoding: str) -> Iterator[LabelledSeries]:
    """Yields the series of a `.ts` or `.npz` file. Raises `UserError`."""
    if path.suffix not in (".ts", ".npz"):
        raise UserError(f"--data: {path} is neither a .ts nor an .npz file")
    return _read_ts(path, encoding) if path.suffix == ".ts" else _read_npz(path)


def _read_ts(path: Path, encoding: str) -> Iterator[LabelledSeries]:
    found = in_data = is_regression = False
    for number, line in read_lines(path, encoding):
        line = line.strip()
        lower = line[:MAX_TAG].lower()
        if not line or line.startswith(("#", "%")):
            continue
        is_regression = is_regression or lower.startswith("@targetlabel true")
        if lower.startswith(("@timestamps true", "@classlabel false", "@targetlabel false")) and not is_regression:
            raise UserError(
                f"{path}, line {number}: '{line}' is not supported; series must have labels and no timestamps"
            )
        if lower.startswith("@"):
            in_data = in_data or lower == "@data"
            continue
        if not in_data:
            raise UserError(f"{path}, line {number}: values before @data: this is not a .ts file")
        series, label = _parse_ts_row(path, number, line)
        found = True
        yield series, _parse_target(path, number, label) if is_regression else label
    if not found:
        raise UserError(f"{path} holds no series")


def _parse_target(path: Path, number: int, label: str) -> float:
    value = NumberFormat().parse(label)
    if value is None:
        raise UserError(f"{path}, line {number}: the target '{label}' is not a number")
    return value


def _parse_ts_row(path: Path, number: int, line: str) -> tuple[np.ndarray, str]:
    *dimensions, label = line.split(":")
    try:
        rows = [np.array([float(v) for v in dimension.split(",")]) for dimension in dimensions]
        series = np.stack(rows, 1)
    except ValueError as error:
        missing = "?" in line or "nan" in line.lower()
        problem = (
            "a value is missing; fill it in" if missing else f"expected dimensions of numbers, then a label ({error})"
        )
        raise UserError(f"{path}, line {number}: {problem}") from None
    if not np.isfinite(series).all():
        raise UserError(f"{path}, line {number}: a value is missing; fill it in")
    if not label.strip():
        raise UserError(f"{path}, line {number}: there is no label after the last colon")
    return series, label.strip()


def _read_npz(path: Path) -> Iterator[LabelledSeries]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            y = stored["y"]
            lengths = stored["lengths"] if "lengths" in stored.files else None
        shape, blocks = open_array(path, "X")
    except Exception as error:
        raise UserError(f"{path} does not hold arrays X and y: {str(error)[:200]}") from None
    full = (*shape, 1) if len(shape) == 2 else shape
    if len(full) != 3 or y.shape != full[:1] or (lengths is not None and lengths.shape != y.shape):
        raise UserError(f"{path}: X is {full} and y {y.shape}; expected [series, time, dimensions] and [series]")
    lengths = np.full(full[0], full[1]) if lengths is None else lengths
    if lengths.dtype.kind not in "iu" or not ((lengths >= 1) & (lengths <= full[1])).all() or not full[2]:
        raise UserError(f"{path}: lengths must be whole numbers from 1 to {full[1]}, and there must be a dimension")
    labels = _read_labels(path, y)
    position = 0
    for block in blocks:
        for series in _to_float64(block).reshape(-1, *full[1:]):
            values = series[: lengths[position]]
            if not np.isfinite(values).all():
                raise UserError(f"{path} holds values that are not finite")
            yield values, labels[position]
            position += 1


def _to_float64(values: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(values, "float64")


def _read_labels(path: Path, y: np.ndarray) -> list[Any]:
    """Returns class names, or the values of a regression. Raises `UserError`."""
    labels: list[Any]
    try:
        labels = (
            [float(label) for label in y]
            if y.dtype.kind == "f"
            else [str(label) for label in (y.astype("str") if y.dtype.kind == "S" else y)]
        )
        "".join(map(str, labels)).encode("utf-8")
    except (UnicodeError, SystemError, ValueError):
        raise UserError(f"{path}: y must hold text or numbers") from None
    if y.dtype.kind == "f" and len(set(labels)) <= MAX_CLASSES and all(label.is_integer() for label in labels):
        labels = [str(int(label)) for label in labels]  # classes that are stored as floats
    if any(isinstance(label, float) and not math.isfinite(label) for label in labels):
        raise UserError(f"{path}: y holds values that are missing or infinite")
    return labels
