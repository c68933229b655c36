"""Hochreiter & Schmidhuber (1997): the adding problem, T = 100 and 500.

The output is the sum of two marked numbers in a sequence of T to 1.1 T steps; it is wrong if its error is 0.04 or more.

Published (table 7; batch 1, gradient descent, 93 weights): LSTM, T = 100: 74,000 sequences, 1 of 2,560 wrong at most;
T = 500: 209,000, none wrong. Here: `--task=adding --variant=hs97`, 32 units, batches of 20, Adam with learning rate
0.01, at most as many sequences as published. Models: the LSTM without forget gate and with input gates that are nearly
closed at first, as published (biases -3 and -6; here from -6 to -1); the same with open input gates; the LSTM with
forget gate; Elman's network. Training ends when at most 1 of 2,560 validation sequences is wrong, tested every 3,000
sequences; the errors are those of 2,560 test sequences. Seeds 0 to 2.

Measured: input gates closed at first, T = 100: 3 of 3 runs in 18,000 sequences, 1, 0 and 2 wrong; T = 500: 3 of 3 in
33,000, 0, 0 and 3 wrong; open, T = 100: 1 of 3 in 42,000; with forget gate, and Elman's network, never. Results vary
with the order in which threads add: another run took 29,000 at T = 500, none wrong. 307 s:
`python -m experiments.adding`.
"""

from typing import Any

import numpy as np

import rnnzoo
from experiments.common import Result, create_trainer, main, train_until

BATCH_SIZE, LEARNING_RATE, UNITS, EVAL_EVERY = 20, 0.01, 32, 3000
NO_FORGET_GATE = {"forget_gate": False}
CASES = (
    ("lstm, no forget gate, input gates closed", "lstm", NO_FORGET_GATE, 100, 74_000),
    ("lstm, no forget gate", "lstm", NO_FORGET_GATE, 100, 74_000),
    ("lstm", "lstm", {}, 100, 74_000),
    ("elman", "elman", {}, 100, 74_000),
    ("lstm, no forget gate, input gates closed", "lstm", NO_FORGET_GATE, 500, 209_000),
)


def close_input_gates(model: Any) -> None:
    """Sets the biases of the input gates from -6 to -1, so that they are nearly closed at first."""
    bias = model.core.recurrent_layers[0].cell.bias
    bias.assign(np.concatenate([np.linspace(-6, -1, UNITS), bias.numpy()[UNITS:]]))


def run(quick: bool) -> Result:
    """Measures the training sequences until a run solves the task, and the errors after training."""
    rows = []
    for name, model, options, length, max_sequences in CASES[:1] if quick else CASES:
        length, max_sequences, size = (20, 2_000, 256) if quick else (length, max_sequences, 2560)
        num_sequences, metrics = [], []
        for seed in range(1 if quick else 3):
            task = rnnzoo.create_task(
                "adding", variant="hs97", seq_length=length, eval_size=size, batch_size=BATCH_SIZE
            )
            steps, options = max_sequences // BATCH_SIZE, {"units": UNITS, **options}
            trainer = create_trainer(model, task, steps, LEARNING_RATE, seed=seed, options=options)
            if "closed" in name:
                close_input_gates(trainer.model)
            count, _ = train_until(trainer, lambda m: m["accuracy"] >= 1 - 1.5 / 2560, EVAL_EVERY // BATCH_SIZE)
            num_sequences.append(count)
            metrics.append(trainer.evaluate("test"))
        solved = [n for n in num_sequences if n]
        mean = round(float(np.mean(solved))) if solved else None
        wrong = ", ".join(str(round((1 - f["accuracy"]) * size)) for f in metrics)
        mse = float(np.mean([f["mse"] for f in metrics]))
        num_solved = f"{len(solved)} of {len(num_sequences)}"
        rows.append((name, length, trainer.model.count_params(), num_solved, mean, wrong, mse))
    return Result(
        ("model", "T", "weights", "runs that solve it", "sequences, mean of those", f"wrong of {size:,}", "mse"),
        rows,
        {},
        "Published: LSTM 74,000 (T = 100), 209,000 (T = 500). Always predicting the mean has an mse of 0.042.",
    )


if __name__ == "__main__":
    main("adding", run)
