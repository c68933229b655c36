"""Classifying series of numbers: one label a series."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.tasks import signals, table
from rnnzoo.tasks.base import SPLITS
from rnnzoo.tasks.classes import ClassTask, class_spec
from rnnzoo.tasks.stored import Example, FileOptions, check_splits, from_files, hold_out, need_data

Labelled = tuple[np.ndarray, str]  # series [time, dimensions], label
CLASSES = ("cylinder", "bell", "funnel")
LENGTH = 128
SIZES = {"train": 300, "validation": 300, "test": 900}


@dataclasses.dataclass(frozen=True)
class SeriesOptions(FileOptions):
    """Options of classifying series."""

    data: str | None = option(None, ".ts or .npz file, or mnist1d; default: cylinder, bell or funnel")


@TASKS.register("series")
class Series(ClassTask):
    """Classifying series of numbers, of one dimension or many, of equal length or not.

    A `.ts` file is as sktime and aeon write it: dimensions separated by colons, values by commas,
    the label last. An `.npz` file holds `X [series, time, dimensions]` (or `[series, time]`), `y`, and
    `lengths` where they differ. `--data=mnist1d` makes the set of Greydanus & Kobak (2020) by
    the package mnist1d. Dimensions are brought to mean 0 and variance 1 by what the training part
    says; an export takes the original numbers. By default cylinder, bell or funnel (Saito 1994):
    128 steps of noise, and in it a plateau, a rise or a fall, of random place, length and height.
    """

    kind = "series"
    training_defaults = {"steps": 600, "learning_rate": 3e-3}

    def __init__(self, options: SeriesOptions):
        need_data(options)
        self.origin = options.data or "cylinder, bell, funnel"
        found = _made_up() if options.data is None else _files(options)
        check_splits(found, self.origin)
        labels = tuple(sorted({label for s in SPLITS for _, label in found[s]}))
        if len(labels) < 2:
            raise UserError(f"--data: all series have the label '{labels[0]}': there is nothing to tell apart")
        widths = {series.shape[1] for s in SPLITS for series, _ in found[s]}
        if len(widths) > 1:
            raise UserError(f"--data: series have different numbers of dimensions: {sorted(widths)}")
        every = np.concatenate([series for series, _ in found["train"]])
        mean, deviation = signals.moments(every)
        deviation = np.where(every.min(0) < every.max(0), deviation, 1)
        spec = class_spec(
            labels,
            ("accuracy", "macro_f1"),
            inputs="features",
            input_size=every.shape[1],
            input_scale=tuple(tuple(float(v) for v in values) for values in (mean, deviation)),
        )
        examples = {
            s: [
                Example(signals.standardise(series, mean, deviation, self.origin), np.int32(labels.index(label)))
                for series, label in found[s]
            ]
            for s in SPLITS
        }
        super().__init__(options, examples, spec)

    def summary(self) -> str:
        of = f"up to {self.longest} steps of {self.spec.input_size} numbers; {self.spec.output_size} classes"
        return f"{super().summary()}; {of}"


def _files(options: SeriesOptions) -> dict[str, list[Labelled]]:
    if options.data == "mnist1d":
        if options.test_data or options.valid_data:
            raise UserError("--data=mnist1d has a test of its own: leave out --test_data and --valid_data")
        return hold_out(_mnist1d(), options.held_out)
    return from_files(options, lambda path: _read(path, options.encoding))


def _read(path: Path, encoding: str) -> list[Labelled]:
    if path.suffix not in (".ts", ".npz"):
        raise UserError(f"--data: {path} is neither a .ts nor an .npz file")
    return _read_ts(path, encoding) if path.suffix == ".ts" else _read_npz(path)


def _read_ts(path: Path, encoding: str) -> list[Labelled]:
    found: list[Labelled] = []
    in_data = False
    for number, line in table.lines(path, encoding):
        line = line.strip()
        lower = line.lower()
        if not line or line.startswith(("#", "%")):
            continue
        if lower.startswith(("@timestamps true", "@classlabel false")):
            raise UserError(f"{path}, line {number}: '{line}' is not supported: series with labels, without timestamps")
        if lower.startswith("@"):
            in_data = in_data or lower == "@data"
            continue
        if not in_data:
            raise UserError(f"{path}, line {number}: values before @data: this is not a .ts file")
        found.append(_ts_row(path, number, line))
    if not found:
        raise UserError(f"{path} holds no series")
    return found


def _ts_row(path: Path, number: int, line: str) -> Labelled:
    *dimensions, label = line.split(":")
    try:
        rows = [np.array([float(v) for v in dimension.split(",")]) for dimension in dimensions]
        series = np.stack(rows, 1)
    except ValueError as error:
        missing = "?" in line or "nan" in line.lower()
        what = "a value is missing; fill it in" if missing else f"dimensions of numbers, then a label ({error})"
        raise UserError(f"{path}, line {number}: {what}") from None
    if not np.isfinite(series).all():
        raise UserError(f"{path}, line {number}: a value is missing; fill it in")
    if not label.strip():
        raise UserError(f"{path}, line {number}: there is no label behind the last colon")
    return series, label.strip()


def _read_npz(path: Path) -> list[Labelled]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            X, y = stored["X"], stored["y"]
            lengths = stored["lengths"] if "lengths" in stored.files else None
        if X.dtype.kind not in "fiub":
            raise ValueError(f"X is of type {X.dtype}, not of numbers")
        with np.errstate(all="ignore"):
            X = np.asarray(X, "float64")
    except Exception as error:
        raise UserError(f"{path} does not hold arrays X and y: {str(error)[:200]}") from None
    X = X[:, :, None] if X.ndim == 2 else X
    if X.ndim != 3 or y.shape != (len(X),) or (lengths is not None and lengths.shape != y.shape):
        raise UserError(f"{path}: X is {X.shape} and y {y.shape}; wanted [series, time, dimensions] and [series]")
    lengths = np.full(len(X), X.shape[1]) if lengths is None else lengths
    if lengths.dtype.kind not in "iu" or not ((lengths >= 1) & (lengths <= X.shape[1])).all() or not X.shape[2]:
        raise UserError(f"{path}: lengths must be whole numbers from 1 to {X.shape[1]}, and there must be a dimension")
    try:
        labels = [str(label) for label in (y.astype("str") if y.dtype.kind == "S" else y)]
        "".join(labels).encode("utf-8")
    except (UnicodeError, SystemError, ValueError):
        raise UserError(f"{path}: y holds what is no text; save the labels as text or as numbers") from None
    found = [(series[:length], label) for series, length, label in zip(X, lengths, labels, strict=True)]
    if not all(np.isfinite(series).all() for series, _ in found):
        raise UserError(f"{path} holds values that are not finite")
    return found


def _mnist1d() -> dict[str, list[Labelled]]:
    if importlib.util.find_spec("mnist1d") is None:
        raise UserError("--data=mnist1d is made by a package that is missing: pip install 'rnnzoo[mnist1d]'")
    from mnist1d.data import get_dataset_args, make_dataset

    made = make_dataset(get_dataset_args())
    pairs = {"train": ("x", "y"), "test": ("x_test", "y_test")}
    return {s: [(v[:, None], str(i)) for v, i in zip(made[x], made[y], strict=True)] for s, (x, y) in pairs.items()}


def _made_up() -> dict[str, list[Labelled]]:
    rng = np.random.default_rng(0)
    return {split: [_cylinder_bell_funnel(rng) for _ in range(count)] for split, count in SIZES.items()}


def _cylinder_bell_funnel(rng: np.random.Generator) -> Labelled:
    label = CLASSES[rng.integers(3)]
    a = rng.integers(16, 33)
    b = a + rng.integers(32, 97)
    t = np.arange(1, LENGTH + 1)
    shape = {"cylinder": np.ones(LENGTH), "bell": (t - a) / (b - a), "funnel": (b - t) / (b - a)}[label]
    values = (6 + rng.normal()) * shape * ((t >= a) & (t <= b)) + rng.normal(size=LENGTH)
    return values[:, None], label
