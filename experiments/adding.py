"""Hochreiter & Schmidhuber (1997): the adding problem, T = 100 and 500.

The sum of two marked numbers in a sequence of T to 1.1 T steps; an output is wrong from an error of 0.04 on.

Published (table 7; batch 1, gradient descent, 93 weights): LSTM, T = 100: 74,000 sequences, 1 of 2,560 wrong at most;
T = 500: 209,000, none wrong. Here: `--task=adding --variant=hs97`, 32 units, batches of 20, Adam with learning rate
0.01, as many sequences at most as were published; the LSTM without forget gate as theirs, with it, and Elman's network.
Trained until at most 1 of 2,560 validation sequences is wrong; measured on 2,560 others. Seed 0.

Measured: T = 100, LSTM without forget gate 48,000 sequences, 2 of 2,560 wrong; with it, and Elman's network, never; T =
500 not within 209,000. 211 s: `python -m experiments.adding`.
"""

import rnnzoo
from experiments.common import Found, main, trainer, until

BATCH, RATE, UNITS = 20, 0.01, 32
CASES = (
    ("lstm, no forget gate", "lstm", {"forget_gate": False}, 100, 74_000),
    ("lstm", "lstm", {}, 100, 74_000),
    ("elman", "elman", {}, 100, 74_000),
    ("lstm, no forget gate", "lstm", {"forget_gate": False}, 500, 209_000),
)


def run(quick: bool) -> Found:
    """Sequences that it took, and what is wrong then."""
    rows = []
    for name, model, options, length, most in CASES[:1] if quick else CASES:
        length, most, size = (20, 2_000, 256) if quick else (length, most, 2560)
        task = rnnzoo.create_task("adding", variant="hs97", seq_length=length, eval_size=size, batch_size=BATCH)
        made = trainer(model, task, most // BATCH, RATE, options={"units": UNITS, **options})
        needed, _ = until(made, lambda found: found["accuracy"] >= 1 - 1.5 / 2560, 150)
        found = made.evaluate("test")
        wrong = round((1 - found["accuracy"]) * size)
        rows.append((name, length, made.model.count_params(), needed, f"{wrong} of {size:,}", found["mse"]))
    return Found(
        ("model", "T", "weights", "sequences until solved", "wrong on the test", "mse"),
        rows,
        {},
        "Published: LSTM 74,000 (T = 100), 209,000 (T = 500). Always answering the mean has an mse of 0.042.",
    )


if __name__ == "__main__":
    main("adding", run)
