"""Training, validation and test splits: read from files, or held out from the training data."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.files import check_file
from rnnzoo.errors import UserError

T = TypeVar("T")
FILE_OPTIONS = {"train": "data", "validation": "validation_data", "test": "test_data"}


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """Options of a task that reads one file, or one file for each split."""

    data: str | None = option(None, "file to train on; default: the task's own data")
    validation_data: str | None = option(None, "file to validate on; default: held out from --data")
    test_data: str | None = option(None, "file to test on; default: held out from --data")
    encoding: str = option("utf-8", "encoding of the files")
    validation_fraction: float = option(
        0.1, "fraction of --data held out where --validation_data is not given", minimum=0.005, below=1
    )
    test_fraction: float = option(
        0.1, "fraction of --data held out where --test_data is not given", minimum=0.005, below=1
    )
    batch_size: int = option(32, "sequences in a batch", minimum=1, size="batch")


def read_splits(options: FileOptions, read: Callable[[Path], list[T]], shuffle: bool = True) -> dict[str, list[T]]:
    """Reads the examples of each split; a split without a file is held out from the training data.

    Args:
        options: file names and fractions.
        read: reads the examples of one file.
        shuffle: whether held-out examples are chosen at random (by seed 0). False: the last ones.

    Raises:
        UserError: a file does not exist, or a split is empty.
    """
    names = {split: getattr(options, name) for split, name in FILE_OPTIONS.items()}
    by_name: dict[str, list[T]] = {}
    for split, name in names.items():
        if name and name not in by_name:
            by_name[name] = read(check_file(name, FILE_OPTIONS[split]))
    splits = {split: by_name[name] for split, name in names.items() if name}
    splits = hold_out_splits(splits, options.validation_fraction, options.test_fraction, shuffle)
    check_not_empty(splits, options.data or "the data")
    return splits


def hold_out_splits(
    splits: dict[str, list[T]], validation_fraction: float, test_fraction: float, shuffle: bool = True
) -> dict[str, list[T]]:
    """Holds out the missing splits from "train", as described in `read_splits`."""
    rest = splits["train"]
    if shuffle:
        rest = [rest[i] for i in np.random.default_rng(0).permutation(len(rest))]
    fractions = {"validation": validation_fraction, "test": test_fraction}
    fractions = {split: fraction for split, fraction in fractions.items() if split not in splits}
    check_fractions(fractions)
    sizes = {split: max(1, round(len(rest) * fraction)) for split, fraction in fractions.items()}
    for split in SPLITS[:0:-1]:
        if split in sizes:
            first = max(0, len(rest) - sizes[split])
            splits[split], rest = rest[first:], rest[:first]
    return {**splits, "train": rest}


def check_fractions(fractions: dict[str, float]) -> None:
    """Raises `UserError` if the held-out fractions leave nothing to train on."""
    if sum(fractions.values()) >= 1:
        flags = " and ".join(f"--{split}_fraction={fraction:g}" for split, fraction in fractions.items())
        raise UserError(f"{flags} leave nothing to train on; their sum must be below 1")


def check_not_empty(splits: dict[str, list], origin: str) -> None:
    """Raises `UserError` if a split is empty."""
    for split in SPLITS:
        if not splits.get(split):
            raise UserError(f"{origin}: the {split} split is empty; there is too little data to split")


def check_data_given(options: Any, *names: str) -> None:
    """Raises `UserError` if an option of files, one of `FileOptions` or of `names`, is given without `--data`."""
    if options.data:
        return
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    file_options = ("validation_data", "test_data", "encoding", "validation_fraction", "test_fraction")
    for name in (*file_options, *names):
        if getattr(options, name) != defaults[name]:
            raise UserError(f"--{name} applies to --data, the file to train on; give --data too")
