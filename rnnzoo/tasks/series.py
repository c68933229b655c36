"""The task `series`: classification of numeric series."""

import dataclasses
import importlib.util
from typing import Any

import numpy as np

from rnnzoo.config import option
from rnnzoo.data import signals
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.bucketing import Example
from rnnzoo.data.series_files import LabelledSeries, read_series
from rnnzoo.data.splits import FileOptions, check_data_given, check_not_empty, hold_out_splits, read_splits
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import ClassificationTask, classification_spec
from rnnzoo.tasks.base.classification import check_known_labels

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
    standardized by the mean and variance of the training data; an export takes the original units. If the labels are
    numbers, of a `.ts` file with `@targetlabel true` or an `.npz` file whose `y` holds fractions, the task is a
    regression: `mse` and `mae` are in units of their standard deviation. The default data
    are cylinder, bell and funnel (Saito 1994): 128 steps of noise with a plateau, a rise or a fall of random
    position, length and height.
    """

    example_name = "series"
    training_defaults = {"steps": 600, "learning_rate": 3e-3}

    def __init__(self, options: SeriesOptions, spec: TaskSpec | None = None):
        check_data_given(options)
        self.origin = options.data or "cylinder, bell, funnel"
        data = _generate() if options.data is None else _read_data(options)
        check_not_empty(data, self.origin)
        widths = {series.shape[1] for s in SPLITS for series, _ in data[s]}
        if len(widths) > 1:
            raise UserError(f"--data: series have different numbers of dimensions: {sorted(widths)}")
        kinds = {isinstance(label, float) for s in SPLITS for _, label in data[s]}
        if len(kinds) > 1:
            raise UserError(f"{self.origin}: some series have a class and others a value; give them the same kind")
        spec = spec or _make_spec(data)
        if kinds != {spec.regression}:
            kind = "a value" if spec.regression else "a class"
            raise UserError(
                f"{self.origin}: the model predicts {kind} of each series, and the labels are of another kind"
            )
        if spec.outputs == "class":
            check_known_labels(spec, {str(label) for s in SPLITS for _, label in data[s]}, self.origin)
        mean, deviation = (np.array(values) for values in spec.input_scale)
        if widths != {spec.input_size}:
            raise UserError(
                f"{self.origin}: series have {widths.pop()} dimensions, and the model reads {spec.input_size}"
            )
        ids = {label: np.int32(i) for i, label in enumerate(spec.labels)}

        def target(label: str | float) -> Any:
            if spec.outputs == "class":
                return ids[str(label)]
            (centre,), (scale,) = spec.output_scale
            return np.array([(float(label) - centre) / scale], "float32")

        examples = {
            s: [Example(signals.standardize(x, mean, deviation, self.origin), target(label)) for x, label in data[s]]
            for s in SPLITS
        }
        super().__init__(options, examples, spec)

    def baselines(self) -> dict[str, dict[str, float]]:
        if self.spec.outputs == "class":
            return super().baselines()
        targets = {s: np.array([e.targets for e in self.examples[s]]) for s in ("train", "test")}
        errors = targets["test"] - targets["train"].mean()
        return {"mean": {"mse": float(np.mean(errors**2)), "mae": float(np.mean(np.abs(errors)))}}

    def summary(self) -> str:
        kind = "one value" if self.spec.regression else f"{self.spec.output_size} classes"
        return f"{super().summary()}; up to {self.max_length} steps of {self.spec.input_size} numbers; {kind}"


def _make_spec(data: dict[str, list[LabelledSeries]]) -> TaskSpec:
    """Creates the specification of a classification or, for labels that are floats, of a regression."""
    every = np.concatenate([series for series, _ in data["train"]])
    mean, deviation = signals.compute_moments(every)
    deviation = np.where(every.min(0) < every.max(0), deviation, 1)
    scale = tuple(tuple(float(v) for v in values) for values in (mean, deviation))
    labels = [label for s in SPLITS for _, label in data[s]]
    if isinstance(labels[0], float):
        values = np.array([float(label) for _, label in data["train"]])
        return TaskSpec(
            inputs="features",
            outputs="vector",
            per_step=False,
            input_size=every.shape[1],
            output_size=1,
            loss="mse",
            metrics=("mse", "mae"),
            labels=("value",),
            input_scale=scale,
            output_scale=((float(values.mean()),), (float(values.std()) or 1.0,)),
            regression=True,
        )
    names = tuple(sorted({str(label) for label in labels}))
    if len(names) < 2:
        raise UserError(f"--data: all series have the label '{names[0]}': there is nothing to classify")
    return classification_spec(
        names, ("accuracy", "macro_f1"), inputs="features", input_size=every.shape[1], input_scale=scale
    )


def _read_data(options: SeriesOptions) -> dict[str, list[LabelledSeries]]:
    if options.data == "mnist1d":
        if options.test_data or options.validation_data:
            raise UserError("--data=mnist1d has its own splits; leave out --test_data and --validation_data")
        return hold_out_splits(_mnist1d(), options.validation_fraction, options.test_fraction)
    return read_splits(options, lambda path: read_series(path, options.encoding))


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
