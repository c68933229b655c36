"""The naive network that adds a dampened copy of its last activation: what lambda can and cannot do.

    a_t = sigma(x_t W + lambda a_{t-1} + b)

Is it "something along that direction", as introductions say of it? Three tasks, of which each asks for more: to say the
symbol before the last (copy-last), the one of five steps ago (echo), and to add two marked numbers of 20 (adding). The
network with lambda from 0 to 1, fixed, and learned from 0.5; beside it a feedforward network of a window of 6 inputs,
which sees all that echo needs, and Elman's network. 64 units each, Adam, 800 steps of 32 sequences; 2 seeds.

There is no published figure; chance is 0.125 for the symbols, an mse of 0.167 for the sum.

Measured: echo of five steps ago 0.13 right with lambda 0, 0.40 with 1, 0.36 where it is learned, 1.00 by Elman;
132 s: `python -m experiments.dampened`.
"""

from typing import Any

import numpy as np

import rnnzoo
from experiments.common import Drawn, Found, main, train
from rnnzoo.data.batch import Batch
from rnnzoo.spec import SPECIAL_TOKENS, TaskSpec

SYMBOLS = (*SPECIAL_TOKENS, *"abcdefgh")
LENGTH, STEPS, UNITS = 20, 800, 64
LAMBDAS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)


def echo(delay: int) -> Drawn:
    """Say at each step the symbol of `delay` steps ago."""

    def draw(rng: np.random.Generator, size: int) -> Batch:
        ids = rng.integers(0, 8, (size, LENGTH))
        targets = np.pad(ids, [[0, 0], [delay, 0]])[:, :LENGTH]
        weights = np.broadcast_to(np.arange(LENGTH) >= delay, ids.shape).astype("float32")
        return Batch((ids + len(SPECIAL_TOKENS)).astype("int32"), targets.astype("int32"), weights=weights)

    metrics = ("loss", "accuracy")
    spec = TaskSpec("tokens", "class", True, len(SYMBOLS), 8, "cross_entropy", metrics, SYMBOLS)
    return Drawn(spec, draw, 32, 256)


def networks() -> list[tuple[str, str, dict[str, Any]]]:
    """Names, models and options."""
    found: list[tuple[str, str, dict[str, Any]]] = [("feedforward", "feedforward", {"context": 6})]
    found += [(f"lambda = {value}", "dampened", {"dampening": value, "activation": "tanh"}) for value in LAMBDAS]
    learned = {"dampening": 0.5, "trainable_dampening": True, "activation": "tanh"}
    return [*found, ("lambda learned", "dampened", learned), ("elman", "elman", {})]


def run(quick: bool) -> Found:
    """A row for each network: two accuracies and an error."""
    rows = []
    tasks = {
        "copy-last": echo(1),
        "echo 5": echo(5),
        "adding": rnnzoo.create_task("adding", seq_length=LENGTH, eval_size=512, batch_size=32),
    }
    for name, model, options in (networks()[i] for i in ((0, 1, -2, -1) if quick else range(len(networks())))):
        cells: list[float] = []
        for label, task in tasks.items():
            scores = []
            for seed in range(1 if quick else 2):
                steps = 20 if quick else STEPS
                made = train(model, task, steps, 0.005, seed=seed, options={"units": UNITS, "embedding": 16, **options})
                scores.append(made.evaluate("test")["mse" if label == "adding" else "accuracy"])
                if name == "lambda learned" and seed == 0:
                    cells.append(float(made.model.core.recurrent_layers[0].cell.dampening.numpy()))
            cells.append(float(np.mean(scores)))
        learned = [cells.pop(i) for i in (4, 2, 0)] if name == "lambda learned" else []
        rows.append((name + (f" ({', '.join(f'{v:.2f}' for v in learned[::-1])})" if learned else ""), *cells))
    return Found(
        ("network", "copy-last, accuracy", "echo of 5 steps ago, accuracy", "adding, mse"),
        rows,
        {"dampened": lambda figure: picture(figure, rows)},
        answer(rows),
    )


def answer(rows: list[tuple]) -> str:
    """Whether it is something along that direction."""
    scores = {row[0].partition(" (")[0]: row[1:] for row in rows}
    fixed = [scores[name] for name in scores if name.startswith("lambda =")]
    copied, echoed = (max(row[i] for row in fixed) for i in (0, 1))
    _, elman, added = scores["elman"]
    best = min(row[2] for row in fixed)
    return (
        "Chance: 0.125, 0.125, 0.167; of the learned lambda its value in the three tasks is given. Something along "
        f"that direction it is: with lambda above 0 it knows the last symbol ({copied:.2f} right; with 0, "
        f"{scores['lambda = 0.0'][0]:.2f}). But a unit that keeps only itself fades or adds up, it does not pass on: "
        f"of five steps ago the best lambda has {echoed:.2f} right, Elman's network {elman:.2f}. Of two marked numbers "
        f"neither learns the sum in so many steps: an mse of {best:.3f} at best, Elman's {added:.3f}."
    )


def picture(figure: Any, rows: list[tuple]) -> None:
    """Scores by lambda, with the other networks as lines across."""
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
