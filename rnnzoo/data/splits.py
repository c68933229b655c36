"""Training, validation and test splits: read from files, or held out from the training data."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.cache import CACHE_HELP, write_arrays
from rnnzoo.data.files import check_file
from rnnzoo.data.mapped import ArrayFolder
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
    cache_dir: str | None = option(None, CACHE_HELP)
    batch_size: int = option(32, "sequences in a batch", minimum=1, size="batch")


@dataclasses.dataclass(frozen=True)
class Part:
    """The records of a split: those with the numbers `index` of an encoded file."""

    arrays: ArrayFolder
    index: np.ndarray

    def lengths(self, name: str) -> np.ndarray:
        """Returns the length of each record's sequence, or the lengths in an array of that name."""
        is_sequence = f"{name}.ends" in self.arrays
        return (self.arrays.sequences(name).lengths() if is_sequence else self.arrays.array(name)[:])[self.index]

    def blocks(self, *names: str) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields the values of sequences of equal lengths, those of some records at a time, in the file's order."""
        sequences = [self.arrays.sequences(name) for name in names]
        member = np.zeros(len(sequences[0]), bool)
        member[self.index] = True
        for columns in zip(*(part.blocks() for part in sequences), strict=True):
            first, _, lengths = columns[0]
            kept = np.repeat(member[first : first + len(lengths)], lengths)
            yield tuple(values[kept] for _, values, _ in columns)

    def count(self, name: str, size: int) -> np.ndarray:
        """Returns how often each of the numbers below `size` occurs in sequences."""
        counts = np.zeros(size, "int64")
        for (values,) in self.blocks(name):
            counts += np.bincount(values, minlength=size)
        return counts


def read_parts(
    options: FileOptions, encode: Callable[[Path], ArrayFolder], shuffle: bool = True
) -> tuple[dict[str, Part], list[ArrayFolder]]:
    """Encodes the file of each split; a split without a file is held out from the training data.

    Args:
        options: file names and fractions.
        encode: encodes one file; the fact `count` is its number of records.
        shuffle: whether held-out records are chosen at random (by seed 0). False: the last ones.

    Returns:
        The parts, and the arrays of each file.

    Raises:
        UserError: a file does not exist, or a split is empty.
    """
    names: dict[str, Any] = {split: getattr(options, name) for split, name in FILE_OPTIONS.items()}
    by_name: dict[str, ArrayFolder] = {}
    for split, name in names.items():
        if name and name not in by_name:
            by_name[name] = encode(check_file(name, FILE_OPTIONS[split]))
    counts = {split: by_name[name].facts["count"] for split, name in names.items() if name}
    indices = hold_out(counts, options.validation_fraction, options.test_fraction, shuffle)
    parts = {split: Part(by_name[names[split] or names["train"]], indices[split]) for split in SPLITS}
    check_not_empty({split: part.index for split, part in parts.items()}, options.data or "the data")
    return parts, list(by_name.values())


def whole_parts(write: Callable[[str, ArrayWriter], dict[str, Any]]) -> tuple[dict[str, Part], list[ArrayFolder]]:
    """Returns the parts of data that are made, as `read_parts` does: `write` writes the records of a split."""
    files = {split: write_arrays(functools.partial(write, split)) for split in SPLITS}
    parts = {split: Part(arrays, np.arange(arrays.facts["count"], dtype="int32")) for split, arrays in files.items()}
    return parts, list(files.values())


def hold_out(
    counts: dict[str, int], validation_fraction: float, test_fraction: float, shuffle: bool = True
) -> dict[str, np.ndarray]:
    """Chooses the records of each split: all of those that a split has, or else some of those of "train".

    Args:
        counts: the number of records of "train", and of each other split that has its own.
        validation_fraction: fraction of "train" that is held out for validation, if it has none.
        test_fraction: the same for the test.
        shuffle: whether records are held out at random (by seed 0). False: the last ones.
    """
    fractions = {"validation": validation_fraction, "test": test_fraction}
    fractions = {split: fraction for split, fraction in fractions.items() if split not in counts}
    check_fractions(fractions)
    indices = {split: np.arange(count, dtype="int32") for split, count in counts.items()}
    rest = np.random.default_rng(0).permutation(indices["train"]) if shuffle else indices["train"]
    sizes = {split: max(1, round(len(rest) * fraction)) for split, fraction in fractions.items()}
    for split in SPLITS[:0:-1]:
        if split in sizes:
            first = max(0, len(rest) - sizes[split])
            indices[split], rest = rest[first:], rest[:first]
    return {**indices, "train": rest}


def hold_out_splits(
    splits: dict[str, list[T]], validation_fraction: float, test_fraction: float, shuffle: bool = True
) -> dict[str, list[T]]:
    """Holds out the missing splits from "train", as described in `hold_out`."""
    counts = {split: len(examples) for split, examples in splits.items()}
    indices = hold_out(counts, validation_fraction, test_fraction, shuffle)
    return {split: [splits.get(split, splits["train"])[i] for i in indices[split]] for split in SPLITS}


def check_fractions(fractions: dict[str, float]) -> None:
    """Raises `UserError` if the held-out fractions leave nothing to train on."""
    if sum(fractions.values()) >= 1:
        flags = " and ".join(f"--{split}_fraction={fraction:g}" for split, fraction in fractions.items())
        raise UserError(f"{flags} leave nothing to train on; their sum must be below 1")


def check_not_empty(splits: Mapping[str, Sized], origin: str) -> None:
    """Raises `UserError` if a split is empty."""
    for split in SPLITS:
        if not len(splits[split]):
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
