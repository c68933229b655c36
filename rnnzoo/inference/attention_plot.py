"""Plot of attention weights."""

from pathlib import Path

import numpy as np

from rnnzoo.utils import figures


def draw_attention(attention: np.ndarray, source: list[str], target: list[str], path: Path) -> None:
    """Draws attention weights `[time, source_time]`: a row for each output token, a column for each source token.

    Raises:
        UserError: matplotlib (extra `plot`) is not installed.
    """
    rows, columns = len([t for t in target if t]) + 1, len([s for s in source if s])
    labels = [[_label(token) for token in tokens] for tokens in (target[: rows - 1], source[:columns])]
    with figures.figure_file(path, figsize=(2 + 0.28 * columns, 1.6 + 0.28 * rows)) as figure:
        axes = figure.subplots()
        image = axes.imshow(attention[:rows, :columns], cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(columns), labels[1], rotation=90 if max(map(len, labels[1]), default=0) > 1 else 0)
        axes.set_yticks(range(rows), [*labels[0], "(end)"])
        axes.set(xlabel="source", ylabel="output", title="Attention weights")
        axes.xaxis.tick_top()
        figure.colorbar(image, ax=axes, label="attention weight")


def _label(token: str) -> str:
    return figures.label_text("␣" if token == " " else token)
