"""Elman (1990): letter sequences with a structured code (ba, dii, guuu).

Random consonants b, d, g, followed by one a, two i or three u. Letters are coded by six features; the network predicts
those of the next letter. The next consonant cannot be predicted, but its position can: the error of the feature
"consonant" should be low everywhere, that of "high", in which the consonants differ, large at consonants only.

Elman: 6-20-6 units, 200 passes over 2,993 letters, one by one, one-step truncated gradient; published as figures. Here:
32 streams, windows of 40 letters, Adam, cross-entropy of each feature, both kinds of gradient; 3 seeds.

Measured, truncated gradient: at consonants 0.003 for the feature "consonant", 0.225 for "high"; 0.001 at vowels. Seeds
0 to 2, 21 s: `python -m experiments.elman_letters`.
"""

from typing import Any

import numpy as np

from experiments.common import Result, SampledTask, main, train
from rnnzoo.data.batch import Batch
from rnnzoo.spec import TaskSpec

FEATURES = ("consonant", "vowel", "interrupted", "high", "back", "voiced")
LETTERS = {
    "b": (1, 0, 1, 0, 0, 1),
    "d": (1, 0, 1, 1, 0, 1),
    "g": (1, 0, 1, 0, 1, 1),
    "a": (0, 1, 0, 0, 1, 1),
    "i": (0, 1, 0, 1, 0, 1),
    "u": (0, 1, 0, 1, 1, 1),
}
WORDS = ("ba", "dii", "guuu")
WINDOW, STEPS = 40, 800


def sample_letters(rng: np.random.Generator) -> str:
    """Samples the letters of a window."""
    return "".join(WORDS[i] for i in rng.integers(0, 3, WINDOW))[: WINDOW + 1]


def sample_batch(rng: np.random.Generator, size: int) -> Batch:
    """Samples the features of letters, and of the next letter at each step."""
    features = np.array([[LETTERS[letter] for letter in sample_letters(rng)] for _ in range(size)], "float32")
    return Batch(features[:, :-1], features[:, 1:])


def run(quick: bool) -> Result:
    """Measures the errors at consonants and at vowels, of all features and of "consonant" and "high"."""
    spec = TaskSpec("features", "vector", True, 6, 6, "binary_cross_entropy", next_input=True)
    task = SampledTask(spec, sample_batch, 32, 128)
    rows, plotted = [], None
    for truncate in (1, 0):
        errors = []
        for seed in range(1 if quick else 3):
            options = {"units": 20, "activation": "sigmoid", "truncate": truncate}
            model = train("elman", task, 100 if quick else STEPS, 0.01, seed=seed, options=options).model
            batch = next(task.evaluation("test"))
            error = (1 / (1 + np.exp(-model(batch.inputs).numpy())) - batch.targets) ** 2
            late, is_consonant = error[:, 3:], batch.targets[:, 3:, 0] == 1
            consonant, high = (late[is_consonant][:, FEATURES.index(name)].mean() for name in ("consonant", "high"))
            errors.append([late[is_consonant].mean(), late[~is_consonant].mean(), consonant, high])
            plotted = plotted or (error[0], batch.targets[0])
        rows.append((truncate or "all", *map(float, np.mean(errors, 0))))
    return Result(
        (
            "back-propagation steps",
            "error at consonants",
            "at vowels",
            'at consonants, feature "consonant"',
            'feature "high"',
        ),
        rows,
        {"elman_letters": lambda figure: draw_figure(figure, *plotted)},
        "Mean squared error of a feature, from the fourth letter on.",
    )


def draw_figure(figure: Any, error: np.ndarray, targets: np.ndarray) -> None:
    """Draws the error by letter, of all features and of two single ones."""
    names = {value: letter for letter, value in LETTERS.items()}
    figure.set_size_inches(9, 4)
    axes = figure.subplots()
    for style, values, label in (
        ("k-o", error.mean(-1), "all features"),
        ("k:^", error[:, 0], "feature consonant"),
        ("k--s", error[:, 3], "feature high"),
    ):
        axes.plot(values, style, markersize=3, linewidth=1, label=label)
    axes.set_xticks(range(len(targets)), [names[tuple(map(int, t))] for t in targets])
    axes.set(
        xlabel="predicted letter", ylabel="squared error", title="ba, dii, guuu (gradient truncated after one step)"
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


if __name__ == "__main__":
    main("elman_letters", run)
