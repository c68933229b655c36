"""The task `reber`: the embedded Reber grammar."""

import dataclasses

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import Batch
from rnnzoo.registry import TASKS
from rnnzoo.spec import BOS, PAD, SPECIAL_TOKENS, TaskSpec
from rnnzoo.tasks.base import SyntheticTask

SYMBOLS = (*SPECIAL_TOKENS, *"BTPSXVE")
# the inner grammar: the two transitions of each state, (symbol, next state); None is the end
GRAMMAR = {
    0: (("T", 1), ("P", 2)),
    1: (("S", 1), ("X", 3)),
    2: (("T", 2), ("V", 4)),
    3: (("X", 2), ("S", None)),
    4: (("P", 3), ("V", None)),
}


@dataclasses.dataclass(frozen=True)
class ReberOptions:
    """Options of the task `reber`."""

    batch_size: int = option(32, "strings in a batch", minimum=1, size="batch")
    max_length: int = option(50, "length of the longest string; longer ones are rejected", minimum=20, size="time")
    eval_size: int = option(512, "strings in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("reber")
class Reber(SyntheticTask):
    """The embedded Reber grammar: predict all symbols that are legal next.

    A string is B, T or P, a Reber string, the same T or P again, E; the second T or P has to be remembered across
    the inner string (Smith & Zipser 1989; Hochreiter & Schmidhuber 1997, section 5.1). The targets are the actual next
    symbols. `accuracy` is the fraction of strings in which, at every step, the most probable symbols are exactly the
    legal ones.
    """

    training_defaults = {"steps": 1500, "learning_rate": 5e-3}

    def __init__(self, options: ReberOptions):
        self.options = options
        self.spec = TaskSpec(
            inputs="tokens",
            outputs="token",
            per_step=True,
            input_size=len(SYMBOLS),
            output_size=len(SYMBOLS),
            loss="cross_entropy",
            metrics=("accuracy", "perplexity"),
            vocabulary=SYMBOLS,
        )

    def summary(self) -> str:
        return (
            f"embedded Reber grammar, strings of up to {self.options.max_length} symbols, generated anew for every step"
        )

    def sample_batch(self, rng: np.random.Generator, size: int) -> Batch:
        max_length = self.options.max_length
        inputs, targets = np.full((2, size, max_length), PAD, "int32")
        allowed = np.zeros((size, max_length, len(SYMBOLS)), bool)
        for row in range(size):
            steps = sample_string(rng, max_length)
            ids = [SYMBOLS.index(symbol) for symbol, _ in steps]
            inputs[row, : len(ids)] = [BOS, *ids[:-1]]
            targets[row, : len(ids)] = ids
            for t, (_, legal) in enumerate(steps):
                allowed[row, t, [SYMBOLS.index(symbol) for symbol in legal]] = True
        return Batch(inputs, targets, weights=(targets != PAD).astype("float32"), allowed_outputs=allowed)


def sample_string(rng: np.random.Generator, max_length: int) -> list[tuple[str, str]]:
    """Samples a string of at most `max_length` symbols, as `(symbol, legal symbols)` at each step."""
    while True:
        outer = "TP"[rng.integers(2)]
        inner: list[tuple[str, str]] = [("B", "B")]
        state: int | None = 0
        while state is not None and len(inner) < max_length:
            transitions = GRAMMAR[state]
            symbol, state = transitions[rng.integers(2)]
            inner.append((symbol, "".join(symbol for symbol, _ in transitions)))
        string = [("B", "B"), (outer, "TP"), *inner, ("E", "E"), (outer, outer), ("E", "E")]
        if state is None and len(string) <= max_length:
            return string
