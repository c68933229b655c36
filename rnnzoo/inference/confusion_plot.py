"""Plot of a confusion matrix."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnzoo.utils import figures

MAX_NUMBERS = 20  # classes up to which numbers are written into the cells


def draw_confusion(labels: Sequence[str], confusion: Sequence[Sequence[int]], path: Path) -> None:
    """Draws counts `[actual, predicted]` as shades of the fraction of each actual class."""
    counts = np.array(confusion)
    fractions = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 3 + 0.35 * min(len(labels), 60)
    with figures.figure_file(path, figsize=(size, size)) as figure:
        axes = figure.subplots()
        axes.imshow(fractions, cmap="Greys", vmin=0, vmax=1)
        names = [figures.label_text(label) for label in labels]
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="predicted", ylabel="actual")
        if len(labels) <= MAX_NUMBERS:
            for (i, j), count in np.ndenumerate(counts):
                color = "white" if fractions[i, j] > 0.5 else "black"
                axes.text(j, i, str(count), ha="center", va="center", color=color, fontsize="small")
