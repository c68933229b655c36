"""The task `series`: classification of numeric series."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.config import option
from rnnzoo.data import signals
from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.cache import encode_file
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.series_arrays import SeriesReader, read_in_blocks, write_series
from rnnzoo.data.series_files import LabelledSeries, read_series
from rnnzoo.data.splits import FileOptions, Part, check_data_given, hold_out_splits, read_parts, whole_parts
from rnnzoo.data.stored import iterate_targets, open_examples
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
        parts, files = _read_parts(options)
        widths = {arrays.facts["width"] for arrays in files}
        if len(widths) > 1:
            raise UserError(f"--data: series have different numbers of dimensions: {sorted(widths)}")
        kinds = {arrays.facts["regression"] for arrays in files}
        if len(kinds) > 1:
            raise UserError(f"{self.origin}: some series have a class and others a value; give them the same kind")
        labels = sorted({label for arrays in files for label in arrays.strings("targets.symbols")})
        spec = spec or _make_spec(parts["train"], labels)
        if kinds != {spec.regression}:
            kind = "a value" if spec.regression else "a class"
            raise UserError(
                f"{self.origin}: the model predicts {kind} of each series, and the labels are of another kind"
            )
        check_known_labels(spec, labels, self.origin)
        if widths != {spec.input_size}:
            raise UserError(
                f"{self.origin}: series have {widths.pop()} dimensions, and the model reads {spec.input_size}"
            )
        examples = open_examples(parts, lambda arrays: SeriesReader(arrays, spec, self.origin), "values")
        super().__init__(options, examples, spec)

    def baselines(self) -> dict[str, dict[str, float]]:
        if self.spec.outputs == "class":
            return super().baselines()
        targets = {s: np.concatenate(list(iterate_targets(self.examples[s]))) for s in ("train", "test")}
        errors = targets["test"] - targets["train"].mean()
        return {"mean": {"mse": float(np.mean(errors**2)), "mae": float(np.mean(np.abs(errors)))}}

    def summary(self) -> str:
        kind = "one value" if self.spec.regression else f"{self.spec.output_size} classes"
        return f"{super().summary()}; up to {self.max_length} steps of {self.spec.input_size} numbers; {kind}"


def _make_spec(train: Part, labels: list[str]) -> TaskSpec:
    """Creates the specification of a classification or, for labels that are values, of a regression."""
    moments = signals.compute_moments(lambda: read_in_blocks(train.arrays.sequences("values"), train.index))
    deviation = np.where(moments.least < moments.greatest, moments.deviation, 1)
    scale = tuple(tuple(float(v) for v in values) for values in (moments.mean, deviation))
    if train.arrays.facts["regression"]:
        values = train.arrays.array("targets")[:][train.index]
        return TaskSpec(
            inputs="features",
            outputs="vector",
            per_step=False,
            input_size=len(deviation),
            output_size=1,
            loss="mse",
            metrics=("mse", "mae"),
            labels=("value",),
            input_scale=scale,
            output_scale=((float(values.mean()),), (float(values.std()) or 1.0,)),
            regression=True,
        )
    if len(labels) < 2:
        raise UserError(f"--data: all series have the label '{labels[0]}': there is nothing to classify")
    return classification_spec(
        tuple(labels), ("accuracy", "macro_f1"), inputs="features", input_size=len(deviation), input_scale=scale
    )


def _read_parts(options: SeriesOptions) -> tuple[dict[str, Part], list[ArrayFolder]]:
    if options.data is None or options.data == "mnist1d":
        if options.test_data or options.validation_data:
            raise UserError("--data=mnist1d has its own splits; leave out --test_data and --validation_data")
        data = _generate() if options.data is None else _split_mnist1d(options)
        return whole_parts(lambda split, writer: write_series(data[split], options.data, writer))

    def encode(path: Path) -> ArrayFolder:
        def write(writer: ArrayWriter) -> dict[str, Any]:
            return write_series(read_series(path, options.encoding), path, writer)

        return encode_file(path, ["series", options.encoding], write, options.cache_dir)

    return read_parts(options, encode)


def _split_mnist1d(options: SeriesOptions) -> dict[str, list[LabelledSeries]]:
    return hold_out_splits(_mnist1d(), options.validation_fraction, options.test_fraction)


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
