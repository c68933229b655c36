"""Hochreiter & Schmidhuber (1997): temporal order, task 6a.

Two symbols, X or Y, at steps 10-20 and 50-60 of 100-110 steps of distractors; which came, and in which order?

Published (table 9; batch 1, gradient descent, 156 weights, no forget gate): LSTM 31,390 sequences, 1 of 2,560 wrong
at most. Here: `--task=temporal_order`, batches of 50, Adam with learning rate 0.01; the LSTM without and with forget
gate, GRU and Elman's network; until at most 1 of 2,560 validation sequences is wrong, 31,390 at most. 3 seeds.

Measured: LSTM without forget gate 3 of 3 in 10,333 sequences, GRU 3 of 3 in 4,000; LSTM with it and Elman's network
none. 256 units, seeds 0 to 2, 571 s beside other work: `python -m experiments.temporal_order`.
"""

import numpy as np

import rnnzoo
from experiments.common import Found, main, trainer, until

CASES = (
    ("lstm, no forget gate", "lstm", {"forget_gate": False}),
    ("lstm", "lstm", {}),
    ("gru", "gru", {}),
    ("elman", "elman", {}),
)
MOST, UNITS = 31_390, 256


def run(quick: bool) -> Found:
    """Sequences that it took."""
    rows = []
    for name, model, options in CASES[:1] if quick else CASES:
        needed, accuracy = [], []
        for seed in range(1 if quick else 3):
            task = rnnzoo.create_task(
                "temporal_order", eval_size=256 if quick else 2560, seq_length=20 if quick else 100
            )
            made = trainer(
                model, task, 20 if quick else MOST // 50, 0.01, seed=seed, options={"units": UNITS, **options}
            )
            needed.append(until(made, lambda found: found["accuracy"] >= 1 - 1.5 / 2560, 20)[0])
            accuracy.append(made.evaluate("test")["accuracy"])
        solved = [n for n in needed if n]
        mean = round(float(np.mean(solved))) if solved else None
        rows.append((name, f"{len(solved)} of {len(needed)}", mean, float(np.mean(accuracy))))
    head = ("model", "runs that solve it", "sequences, mean of those", "test accuracy, mean of all")
    return Found(head, rows, {}, "Published: LSTM without forget gate 31,390 sequences.")


if __name__ == "__main__":
    main("temporal_order", run)
