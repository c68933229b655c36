"""Hidden states over a sequence, in two dimensions, and as a tree of the symbols that they follow."""

from typing import Any

import numpy as np

from rnnzoo import figures
from rnnzoo.errors import UserError
from rnnzoo.inspect.pictures import Figure, along, clusters, draw_clusters, heat, symbol
from rnnzoo.inspect.subject import Given, Subject
from rnnzoo.inspect.trace import LayerTrace, trace

SHOWN, WORDS, POINTS = 48, 40, 30  # units, symbols in the tree, points with a name


def measure(subject: Subject, given: Given) -> dict[str, Any]:
    """Of each layer: its outputs over the first sequence, their two principal components, the tree of mean states.

    The tree is that of Elman (1990): the mean state after each symbol, over all sequences, joined by average
    linkage; the commonest symbols only.

    Raises:
        UserError: the model has no recurrent layer.
    """
    layers = {layer.name: _layer(layer, given) for layer in trace(subject.model, given)}
    if not layers:
        raise UserError(f"states do not apply: {subject.name} has no recurrent layer")
    return {"units": list(given.units[0]) if given.units else [], "layers": layers}


def _layer(layer: LayerTrace, given: Given) -> dict[str, Any]:
    h, valid = layer.outputs, layer.valid
    turn = slice(None, None, -1 if layer.backwards else 1)
    first = h[0][valid[0]][turn]
    every = h[valid]
    centred = every - every.mean(0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    share = spread**2 / max((spread**2).sum(), 1e-30)
    busy = np.argsort(-first.std(0), kind="stable")[:SHOWN]
    found: dict[str, Any] = {
        "values": np.round(first[:, busy].T, 4).tolist(),
        "shown": busy.tolist(),
        "projection": np.round((first - every.mean(0)) @ axes[:2].T, 4).tolist(),
        "explained": [float(s) for s in share[:2]],
    }
    if given.units and not layer.name.startswith("decoder"):
        found["tree"] = _tree(h, valid, turn, given)
    return found


def _tree(h: np.ndarray, valid: np.ndarray, turn: slice, given: Given) -> dict[str, Any]:
    seen: dict[str, list[np.ndarray]] = {}
    for row, there, units in zip(h, valid, given.units, strict=True):
        for state, unit in zip(row[there][turn], units, strict=False):
            seen.setdefault(unit, []).append(state)
    names = sorted(seen, key=lambda unit: -len(seen[unit]))[:WORDS]
    means = np.array([np.mean(seen[unit], 0) for unit in names])
    joined = [[a, b, height] for a, b, height in clusters(means)] if len(names) > 1 else []
    return {"symbols": names, "counts": [len(seen[unit]) for unit in names], "joined": joined}


def draw(found: dict[str, dict[str, Any]], figure: Figure) -> None:
    """`found` by run: for each layer the states as a heat map, their projection, and the tree."""
    rows = [(name, run, layer) for name, run in found.items() for layer in run["layers"]]
    figure.set_size_inches(16, 0.5 + 5.5 * len(rows))
    grid = figure.subplots(len(rows), 3, squeeze=False, width_ratios=[2, 1.2, 1])
    for (map_axes, plane, tree_axes), (name, run, layer) in zip(grid, rows, strict=True):
        part, units = run["layers"][layer], run["units"] if not layer.startswith("decoder") else []
        values = np.array(part["values"])
        limit = float(np.abs(values).max()) or 1.0
        image = heat(map_axes, values, -limit, limit)
        figure.colorbar(image, ax=map_axes, label="state", shrink=0.8)
        map_axes.set(
            title=f"{figures.label_text(name)}, {layer}: states over the sequence", xlabel="step", ylabel="unit"
        )
        map_axes.set_yticks(range(len(part["shown"])), part["shown"], fontsize=5)
        along(map_axes, units, values.shape[1])
        _plane(plane, part, units)
        _tree_picture(tree_axes, part)


def _plane(axes: Any, part: dict[str, Any], units: list[str]) -> None:
    points = np.array(part["projection"])
    axes.plot(points[:, 0], points[:, -1], color="0.75", linewidth=0.6)
    axes.plot(points[:, 0], points[:, -1], "k.", markersize=3)
    for i, point in enumerate(points[:POINTS]):
        axes.annotate(symbol(units[i]) if i < len(units) else str(i), (point[0], point[-1]), fontsize=8)
    shares = [f"{100 * s:.0f} %" for s in [*part["explained"], 0.0][:2]]
    axes.set(
        title="in two dimensions", xlabel=f"first component ({shares[0]})", ylabel=f"second component ({shares[1]})"
    )


def _tree_picture(axes: Any, part: dict[str, Any]) -> None:
    if part.get("tree", {}).get("joined"):
        draw_clusters(axes, part["tree"]["symbols"], [tuple(j) for j in part["tree"]["joined"]])
        axes.set_title("which symbols leave like states")
    else:
        axes.set_axis_off()


def sentences(found: dict[str, Any]) -> list[str]:
    """What to print."""
    return [
        f"{layer}: two components hold {100 * sum(part['explained']):.0f} % of the spread of its states"
        for layer, part in found["layers"].items()
    ]
