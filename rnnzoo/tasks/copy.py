"""The task `copy`: the copy memory problem."""

import dataclasses
import math

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import Batch
from rnnzoo.registry import TASKS
from rnnzoo.spec import SPECIAL_TOKENS, TaskSpec
from rnnzoo.tasks.base import SyntheticTask

COPIED = 10  # symbols to remember
SYMBOLS = (*SPECIAL_TOKENS, *"0123456789")  # 0: silence, 9: "now", 1 to 8: the symbols to remember
ZERO = len(SPECIAL_TOKENS)


@dataclasses.dataclass(frozen=True)
class CopyOptions:
    """Options of the task `copy`."""

    seq_length: int = option(100, "T, the steps between the symbols and their copy", minimum=1, size="time")
    batch_size: int = option(32, "sequences in a batch", minimum=1, size="batch")
    eval_size: int = option(1000, "sequences in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("copy")
class Copy(SyntheticTask):
    """The copy memory problem: repeat ten symbols after a long silence.

    As in Bai, Kolter & Koltun (2018), section 4: the inputs are ten symbols from 1 to 8, T - 1 zeros and eleven
    nines, the targets zeros and, at the last ten steps, the ten symbols; T + 20 steps in all. The loss is the mean
    over all steps; `accuracy` is that of the last ten. Without memory the loss is at best 10 ln 8 / (T + 20).
    """

    training_defaults = {"steps": 3000, "learning_rate": 2e-3}

    def __init__(self, options: CopyOptions):
        self.options = options
        self.spec = TaskSpec(
            inputs="tokens",
            outputs="class",
            per_step=True,
            input_size=len(SYMBOLS),
            output_size=10,
            loss="cross_entropy",
            metrics=("accuracy",),
            vocabulary=SYMBOLS,
            labels=SYMBOLS[len(SPECIAL_TOKENS) :],
        )

    def baselines(self) -> dict[str, dict[str, float]]:
        return {"no memory": {"loss": COPIED * math.log(8) / (self.options.seq_length + 2 * COPIED), "accuracy": 1 / 8}}

    def summary(self) -> str:
        return f"copy memory, delay of {self.options.seq_length} steps, generated anew for every step"

    def sample_batch(self, rng: np.random.Generator, size: int) -> Batch:
        copied = rng.integers(1, 9, (size, COPIED))
        blank = np.zeros((size, self.options.seq_length - 1), int)
        inputs = np.concatenate([copied, blank, np.full((size, COPIED + 1), 9)], 1)
        targets = np.zeros_like(inputs)
        targets[:, -COPIED:] = copied
        accuracy_weights = np.zeros(inputs.shape, "float32")
        accuracy_weights[:, -COPIED:] = 1
        return Batch((inputs + ZERO).astype("int32"), targets.astype("int32"), accuracy_weights=accuracy_weights)
