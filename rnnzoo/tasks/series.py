"""The task `series`: classification of numeric series."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.data import signals
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.bucketing import Example
from rnnzoo.data.splits import FileOptions, check_data_given, check_not_empty, hold_out_splits, read_splits
from rnnzoo.data.tables import read_lines
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.tasks.base import ClassificationTask, classification_spec

LabelledSeries = tuple[np.ndarray, str]  # series [time, dimensions], label
CLASSES = ("cylinder", "bell", "funnel")
LENGTH = 128
SIZES = {"train": 300, "validation": 300, "test": 900}


@dataclasses.dataclass(frozen=True)
class SeriesOptions(FileOptions):
    """Options of the task `series`."""

    data: str | None = option(None, ".ts or .npz file, or mnist1d; default: cylinder, bell and funnel")


@TASKS.register("series")
class Series(ClassificationTask):
    """Series classification: one label for each numeric series, univariate or multivariate, of equal or varying length.

    A `.ts` file has the format of sktime and aeon: dimensions separated by colons, values by commas, the label last. An
    `.npz` file holds `X [series, time, dimensions]` (or `[series, time]`), `y`, and `lengths` where they differ.
    `--data=mnist1d` generates the data of Greydanus & Kobak (2020) with the package mnist1d. Dimensions are
    standardized by the mean and variance of the training data; an export takes the original units. The default data
    are cylinder, bell and funnel (Saito 1994): 128 steps of noise with a plateau, a rise or a fall of random
    position, length and height.
    """

    example_name = "series"
    training_defaults = {"steps": 600, "learning_rate": 3e-3}

    def __init__(self, options: SeriesOptions):
        check_data_given(options)
        self.origin = options.data or "cylinder, bell, funnel"
        data = _generate() if options.data is None else _read_data(options)
        check_not_empty(data, self.origin)
        labels = tuple(sorted({label for s in SPLITS for _, label in data[s]}))
        if len(labels) < 2:
            raise UserError(f"--data: all series have the label '{labels[0]}': there is nothing to classify")
        widths = {series.shape[1] for s in SPLITS for series, _ in data[s]}
        if len(widths) > 1:
            raise UserError(f"--data: series have different numbers of dimensions: {sorted(widths)}")
        every = np.concatenate([series for series, _ in data["train"]])
        mean, deviation = signals.compute_moments(every)
        deviation = np.where(every.min(0) < every.max(0), deviation, 1)
        spec = classification_spec(
            labels,
            ("accuracy", "macro_f1"),
            inputs="features",
            input_size=every.shape[1],
            input_scale=tuple(tuple(float(v) for v in values) for values in (mean, deviation)),
        )
        examples = {
            s: [
                Example(signals.standardize(series, mean, deviation, self.origin), np.int32(labels.index(label)))
                for series, label in data[s]
            ]
            for s in SPLITS
        }
        super().__init__(options, examples, spec)

    def summary(self) -> str:
        sizes = f"up to {self.max_length} steps of {self.spec.input_size} numbers; {self.spec.output_size} classes"
        return f"{super().summary()}; {sizes}"


def _read_data(options: SeriesOptions) -> dict[str, list[LabelledSeries]]:
    if options.data == "mnist1d":
        if options.test_data or options.validation_data:
            raise UserError("--data=mnist1d has its own splits; leave out --test_data and --validation_data")
        return hold_out_splits(_mnist1d(), options.validation_fraction, options.test_fraction)
    return read_splits(options, lambda path: _read(path, options.encoding))


def _read(path: Path, encoding: str) -> list[LabelledSeries]:
    if path.suffix not in (".ts", ".npz"):
        raise UserError(f"--data: {path} is neither a .ts nor an .npz file")
    return _read_ts(path, encoding) if path.suffix == ".ts" else _read_npz(path)


def _read_ts(path: Path, encoding: str) -> list[LabelledSeries]:
    examples: list[LabelledSeries] = []
    in_data = False
    for number, line in read_lines(path, encoding):
        line = line.strip()
        lower = line.lower()
        if not line or line.startswith(("#", "%")):
            continue
        if lower.startswith(("@timestamps true", "@classlabel false")):
            raise UserError(
                f"{path}, line {number}: '{line}' is not supported; series must have labels and no timestamps"
            )
        if lower.startswith("@"):
            in_data = in_data or lower == "@data"
            continue
        if not in_data:
            raise UserError(f"{path}, line {number}: values before @data: this is not a .ts file")
        examples.append(_parse_ts_row(path, number, line))
    if not examples:
        raise UserError(f"{path} holds no series")
    return examples


def _parse_ts_row(path: Path, number: int, line: str) -> LabelledSeries:
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


def _read_npz(path: Path) -> list[LabelledSeries]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            X, y = stored["X"], stored["y"]
            lengths = stored["lengths"] if "lengths" in stored.files else None
        if X.dtype.kind not in "fiub":
            raise ValueError(f"X is of type {X.dtype}, not numeric")
        with np.errstate(all="ignore"):
            X = np.asarray(X, "float64")
    except Exception as error:
        raise UserError(f"{path} does not hold arrays X and y: {str(error)[:200]}") from None
    X = X[:, :, None] if X.ndim == 2 else X
    if X.ndim != 3 or y.shape != (len(X),) or (lengths is not None and lengths.shape != y.shape):
        raise UserError(f"{path}: X is {X.shape} and y {y.shape}; expected [series, time, dimensions] and [series]")
    lengths = np.full(len(X), X.shape[1]) if lengths is None else lengths
    if lengths.dtype.kind not in "iu" or not ((lengths >= 1) & (lengths <= X.shape[1])).all() or not X.shape[2]:
        raise UserError(f"{path}: lengths must be whole numbers from 1 to {X.shape[1]}, and there must be a dimension")
    try:
        labels = [str(label) for label in (y.astype("str") if y.dtype.kind == "S" else y)]
        "".join(labels).encode("utf-8")
    except (UnicodeError, SystemError, ValueError):
        raise UserError(f"{path}: y must hold text or numbers") from None
    examples = [(series[:length], label) for series, length, label in zip(X, lengths, labels, strict=True)]
    if not all(np.isfinite(series).all() for series, _ in examples):
        raise UserError(f"{path} holds values that are not finite")
    return examples


def _mnist1d() -> dict[str, list[LabelledSeries]]:
    if importlib.util.find_spec("mnist1d") is None:
        raise UserError("--data=mnist1d is generated by a package that is not installed: pip install 'rnnzoo[mnist1d]'")
    from mnist1d.data import get_dataset_args, make_dataset

    arrays = make_dataset(get_dataset_args())
    pairs = {"train": ("x", "y"), "test": ("x_test", "y_test")}
    return {s: [(v[:, None], str(i)) for v, i in zip(arrays[x], arrays[y], strict=True)] for s, (x, y) in pairs.items()}


def _generate() -> dict[str, list[LabelledSeries]]:
    rng = np.random.default_rng(0)
    return {split: [_cylinder_bell_funnel(rng) for _ in range(count)] for split, count in SIZES.items()}


def _cylinder_bell_funnel(rng: np.random.Generator) -> LabelledSeries:
    label = CLASSES[rng.integers(3)]
    a = rng.integers(16, 33)
    b = a + rng.integers(32, 97)
    t = np.arange(1, LENGTH + 1)
    shape = {"cylinder": np.ones(LENGTH), "bell": (t - a) / (b - a), "funnel": (b - t) / (b - a)}[label]
    values = (6 + rng.normal()) * shape * ((t >= a) & (t <= b)) + rng.normal(size=LENGTH)
    return values[:, None], label
