"""What is looked at: a trained model, and the sequences that it reads meanwhile."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from rnnzoo import config
from rnnzoo.errors import UserError
from rnnzoo.estimate import refuse_sizes
from rnnzoo.export.text import Codec
from rnnzoo.json_files import RUN_CONFIG, read_json
from rnnzoo.loading import load
from rnnzoo.models import TreeNetwork, ZooModel
from rnnzoo.registry import TASKS
from rnnzoo.serialization import apply_renames, apply_value_rename
from rnnzoo.spec import BOUNDARY, PAD, TaskSpec
from rnnzoo.tasks.base import Batch, Task

ROWS = 32  # sequences at most
PARTS = ("inputs", "mask", "targets", "weights")


class Subject:
    """A model, its name, and the task it was trained on: the task itself, or how to make it, or None."""

    def __init__(self, name: str, model: ZooModel, task: Any = None, seed: int = 0):
        if isinstance(model, TreeNetwork):
            raise UserError(
                f"{name} reads trees, not steps one after another: there is nothing over time to look at; models of "
                "sequences can be inspected (for trees: --flat and --model=lstm)"
            )
        self.name, self.model, self.spec, self.seed = name, model, model.spec, seed
        self._task = task

    @functools.cached_property
    def task(self) -> Task:
        """The task. Raises `UserError` if it is not known, or its data are no longer there."""
        if self._task is None:
            raise UserError(f"{self.name}: its task is not known; give a text")
        return self._task() if callable(self._task) else self._task

    def untrained(self) -> ZooModel:
        """A model like it, as it was before training."""
        keras.utils.set_random_seed(self.seed)
        return type(self.model).from_config(self.model.get_config())


@dataclasses.dataclass(frozen=True)
class Given:
    """Sequences to read: as `Batch` has them, and the symbols of each step (of a pair, of its source) to show."""

    inputs: Any
    mask: Any = None
    targets: Any = None
    weights: Any = None
    units: tuple[tuple[str, ...], ...] = ()
    of_text: bool = False  # whether the user gave it

    @property
    def rows(self) -> int:
        """How many sequences."""
        return int(tree.flatten(self.inputs)[0].shape[0])


def open_run(folder: str | Path) -> Subject:
    """The trained model of a run's folder. Raises `UserError` if there is none, or it cannot be looked at."""
    folder = Path(folder).resolve()  # "." has a name too
    try:
        settings = read_json(folder / "config.json", RUN_CONFIG)
    except UserError as error:
        raise UserError(f"{folder} is not the folder of a run: {error}") from None
    options, name = apply_renames("option", settings["task_options"]), apply_value_rename(settings["task"])
    seed = settings["training"].get("seed")
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise UserError(f"{folder / 'config.json'} is damaged: its training has no seed")
    if not (folder / "model.keras").is_file():
        raise UserError(f"{folder} holds no model.keras: let the run end first (train.py --resume --run_dir={folder})")

    model = load(folder / "model.keras")

    def make() -> Task:
        chosen = config.make(config.options_class(TASKS[name]), options, f"task '{name}'")
        refuse_sizes(chosen)
        task = TASKS[name](chosen)
        if task.spec != model.spec:
            raise UserError(
                f"{folder}: its model is not of the task '{name}' as config.json has it, or the data changed"
            )
        return task

    return Subject(folder.name, model, make, seed)


def given(subject: Subject, texts: Sequence[str] = ()) -> Given:
    """What to read: these texts, or the first sequences of the test.

    Raises:
        UserError: texts for a model that reads none, or an empty one.
    """
    if texts:
        return _texts(subject, texts)
    batch = next(iter(subject.task.evaluation("test")))
    keep = np.flatnonzero(_there(batch))[:ROWS]
    part = {name: _rows(getattr(batch, name), keep) for name in PARTS}
    return Given(part["inputs"], part["mask"], part["targets"], part["weights"], _units(subject.spec, part))


def _rows(value: Any, keep: np.ndarray) -> Any:
    return tree.map_structure(lambda t: None if t is None else np.asarray(t)[keep], value)


def _there(batch: Batch) -> np.ndarray:
    """Which rows are not there to fill up the batch only."""
    rows = len(tree.flatten(batch.inputs)[0])
    if batch.weights is None:
        return np.ones(rows, bool)
    return np.any((np.asarray(batch.weights) > 0).reshape([rows, -1]), axis=1)


def _units(spec: TaskSpec, batch: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    pair = spec.inputs == "pair"
    ids, symbols = (batch["inputs"][0], spec.source_vocabulary) if pair else (batch["inputs"], spec.vocabulary)
    if (spec.source if pair else spec.inputs) != "tokens" or not symbols:
        return ()
    ids = ids[..., 0] if ids.ndim == 3 else ids
    mask = ids != PAD if pair or batch["mask"] is None else np.asarray(batch["mask"], bool)
    return tuple(tuple(symbols[i] for i in row[there]) for row, there in zip(ids, mask, strict=True))


def _texts(subject: Subject, texts: Sequence[str]) -> Given:
    """Texts as the model reads them: a language model guesses their symbols, one that writes does so, greedily."""
    spec = subject.spec
    if not all(text.strip() for text in texts):
        raise UserError("--text: there is nothing in it to read")
    if spec.inputs == "pair" and spec.source == "tokens":
        source = Codec(spec.source_vocabulary, spec.source_level, lowercase=spec.lowercase).source(tf.constant(texts))
        ids = np.asarray(subject.model.greedy(source)[0]) if spec.writes else np.zeros([len(texts), 0], "int32")
        lengths = (ids != PAD).sum(1)
        previous = np.pad(ids[:, : lengths.max()], [[0, 0], [1, 0]], constant_values=BOUNDARY)
        weights = (np.arange(previous.shape[1]) <= lengths[:, None]).astype("float32")
        batch = {"inputs": (source.numpy(), np.where(previous == PAD, BOUNDARY, previous)), "mask": None}
        return Given(batch["inputs"], weights=weights, units=_units(spec, batch), of_text=True)
    if spec.inputs != "tokens" or not spec.vocabulary:
        raise UserError("--text: this model reads no text; leave it out to see the first sequences of its test")
    codec = Codec(spec.vocabulary, spec.level, spec.characters, spec.word_length, spec.lowercase)
    ids, lengths = (tensor.numpy() for tensor in codec.encode(tf.constant(texts)))
    there = np.arange(ids.shape[1] - 1) < lengths[:, None]
    targets = None
    if spec.language_model:
        ids, targets = ids[:, :-1], ids[:, 1:]
    else:
        ids = ids[:, 1:]
    weights = there.astype("float32") if targets is not None else None
    mask = None if there.all() else there
    return Given(ids, mask, targets, weights, _units(spec, {"inputs": ids, "mask": mask}), of_text=True)
