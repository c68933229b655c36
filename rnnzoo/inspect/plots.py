"""Drawing functions shared by the reports: line styles without colour, token labels, heat maps, dendrograms."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.utils import figures

Figure = Any  # matplotlib.figure.Figure, which may not be installed
LINES: list[dict[str, Any]] = [
    {"color": color, "linestyle": line, "marker": marker, "markersize": 4}
    for (color, line), marker in zip(
        itertools.product(("0.0", "0.5", "0.3"), ("-", "--", ":", "-.")), "os^vDxPp<>*d", strict=True
    )
]
MAX_LABELS = 120  # along an axis


def save_figure(draw: Callable[[Figure], None], path: Path) -> None:
    """Draws a new figure and writes it. Raises `UserError` without matplotlib (extra `plot`)."""
    with figures.figure_file(path, dpi=110) as figure:
        draw(figure)


def token_label(token: str) -> str:
    """Returns the label of a token."""
    return figures.label_text({" ": "␣", "\n": "↵", "\t": "⇥"}.get(token, token))


def label_time_axis(axes: Any, tokens: Sequence[str], steps: int) -> None:
    """Labels the horizontal axis with the tokens of a text, or with numbers."""
    if tokens and len(tokens) <= MAX_LABELS:
        labels = [token_label(token) for token in tokens]
        axes.set_xticks(range(len(labels)), labels, rotation=90 if max(map(len, labels)) > 3 else 0, fontsize=7)
    else:
        axes.locator_params(axis="x", integer=True)
    axes.set_xlim(-0.5, steps - 0.5)


def draw_heat_map(axes: Any, values: np.ndarray, low: float, high: float) -> Any:
    """Draws a heat map of `[rows, columns]`, black for the highest value."""
    return axes.imshow(values, cmap="Greys", vmin=low, vmax=high, aspect="auto", interpolation="nearest")


def average_linkage(points: np.ndarray) -> list[tuple[int, int, float]]:
    """Clusters points by average linkage; returns the joined pairs in their order, with their distance.

    Points are numbered from 0, joined pairs from the number of points.
    """
    distance = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    np.fill_diagonal(distance, np.inf)
    numbers, sizes, joined = list(range(len(points))), [1] * len(points), []
    while len(numbers) > 1:
        i, j = sorted(np.unravel_index(distance.argmin(), distance.shape))
        joined.append((*sorted((numbers[i], numbers[j])), float(distance[i, j])))
        mean = (sizes[i] * distance[i] + sizes[j] * distance[j]) / (sizes[i] + sizes[j])
        distance[i] = distance[:, i] = mean
        distance[i, i] = np.inf
        distance = np.delete(np.delete(distance, j, 0), j, 1)
        sizes[i] += sizes.pop(j)
        numbers[i] = len(points) + len(joined) - 1
        numbers.pop(j)
    return joined


def draw_dendrogram(axes: Any, names: Sequence[str], joined: list[tuple[int, int, float]]) -> None:
    """Draws the tree of clusters, its leaves along the vertical axis."""
    order = _leaves(len(names) + len(joined) - 1, len(names), joined)
    positions: dict[int, tuple[float, float]] = {leaf: (0.0, float(i)) for i, leaf in enumerate(order)}
    for number, (a, b, height) in enumerate(joined, len(names)):
        (xa, ya), (xb, yb) = positions[a], positions[b]
        axes.plot([xa, height, height, xb], [ya, ya, yb, yb], color="black", linewidth=0.9)
        positions[number] = (height, (ya + yb) / 2)
    axes.set_yticks(range(len(order)), [token_label(names[leaf]) for leaf in order], fontsize=8)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.invert_xaxis()
    axes.yaxis.tick_right()
    axes.set(xlabel="distance of the mean states (average linkage)")


def _leaves(root: int, count: int, joined: list[tuple[int, int, float]]) -> list[int]:
    leaves, stack = [], [root]
    while stack:
        node = stack.pop()
        if node < count:
            leaves.append(node)
        else:
            stack += [joined[node - count][1], joined[node - count][0]]
    return leaves
