"""The task `temporal_order`: the temporal order problem."""

import dataclasses
import itertools

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import Batch
from rnnzoo.registry import TASKS
from rnnzoo.spec import PAD, SPECIAL_TOKENS, TaskSpec
from rnnzoo.tasks.base import SyntheticTask

SYMBOLS = (*SPECIAL_TOKENS, *"EBXYabcd")
E, B, X, Y, FIRST, LAST = (SYMBOLS.index(s) for s in "EBXYad")
POSITIONS = {"6a": ((10, 20), (50, 60)), "6b": ((10, 20), (33, 43), (66, 76))}  # of a length of 100


@dataclasses.dataclass(frozen=True)
class TemporalOrderOptions:
    """Options of the task `temporal_order`."""

    variant: str = option("6a", "6a: two symbols, four classes; 6b: three symbols, eight classes", choices=("6a", "6b"))
    seq_length: int = option(
        100, "length of the shortest sequences, with which the positions scale", minimum=10, size="time"
    )
    batch_size: int = option(50, "sequences in a batch", minimum=1, size="batch")
    eval_size: int = option(2560, "sequences in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("temporal_order")
class TemporalOrder(SyntheticTask):
    """The temporal order problem: classify sequences by the order of a few symbols seen long ago.

    As in Hochreiter & Schmidhuber (1997), section 5.6: a sequence begins with E, ends with B, and consists of the
    distractors a, b, c, d, except for two positions (6a: at steps 10-20 and 50-60 of 100-110) or three (6b: 10-20,
    33-43, 66-76) with X or Y. Their order is the class.
    """

    training_defaults = {"steps": 1000, "learning_rate": 1e-2}

    def __init__(self, options: TemporalOrderOptions):
        self.options = options
        self.spec = TaskSpec(
            inputs="tokens",
            outputs="class",
            per_step=False,
            input_size=len(SYMBOLS),
            output_size=2 ** len(POSITIONS[options.variant]),
            loss="cross_entropy",
            metrics=("accuracy",),
            vocabulary=SYMBOLS,
            labels=tuple("".join(order) for order in itertools.product("XY", repeat=len(POSITIONS[options.variant]))),
        )

    def baselines(self) -> dict[str, dict[str, float]]:
        classes = self.spec.output_size
        return {"uniform": {"loss": float(np.log(classes)), "accuracy": 1 / classes}}

    def summary(self) -> str:
        return (
            f"temporal order ({self.options.variant}), length {self.options.seq_length}, generated anew for every step"
        )

    def sample_batch(self, rng: np.random.Generator, size: int) -> Batch:
        min_length = self.options.seq_length
        max_length = min_length + min_length // 10
        rows, lengths = np.arange(size), rng.integers(min_length, max_length + 1, size)
        ids = rng.integers(FIRST, LAST + 1, (size, max_length))
        ids[:, 0] = E
        ids[rows, lengths - 1] = B
        targets = np.zeros(size, "int32")
        for first, last in POSITIONS[self.options.variant]:
            position = rng.integers(first * min_length // 100, last * min_length // 100 + 1, size)
            second = rng.integers(0, 2, size)
            ids[rows, position] = X + second * (Y - X)
            targets = 2 * targets + second.astype("int32")
        mask = np.arange(max_length) < lengths[:, None]
        return Batch(np.where(mask, ids, PAD).astype("int32"), targets, mask=mask)
