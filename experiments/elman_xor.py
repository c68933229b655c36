"""Elman (1990): temporal exclusive or.

A sequence of bits in which two random bits are followed by their exclusive or. A network with one input and one output
predicts the next bit; only every third bit can be predicted, so the error should be lower there.

Elman: 1-2-1 units, 600 passes over 3,000 bits, one by one, one-step truncated gradient; published as a figure in which
the error is lower at every third bit. Here: batches of 32 windows of 30 bits, each from a zero state, Adam,
cross-entropy; 2 hidden units as published, and 8, with truncated (`truncate=1`) and full gradient; 5 seeds.

Measured: 0.219 at the third bit with 2 units and truncated gradient, 0.087 with 8; with full gradient 0.163 and 0.002;
0.25 to 0.27 at the other bits. Seeds 0 to 4, 75 s: `python -m experiments.elman_xor`.
"""

from typing import Any

import numpy as np

from experiments.common import Result, SampledTask, main, train
from rnnzoo.data.batch import Batch
from rnnzoo.spec import TaskSpec

STEPS, WINDOW = 1500, 30


def sample_batch(rng: np.random.Generator, size: int) -> Batch:
    """Samples windows of bits, and the next bit at each step."""
    first = rng.integers(0, 2, (size, WINDOW // 3 + 1, 2))
    bits = np.concatenate([first, first[:, :, :1] ^ first[:, :, 1:]], 2).reshape(size, -1).astype("float32")
    return Batch(bits[:, :WINDOW, None], bits[:, 1 : WINDOW + 1, None])


def run(quick: bool) -> Result:
    """Measures the error by the position of the predicted bit among three."""
    spec = TaskSpec("features", "vector", True, 1, 1, "binary_cross_entropy", next_input=True)
    task = SampledTask(spec, sample_batch, 32, 256)
    rows, curves = [], {}
    for units in (2, 8):
        for truncate in (1, 0):
            errors = []
            for seed in range(1 if quick else 5):
                options = {"units": units, "activation": "sigmoid", "truncate": truncate}
                trainer = train("elman", task, 200 if quick else STEPS, 0.02, seed=seed, options=options)
                errors.append(squared_error(trainer.model, task))
            best = min(errors, key=lambda e: e[1::3].mean())
            means = [float(np.mean([e[position::3].mean() for e in errors])) for position in (2, 0, 1)]
            rows.append((units, truncate or "all", *means, sum(e[1::3].mean() < 0.1 for e in errors), len(errors)))
            curves[units, truncate] = best
    return Result(
        ("hidden units", "back-propagation steps", "error, 1st bit", "2nd bit", "3rd bit", "3rd bit below 0.1", "runs"),
        rows,
        {"elman_xor": lambda figure: draw_figure(figure, curves)},
        "Squared error, a mean over runs; always predicting 0.5 gives 0.25.",
    )


def squared_error(model: Any, task: SampledTask) -> np.ndarray:
    """Returns the mean squared error of the prediction at each step."""
    batches = list(task.evaluation("test"))
    prediction = np.concatenate([1 / (1 + np.exp(-model(b.inputs).numpy()[..., 0])) for b in batches])
    return ((prediction - np.concatenate([b.targets[..., 0] for b in batches])) ** 2).mean(0)


def draw_figure(figure: Any, curves: dict) -> None:
    """Draws the error of the best run of each kind by step."""
    figure.set_size_inches(8, 4)
    axes = figure.subplots()
    styles = ("k-o", "k--s", "k:^", "k-.v")
    for style, ((units, truncate), error) in zip(styles, curves.items(), strict=True):
        gradient = f"gradient truncated after {truncate} step" if truncate else "full gradient"
        axes.plot(
            np.arange(2, len(error) + 2),
            error,
            style,
            markersize=3,
            linewidth=1,
            label=f"{units} units, {gradient}",
        )
    axes.set(xlabel="predicted bit", ylabel="mean squared error", title="Temporal exclusive or: best of the runs")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


if __name__ == "__main__":
    main("elman_xor", run)
