"""The embedded Reber grammar: predict every symbol that may come next."""

import dataclasses

import numpy as np

from rnnzoo.config import option
from rnnzoo.registry import TASKS
from rnnzoo.spec import BOUNDARY, PAD, SPECIAL, TaskSpec
from rnnzoo.tasks.base import Batch, DrawnTask

SYMBOLS = (*SPECIAL, *"BTPSXVE")
# the inner grammar: state to its two ways on, (symbol, next state); a way to None ends it
GRAMMAR = {
    0: (("T", 1), ("P", 2)),
    1: (("S", 1), ("X", 3)),
    2: (("T", 2), ("V", 4)),
    3: (("X", 2), ("S", None)),
    4: (("P", 3), ("V", None)),
}


@dataclasses.dataclass(frozen=True)
class ReberOptions:
    """Options of the embedded Reber grammar."""

    batch_size: int = option(32, "strings a step", minimum=1, size="batch")
    max_length: int = option(50, "longest string; longer ones are drawn again", minimum=20, size="time")
    eval_size: int = option(512, "strings in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("reber")
class Reber(DrawnTask):
    """The embedded Reber grammar: predict all symbols that may come next.

    A string is B, T or P, a Reber string, the same T or P again, E; the second T or P has to be
    remembered across the string between (Smith & Zipser 1989; Hochreiter & Schmidhuber 1997,
    section 5.1). Trained on the symbol that came; `accuracy` is the fraction of strings at whose
    every step the likeliest symbols are just the legal ones.
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
            metrics=("loss", "perplexity", "accuracy"),
            vocabulary=SYMBOLS,
        )

    def summary(self) -> str:
        return f"embedded Reber grammar, strings of up to {self.options.max_length} symbols, new ones every time"

    def draw(self, rng: np.random.Generator, size: int) -> Batch:
        longest = self.options.max_length
        inputs, targets = np.full((2, size, longest), PAD, "int32")
        legal = np.zeros((size, longest, len(SYMBOLS)), bool)
        for row in range(size):
            steps = embedded_string(rng, longest)
            ids = [SYMBOLS.index(symbol) for symbol, _ in steps]
            inputs[row, : len(ids)] = [BOUNDARY, *ids[:-1]]
            targets[row, : len(ids)] = ids
            for t, (_, others) in enumerate(steps):
                legal[row, t, [SYMBOLS.index(symbol) for symbol in others]] = True
        return Batch(inputs, targets, weights=(targets != PAD).astype("float32"), legal=legal)


def embedded_string(rng: np.random.Generator, longest: int) -> list[tuple[str, str]]:
    """A string as `(symbol, symbols that were legal)` at each step, at most `longest` of them."""
    while True:
        outer = "TP"[rng.integers(2)]
        inner: list[tuple[str, str]] = [("B", "B")]
        state: int | None = 0
        while state is not None and len(inner) < longest:
            ways = GRAMMAR[state]
            symbol, state = ways[rng.integers(2)]
            inner.append((symbol, "".join(way[0] for way in ways)))
        string = [("B", "B"), (outer, "TP"), *inner, ("E", "E"), (outer, outer), ("E", "E")]
        if state is None and len(string) <= longest:
            return string
