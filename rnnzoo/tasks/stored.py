"""Data that is there: sequences of many lengths, padded in few sizes, in an order that (seed, epoch) decide."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import SPLITS, Batch, Task, generator
from rnnzoo.tasks.files import check_file

T = TypeVar("T")
BUCKETS = (0.5, 0.8, 0.95, 1.0)  # lengths are padded to one of these quantiles: XLA compiles once for each


class Example(NamedTuple):
    """`inputs [time, ...]` with `targets` of the same length, or one for the sequence."""

    inputs: np.ndarray
    targets: Any


class StoredTask(Task):
    """Sequences in memory. A batch holds those of like length, right-padded; in an epoch each comes once.

    Rows that fill up the last batch of a length count nothing. Of "train", as many sequences as
    there are for validation are evaluated.
    """

    def __init__(self, options: Any, examples: dict[str, list[Example]], spec: TaskSpec):
        self.options, self.examples, self.spec = options, examples, spec
        check_splits(examples, getattr(options, "data", None) or "the data")
        self.lengths = {s: np.array([self.measure(e) for e in examples[s]]) for s in SPLITS}
        every = np.concatenate(list(self.lengths.values()))
        self.sizes = np.unique(np.quantile(every, BUCKETS, method="higher"))
        self.longest = int(self.sizes[-1])
        self._plans: dict[tuple[int, int], list] = {}

    def measure(self, example: Example) -> int:
        """The length by which examples are put together."""
        return len(example.inputs)

    def steps_per_epoch(self) -> int:
        return len(self._plan(self.lengths["train"], np.arange(len(self.lengths["train"]))))

    def batch(self, seed: int, step: int) -> Batch:
        epoch, number = divmod(step, self.steps_per_epoch())
        if (seed, epoch) not in self._plans:
            rng = generator(seed, epoch, "train")
            plan = self._plan(self.lengths["train"], rng.permutation(len(self.lengths["train"])))
            self._plans = {(seed, epoch): [plan[i] for i in rng.permutation(len(plan))]}
        return self._pad("train", *self._plans[seed, epoch][number])

    def evaluation(self, split: str) -> Iterator[Batch]:
        lengths = self.lengths[split]
        order = np.arange(len(lengths))
        if split == "train":
            order = order[:: max(1, len(order) // len(self.lengths["validation"]))]
        return (self._pad(split, *part) for part in self._plan(lengths, order))

    def _plan(self, lengths: np.ndarray, order: np.ndarray) -> list[tuple[np.ndarray, int]]:
        """Batches as `(which examples, padded to what)`."""
        size, found = self.options.batch_size, []
        bucket = np.searchsorted(self.sizes, lengths[order])
        for number, longest in enumerate(self.sizes):
            members = order[bucket == number]
            found += [(members[i : i + size], int(longest)) for i in range(0, len(members), size)]
        return found

    def _pad(self, split: str, members: np.ndarray, longest: int) -> Batch:
        rows = self.options.batch_size
        chosen = [self.examples[split][i] for i in members]
        lengths = np.zeros(rows, "int64")
        lengths[: len(chosen)] = self.lengths[split][members]
        inputs = np.zeros((rows, longest, *chosen[0].inputs.shape[1:]), chosen[0].inputs.dtype)
        first = np.asarray(chosen[0].targets)
        shape = (rows, longest, *first.shape[1:]) if self.spec.per_step else (rows, *first.shape)
        targets = np.zeros(shape, first.dtype)
        for row, example in enumerate(chosen):
            inputs[row, : len(example.inputs)] = example.inputs
            if self.spec.per_step:
                targets[row, : len(example.inputs)] = example.targets
            else:
                targets[row] = example.targets
        mask = np.arange(longest) < lengths[:, None]
        weights = (mask if self.spec.per_step else lengths > 0).astype("float32")
        whole = mask[: len(chosen)].all()  # rows that only fill up need no mask: they weigh nothing
        return Batch(inputs, targets, mask=None if len(self.sizes) == 1 and whole else mask, weights=weights)


def check_splits(found: dict[str, list], origin: str) -> None:
    """Raises `UserError` if a split is empty."""
    for split in SPLITS:
        if not found.get(split):
            raise UserError(f"{origin}: there is nothing in the {split} split: the data is too small to be split")


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """Options of a task on files, one a split or one for all."""

    data: str | None = option(None, "file to train on; default: data of the task's own")
    valid_data: str | None = option(None, "the same, for validation; default: held out of --data")
    test_data: str | None = option(None, "the same, for the test; default: held out of --data")
    encoding: str = option("utf-8", "encoding of the files")
    held_out: float = option(0.2, "fraction of --data held out where no other file is given", minimum=0.01, below=1)
    batch_size: int = option(32, "sequences a step", minimum=1, size="batch")


def from_files(options: FileOptions, read: Callable[[Path], list[T]], shuffle: bool = True) -> dict[str, list[T]]:
    """What the files of each split hold; a split without a file is taken from what is to be trained on.

    Half of `held_out` goes to each such split: at random (by seed 0), or the end with `shuffle=False`.
    Raises `UserError` for a file that is not there, or a split that is empty.
    """
    names = {"train": "data", "validation": "valid_data", "test": "test_data"}
    given = {split: getattr(options, name) for split, name in names.items()}
    found = {s: read(check_file(path, names[s])) for s, path in given.items() if path}
    found = hold_out(found, options.held_out, shuffle)
    check_splits(found, options.data or "the data")
    return found


def need_data(options: FileOptions, *names: str) -> None:
    """Raises `UserError` for an option of files (these, and those of `FileOptions`) without a file to train on."""
    if options.data:
        return
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    for name in ("valid_data", "test_data", "encoding", "held_out", *names):
        if getattr(options, name) != defaults[name]:
            raise UserError(f"--{name} goes with --data, the file to train on: give that too")


def hold_out(found: dict[str, list[T]], fraction: float, shuffle: bool = True) -> dict[str, list[T]]:
    """The splits that are missing, taken from "train" as `from_files` says."""
    whole = found["train"]
    if shuffle:
        whole = [whole[i] for i in np.random.default_rng(0).permutation(len(whole))]
    size = max(1, round(len(whole) * fraction / 2))
    for split in SPLITS[:0:-1]:
        if split not in found:
            found[split], whole = whole[max(0, len(whole) - size) :], whole[: max(0, len(whole) - size)]
    return {**found, "train": whole}
