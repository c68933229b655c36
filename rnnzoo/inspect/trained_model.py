"""A trained model with its task, and the sequences that it reads for inspection."""

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
from rnnzoo.data.batch import Batch
from rnnzoo.errors import UserError
from rnnzoo.export.tokenizer import Tokenizer
from rnnzoo.inference.loading import load
from rnnzoo.models import TreeNetwork, ZooModel
from rnnzoo.registry import TASKS
from rnnzoo.renames import apply_renames, apply_value_rename
from rnnzoo.spec import BOS, PAD, TaskSpec
from rnnzoo.tasks.base.task import Task
from rnnzoo.utils.json_files import RUN_CONFIG, read_json
from rnnzoo.utils.memory import check_sizes_fit

MAX_SEQUENCES = 32
FIELDS = ("inputs", "mask", "targets", "weights")


class TrainedModel:
    """A trained model with its name and task.

    Args:
        name: name of the model in reports.
        model: the model.
        task: its task, a function that creates it, or None.
        seed: seed of the initial weights.

    Raises:
        UserError: the model reads trees.
    """

    def __init__(self, name: str, model: ZooModel, task: Any = None, seed: int = 0):
        if isinstance(model, TreeNetwork):
            raise UserError(
                f"{name} reads trees; only models of sequences can be inspected (for trees: --flat and --model=lstm)"
            )
        self.name, self.model, self.spec, self.seed = name, model, model.spec, seed
        self._task = task

    @functools.cached_property
    def task(self) -> Task:
        """The task. Raises `UserError` if it is unknown, or its data no longer exist."""
        if self._task is None:
            raise UserError(f"{self.name}: its task is not known; give a text")
        return self._task() if callable(self._task) else self._task

    def untrained(self) -> ZooModel:
        """Returns a model with the same configuration and seed, before training."""
        keras.utils.set_random_seed(self.seed)
        return type(self.model).from_config(self.model.get_config())


@dataclasses.dataclass(frozen=True)
class InputSequences:
    """Input sequences on which a model is inspected.

    Attributes:
        inputs: as in `Batch`.
        mask: as in `Batch`.
        targets: as in `Batch`.
        weights: as in `Batch`.
        tokens: the tokens of each step, or of the source.
        is_user_text: whether the user gave the text.
    """

    inputs: Any
    mask: Any = None
    targets: Any = None
    weights: Any = None
    tokens: tuple[tuple[str, ...], ...] = ()
    is_user_text: bool = False

    @property
    def rows(self) -> int:
        """The number of sequences."""
        return int(tree.flatten(self.inputs)[0].shape[0])


def open_run(folder: str | Path) -> TrainedModel:
    """Opens the trained model of a run's folder. Raises `UserError` if there is none, or it cannot be inspected."""
    folder = Path(folder).resolve()  # so that "." has a name
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

    def create_task() -> Task:
        task_options = config.create_options(config.options_class(TASKS[name]), options, f"task '{name}'")
        check_sizes_fit(task_options)
        task = TASKS[name](task_options)
        if task.spec != model.spec:
            raise UserError(
                f"{folder}: model.keras does not fit task '{name}' of config.json; its data may have changed"
            )
        return task

    return TrainedModel(folder.name, model, create_task, seed)


def read_sequences(trained: TrainedModel, texts: Sequence[str] = ()) -> InputSequences:
    """Returns the sequences of given texts, or the first test sequences.

    Raises:
        UserError: texts for a model that does not read text, or an empty text.
    """
    if texts:
        return _tokenize_texts(trained, texts)
    batch = next(iter(trained.task.evaluation("test")))
    keep = np.flatnonzero(_real_rows(batch))[:MAX_SEQUENCES]
    part = {name: _select_rows(getattr(batch, name), keep) for name in FIELDS}
    return InputSequences(part["inputs"], part["mask"], part["targets"], part["weights"], _tokens(trained.spec, part))


def _select_rows(value: Any, keep: np.ndarray) -> Any:
    return tree.map_structure(lambda t: None if t is None else np.asarray(t)[keep], value)


def _real_rows(batch: Batch) -> np.ndarray:
    """Returns a mask of the rows that hold an example, and do not only fill up the batch."""
    rows = len(tree.flatten(batch.inputs)[0])
    if batch.weights is None:
        return np.ones(rows, bool)
    return np.any((np.asarray(batch.weights) > 0).reshape([rows, -1]), axis=1)


def _tokens(spec: TaskSpec, batch: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    pair = spec.inputs == "pair"
    ids, symbols = (batch["inputs"][0], spec.source_vocabulary) if pair else (batch["inputs"], spec.vocabulary)
    if (spec.source if pair else spec.inputs) != "tokens" or not symbols:
        return ()
    ids = ids[..., 0] if ids.ndim == 3 else ids
    mask = ids != PAD if pair or batch["mask"] is None else np.asarray(batch["mask"], bool)
    return tuple(tuple(symbols[i] for i in row[valid]) for row, valid in zip(ids, mask, strict=True))


def _tokenize_texts(trained: TrainedModel, texts: Sequence[str]) -> InputSequences:
    """Tokenizes texts; language models predict their tokens, seq2seq models generate their outputs."""
    spec = trained.spec
    if not all(text.strip() for text in texts):
        raise UserError("--text: the text is empty")
    if spec.inputs == "pair" and spec.source == "tokens":
        tokenizer = Tokenizer(
            spec.source_vocabulary, spec.source_level, lowercase=spec.lowercase, merges=spec.source_merges
        )
        source = tokenizer.encode_source(tf.constant(texts))
        ids = np.asarray(trained.model.greedy(source)[0]) if spec.generates_text else np.zeros([len(texts), 0], "int32")
        lengths = (ids != PAD).sum(1)
        previous = np.pad(ids[:, : lengths.max()], [[0, 0], [1, 0]], constant_values=BOS)
        weights = (np.arange(previous.shape[1]) <= lengths[:, None]).astype("float32")
        batch = {"inputs": (source.numpy(), np.where(previous == PAD, BOS, previous)), "mask": None}
        return InputSequences(batch["inputs"], weights=weights, tokens=_tokens(spec, batch), is_user_text=True)
    if spec.inputs != "tokens" or not spec.vocabulary:
        raise UserError("--text: this model reads no text; leave it out to use the first test sequences")
    tokenizer = Tokenizer(spec.vocabulary, spec.level, spec.char_vocabulary, spec.word_length, spec.lowercase)
    ids, lengths = (tensor.numpy() for tensor in tokenizer.encode(tf.constant(texts)))
    valid = np.arange(ids.shape[1] - 1) < lengths[:, None]
    targets = None
    if spec.is_language_model:
        ids, targets = ids[:, :-1], ids[:, 1:]
    else:
        ids = ids[:, 1:]
    weights = valid.astype("float32") if targets is not None else None
    mask = None if valid.all() else valid
    return InputSequences(ids, mask, targets, weights, _tokens(spec, {"inputs": ids, "mask": mask}), is_user_text=True)
