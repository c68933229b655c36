"""Elman (1990): letters that say how many follow, ba, dii, guuu.

Consonants b, d, g come at random; each is followed by its own vowel once, twice or three times. Letters are six
features; the network predicts the next letter's. Which consonant comes cannot be known, but that one comes can: the
error of "consonant" should stay low throughout, that of "high", in which consonants differ, be high at them only.

Elman: 6-20-6 units, 200 passes over 2,993 letters, one by one, one-step truncated gradient; published as figures. Here:
32 streams, windows of 40 letters, Adam, cross-entropy of each feature, both kinds of gradient; 3 seeds.

Measured, gradient cut: at consonants 0.003 for the feature "consonant", 0.225 for "high"; 0.001 at vowels.
Seeds 0 to 2, 21 s: `python -m experiments.elman_letters`.
"""

from typing import Any

import numpy as np

from experiments.common import Drawn, Found, main, train
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


def letters(rng: np.random.Generator) -> str:
    """Enough letters for a window."""
    return "".join(WORDS[i] for i in rng.integers(0, 3, WINDOW))[: WINDOW + 1]


def draw(rng: np.random.Generator, size: int) -> Batch:
    """Features of the letters, and of the next letter at each step."""
    coded = np.array([[LETTERS[letter] for letter in letters(rng)] for _ in range(size)], "float32")
    return Batch(coded[:, :-1], coded[:, 1:])


def run(quick: bool) -> Found:
    """Errors at consonants and at vowels, of all features, of one that says the kind, of one that says which."""
    spec = TaskSpec("features", "vector", True, 6, 6, "binary_cross_entropy", next_input=True)
    task = Drawn(spec, draw, 32, 128)
    rows, shown = [], None
    for truncate in (1, 0):
        found = []
        for seed in range(1 if quick else 3):
            options = {"units": 20, "activation": "sigmoid", "truncate": truncate}
            model = train("elman", task, 100 if quick else STEPS, 0.01, seed=seed, options=options).model
            batch = next(task.evaluation("test"))
            error = (1 / (1 + np.exp(-model(batch.inputs).numpy())) - batch.targets) ** 2
            at = batch.targets[:, 3:, 0] == 1  # of what is predicted
            kind, which = FEATURES.index("consonant"), FEATURES.index("high")
            late = error[:, 3:]
            found.append([late[at].mean(), late[~at].mean(), late[at][:, kind].mean(), late[at][:, which].mean()])
            shown = shown or (error[0], batch.targets[0])
        rows.append((truncate or "all", *map(float, np.mean(found, 0))))
    return Found(
        ("gradient goes back", "error at consonants", "at vowels", "at consonants, feature consonant", "feature high"),
        rows,
        {"elman_letters": lambda figure: picture(figure, *shown)},
        "Mean squared error of a feature, from the fourth letter on.",
    )


def picture(figure: Any, error: np.ndarray, targets: np.ndarray) -> None:
    """The error by letter, of all features and of two."""
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
        xlabel="letter that is predicted", ylabel="squared error", title="ba, dii, guuu (gradient cut after one step)"
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


if __name__ == "__main__":
    main("elman_letters", run)
