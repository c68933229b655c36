"""The temporal order problem: which symbols came, and in what order, long ago."""

import dataclasses
import itertools

import numpy as np

from rnnzoo.config import option
from rnnzoo.registry import TASKS
from rnnzoo.spec import PAD, SPECIAL, TaskSpec
from rnnzoo.tasks.base import Batch, DrawnTask

SYMBOLS = (*SPECIAL, *"EBXYabcd")
E, B, X, Y, FIRST, LAST = (SYMBOLS.index(s) for s in "EBXYad")
PLACES = {"6a": ((10, 20), (50, 60)), "6b": ((10, 20), (33, 43), (66, 76))}  # of a length of 100


@dataclasses.dataclass(frozen=True)
class TemporalOrderOptions:
    """Options of the temporal order problem."""

    variant: str = option("6a", "6a: two symbols, four classes; 6b: three symbols, eight classes", choices=("6a", "6b"))
    seq_length: int = option(100, "length of the shortest sequences; places scale with it", minimum=10, size="time")
    batch_size: int = option(50, "sequences a step", minimum=1, size="batch")
    eval_size: int = option(2560, "sequences in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("temporal_order")
class TemporalOrder(DrawnTask):
    """The temporal order problem: classify by the order of a few symbols seen long ago.

    Hochreiter & Schmidhuber (1997), section 5.6: a sequence begins with E, ends with B, and holds
    distractors a, b, c, d but for two places (6a, at steps 10-20 and 50-60 of 100-110) or three
    (6b, 10-20, 33-43, 66-76) that hold X or Y; their order is the class.
    """

    training_defaults = {"steps": 1000, "learning_rate": 1e-2}

    def __init__(self, options: TemporalOrderOptions):
        self.options = options
        self.spec = TaskSpec(
            inputs="tokens",
            outputs="class",
            per_step=False,
            input_size=len(SYMBOLS),
            output_size=2 ** len(PLACES[options.variant]),
            loss="cross_entropy",
            metrics=("loss", "accuracy"),
            vocabulary=SYMBOLS,
            labels=tuple("".join(order) for order in itertools.product("XY", repeat=len(PLACES[options.variant]))),
        )

    def baselines(self) -> dict[str, dict[str, float]]:
        classes = self.spec.output_size
        return {"guess": {"loss": float(np.log(classes)), "accuracy": 1 / classes}}

    def summary(self) -> str:
        return f"temporal order ({self.options.variant}), length {self.options.seq_length}, a new sequence every time"

    def draw(self, rng: np.random.Generator, size: int) -> Batch:
        shortest = self.options.seq_length
        longest = shortest + shortest // 10
        rows, lengths = np.arange(size), rng.integers(shortest, longest + 1, size)
        ids = rng.integers(FIRST, LAST + 1, (size, longest))
        ids[:, 0] = E
        ids[rows, lengths - 1] = B
        targets = np.zeros(size, "int32")
        for first, last in PLACES[self.options.variant]:
            at = rng.integers(first * shortest // 100, last * shortest // 100 + 1, size)
            second = rng.integers(0, 2, size)
            ids[rows, at] = X + second * (Y - X)
            targets = 2 * targets + second.astype("int32")
        mask = np.arange(longest) < lengths[:, None]
        return Batch(np.where(mask, ids, PAD).astype("int32"), targets, mask=mask)
