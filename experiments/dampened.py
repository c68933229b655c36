"""Dampened recurrence: the memory of a network whose only feedback is its last activation times lambda.

    a_t = sigma(x_t W + lambda a_{t-1} + b)

Three tasks of increasing difficulty: output the previous symbol (copy-last), the symbol of five steps ago (echo), and
the sum of two marked numbers out of 20 (adding). Models: lambda fixed from 0 to 1, and learned from 0.5; for comparison
a feedforward network with a window of 6 inputs, enough for echo, and Elman's network. 64 units each, Adam, 800 steps of
32 sequences; 2 seeds.

There is no published result; chance is 0.125 for the symbols, an mse of 0.167 for the sum.

Measured: accuracy of echo 0.13 with lambda 0, 0.40 with 1, 0.36 with a learned lambda, 1.00 with Elman's network; 132
s: `python -m experiments.dampened`.
"""

from typing import Any

import numpy as np

import rnnzoo
from experiments.common import Result, SampledTask, main, train
from rnnzoo.data.batch import Batch
from rnnzoo.spec import SPECIAL_TOKENS, TaskSpec

SYMBOLS = (*SPECIAL_TOKENS, *"abcdefgh")
LENGTH, STEPS, UNITS = 20, 800, 64
LAMBDAS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)


def create_echo_task(delay: int) -> SampledTask:
    """Creates a task whose target at each step is the symbol of `delay` steps ago."""

    def sample(rng: np.random.Generator, size: int) -> Batch:
        ids = rng.integers(0, 8, (size, LENGTH))
        targets = np.pad(ids, [[0, 0], [delay, 0]])[:, :LENGTH]
        weights = np.broadcast_to(np.arange(LENGTH) >= delay, ids.shape).astype("float32")
        return Batch((ids + len(SPECIAL_TOKENS)).astype("int32"), targets.astype("int32"), weights=weights)

    metrics = ("loss", "accuracy")
    spec = TaskSpec("tokens", "class", True, len(SYMBOLS), 8, "cross_entropy", metrics, SYMBOLS)
    return SampledTask(spec, sample, 32, 256)


def list_networks() -> list[tuple[str, str, dict[str, Any]]]:
    """Returns name, model and options of each network."""
    networks: list[tuple[str, str, dict[str, Any]]] = [("feedforward", "feedforward", {"context": 6})]
    networks += [(f"lambda = {value}", "dampened", {"dampening": value, "activation": "tanh"}) for value in LAMBDAS]
    learned = {"dampening": 0.5, "trainable_dampening": True, "activation": "tanh"}
    return [*networks, ("lambda learned", "dampened", learned), ("elman", "elman", {})]


def run(quick: bool) -> Result:
    """Measures two accuracies and an error for each network."""
    rows = []
    tasks = {
        "copy-last": create_echo_task(1),
        "echo 5": create_echo_task(5),
        "adding": rnnzoo.create_task("adding", seq_length=LENGTH, eval_size=512, batch_size=32),
    }
    networks = list_networks()
    for name, model, options in [networks[i] for i in (0, 1, -2, -1)] if quick else networks:
        cells: list[float] = []
        for label, task in tasks.items():
            scores = []
            for seed in range(1 if quick else 2):
                steps = 20 if quick else STEPS
                options = {"units": UNITS, "embedding": 16, **options}
                trainer = train(model, task, steps, 0.005, seed=seed, options=options)
                scores.append(trainer.evaluate("test")["mse" if label == "adding" else "accuracy"])
                if name == "lambda learned" and seed == 0:
                    cells.append(float(trainer.model.core.recurrent_layers[0].cell.dampening.numpy()))
            cells.append(float(np.mean(scores)))
        learned = [cells.pop(i) for i in (4, 2, 0)] if name == "lambda learned" else []
        rows.append((name + (f" ({', '.join(f'{v:.2f}' for v in learned[::-1])})" if learned else ""), *cells))
    return Result(
        ("network", "copy-last, accuracy", "echo of 5 steps ago, accuracy", "adding, mse"),
        rows,
        {"dampened": lambda figure: draw_figure(figure, rows)},
        summarize(rows),
    )


def summarize(rows: list[tuple]) -> str:
    """Returns a summary of the results."""
    scores = {row[0].partition(" (")[0]: row[1:] for row in rows}
    fixed = [scores[name] for name in scores if name.startswith("lambda =")]
    copied, echoed = (max(row[i] for row in fixed) for i in (0, 1))
    _, elman, added = scores["elman"]
    best = min(row[2] for row in fixed)
    return (
        "Chance: 0.125, 0.125, 0.167; the learned lambda is given with its values in the three tasks. With lambda "
        "above 0 the network remembers the last symbol "
        f"(accuracy {copied:.2f}; with 0, {scores['lambda = 0.0'][0]:.2f}). But a unit that feeds back only to itself "
        f"decays or accumulates: for the symbol of five steps ago the best lambda has an accuracy of {echoed:.2f}, "
        f"Elman's network of {elman:.2f}. Neither learns the sum of two marked numbers in these steps: the mse is "
        f"{best:.3f} at best, Elman's {added:.3f}."
    )


def draw_figure(figure: Any, rows: list[tuple]) -> None:
    """Draws the scores by lambda, and those of the other networks as horizontal lines."""
    figure.set_size_inches(11, 3.6)
    panels = figure.subplots(1, 3)
    fixed = [row for row in rows if row[0].startswith("lambda =")]
    titles = ("copy-last", "echo of 5 steps ago", "adding, 20 steps")
    for column, (axes, title) in enumerate(zip(panels, titles, strict=True), 1):
        axes.plot(
            [float(row[0].split("=")[1]) for row in fixed], [row[column] for row in fixed], "k-o", label="dampened"
        )
        for row, style in zip([r for r in rows if not r[0].startswith("lambda =")], (":", "-.", "--"), strict=False):
            axes.axhline(row[column], color="0.3", linestyle=style, label=row[0].partition(" (")[0])
        axes.axhline(0.167 if column == 3 else 0.125, color="0.8", linewidth=3, zorder=0, label="chance")
        axes.set(xlabel="lambda", ylabel="mse" if column == 3 else "accuracy", title=title)
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize="x-small")


if __name__ == "__main__":
    main("dampened", run)
