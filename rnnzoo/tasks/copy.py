"""The copy memory problem: say again what was seen before a long silence."""

import dataclasses
import math

import numpy as np

from rnnzoo.config import option
from rnnzoo.registry import TASKS
from rnnzoo.spec import SPECIAL, TaskSpec
from rnnzoo.tasks.base import Batch, DrawnTask

SEEN = 10  # symbols to remember
SYMBOLS = (*SPECIAL, *"0123456789")  # 0: silence, 9: "now", 1 to 8: what is to be remembered
ZERO = len(SPECIAL)


@dataclasses.dataclass(frozen=True)
class CopyOptions:
    """Options of the copy memory problem."""

    seq_length: int = option(100, "T, the steps of silence", minimum=1, size="time")
    batch_size: int = option(32, "sequences a step", minimum=1, size="batch")
    eval_size: int = option(1000, "sequences in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("copy")
class Copy(DrawnTask):
    """The copy memory problem: repeat ten symbols after a long silence.

    Bai, Kolter & Koltun (2018), section 4: ten symbols from 1 to 8, T - 1 zeros, eleven nines; to
    answer zeros, and the ten symbols at the last ten steps: T + 20 in all. The loss is the mean
    over all steps, as there; `accuracy` is that of the last ten. Without memory the loss is at
    best 10 ln 8 / (T + 20).
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
            metrics=("loss", "accuracy"),
            vocabulary=SYMBOLS,
            labels=SYMBOLS[len(SPECIAL) :],
        )

    def baselines(self) -> dict[str, dict[str, float]]:
        return {"no memory": {"loss": SEEN * math.log(8) / (self.options.seq_length + 2 * SEEN), "accuracy": 1 / 8}}

    def summary(self) -> str:
        return f"copy memory, {self.options.seq_length} steps of silence, a new sequence every time"

    def draw(self, rng: np.random.Generator, size: int) -> Batch:
        seen = rng.integers(1, 9, (size, SEEN))
        silence = np.zeros((size, self.options.seq_length - 1), int)
        inputs = np.concatenate([seen, silence, np.full((size, SEEN + 1), 9)], 1)
        targets = np.zeros_like(inputs)
        targets[:, -SEEN:] = seen
        scored = np.zeros(inputs.shape, "float32")
        scored[:, -SEEN:] = 1
        return Batch((inputs + ZERO).astype("int32"), targets.astype("int32"), scored=scored)
