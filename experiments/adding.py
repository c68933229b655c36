"""Hochreiter & Schmidhuber (1997): the adding problem, T = 100 and 500.

The sum of two marked numbers in a sequence of T to 1.1 T steps; an output is wrong from an error of 0.04 on.

Published (table 7; batch 1, gradient descent, 93 weights): LSTM, T = 100: 74,000 sequences, 1 of 2,560 wrong at most;
T = 500: 209,000, none wrong. Here: `--task=adding --variant=hs97`, batches of 50, Adam, as many sequences at most as
were published; LSTM with the forget gate, its bias at 1; Elman's network beside it. Trained until at most 1 of 2,560
validation sequences is wrong; measured on 2,560 others. One seed for each.
"""

import rnnzoo
from experiments.common import Found, main, trainer, until

CASES = (("lstm", 100, 74_000, 32), ("gru", 100, 74_000, 32), ("elman", 100, 74_000, 32))
CASES += (("lstm", 500, 209_000, 32), ("gru", 500, 209_000, 32))


def run(quick: bool) -> Found:
    """Sequences that it took, and what is wrong then."""
    rows = []
    for model, length, most, units in CASES[:1] if quick else CASES:
        length, most = (20, 2_000) if quick else (length, most)
        task = rnnzoo.create_task("adding", variant="hs97", seq_length=length, eval_size=256 if quick else 2560)
        made = trainer(model, task, most // 50, 0.005, options={"units": units})
        needed, _ = until(made, lambda found: found["accuracy"] >= 1 - 1.5 / 2560, 20 if quick else 60)
        found = made.evaluate("test")
        wrong = round((1 - found["accuracy"]) * task.options.eval_size)
        rows.append(
            (model, length, made.model.count_params(), needed, f"{wrong} of {task.options.eval_size:,}", found["mse"])
        )
    return Found(
        ("model", "T", "weights", "sequences until solved", "wrong on the test", "mse"),
        rows,
        {},
        "Published: LSTM 74,000 (T = 100), 209,000 (T = 500). Always answering the mean has an mse of 0.042.",
    )


if __name__ == "__main__":
    main("adding", run)
