"""Hidden states over a sequence, their principal components, and the clusters of the tokens that they follow."""

from typing import Any

import numpy as np

from rnnzoo.errors import UserError
from rnnzoo.inspect.plots import Figure, average_linkage, draw_dendrogram, draw_heat_map, label_time_axis, token_label
from rnnzoo.inspect.trace import LayerTrace, trace
from rnnzoo.inspect.trained_model import InputSequences, TrainedModel
from rnnzoo.utils import figures

NUM_UNITS, NUM_TOKENS, NUM_LABELS = 48, 40, 30  # in the heat map, in the tree, in the projection


def measure(trained: TrainedModel, sequences: InputSequences) -> dict[str, Any]:
    """Returns hidden states, their principal components and a tree of mean states for each layer.

    The states are the outputs of the layer over the first sequence. The tree is that of Elman (1990): the mean states
    after each of the most frequent tokens, over all sequences, clustered by average linkage.

    Raises:
        UserError: the model has no recurrent layer.
    """
    layers = {layer.name: _summarize_layer(layer, sequences) for layer in trace(trained.model, sequences)}
    if not layers:
        raise UserError(f"states do not apply: {trained.name} has no recurrent layer")
    return {"tokens": list(sequences.tokens[0]) if sequences.tokens else [], "layers": layers}


def _summarize_layer(layer: LayerTrace, sequences: InputSequences) -> dict[str, Any]:
    h, valid = layer.outputs, layer.valid
    order = slice(None, None, -1 if layer.go_backwards else 1)
    first = h[0][valid[0]][order]
    every = h[valid]
    centred = every - every.mean(0)
    _, singular_values, axes = np.linalg.svd(centred, full_matrices=False)
    share = singular_values**2 / max((singular_values**2).sum(), 1e-30)
    most_variable = np.argsort(-first.std(0), kind="stable")[:NUM_UNITS]
    results: dict[str, Any] = {
        "values": np.round(first[:, most_variable].T, 4).tolist(),
        "shown": most_variable.tolist(),
        "projection": np.round((first - every.mean(0)) @ axes[:2].T, 4).tolist(),
        "explained": [float(s) for s in share[:2]],
    }
    if sequences.tokens and not layer.name.startswith("decoder"):
        results["tree"] = _cluster_tokens(h, valid, order, sequences)
    return results


def _cluster_tokens(h: np.ndarray, valid: np.ndarray, order: slice, sequences: InputSequences) -> dict[str, Any]:
    states: dict[str, list[np.ndarray]] = {}
    for row, row_valid, tokens in zip(h, valid, sequences.tokens, strict=True):
        for state, token in zip(row[row_valid][order], tokens, strict=False):
            states.setdefault(token, []).append(state)
    names = sorted(states, key=lambda token: -len(states[token]))[:NUM_TOKENS]
    means = np.array([np.mean(states[token], 0) for token in names])
    joined = [[a, b, height] for a, b, height in average_linkage(means)] if len(names) > 1 else []
    return {"symbols": names, "counts": [len(states[token]) for token in names], "joined": joined}


def draw(results: dict[str, dict[str, Any]], figure: Figure) -> None:
    """Draws for each layer the states as a heat map, their projection, and the tree."""
    rows = [(name, run, layer) for name, run in results.items() for layer in run["layers"]]
    figure.set_size_inches(16, 0.5 + 5.5 * len(rows))
    grid = figure.subplots(len(rows), 3, squeeze=False, width_ratios=[2, 1.2, 1])
    for (map_axes, plane_axes, tree_axes), (name, run, layer) in zip(grid, rows, strict=True):
        part, tokens = run["layers"][layer], run["tokens"] if not layer.startswith("decoder") else []
        values = np.array(part["values"])
        limit = float(np.abs(values).max()) or 1.0
        image = draw_heat_map(map_axes, values, -limit, limit)
        figure.colorbar(image, ax=map_axes, label="state", shrink=0.8)
        map_axes.set(
            title=f"{figures.label_text(name)}, {layer}: states over the sequence", xlabel="step", ylabel="unit"
        )
        map_axes.set_yticks(range(len(part["shown"])), part["shown"], fontsize=5)
        label_time_axis(map_axes, tokens, values.shape[1])
        _draw_projection(plane_axes, part, tokens)
        _draw_tree(tree_axes, part)


def _draw_projection(axes: Any, part: dict[str, Any], tokens: list[str]) -> None:
    points = np.array(part["projection"])
    axes.plot(points[:, 0], points[:, -1], color="0.75", linewidth=0.6)
    axes.plot(points[:, 0], points[:, -1], "k.", markersize=3)
    for i, point in enumerate(points[:NUM_LABELS]):
        axes.annotate(token_label(tokens[i]) if i < len(tokens) else str(i), (point[0], point[-1]), fontsize=8)
    shares = [f"{100 * s:.0f} %" for s in [*part["explained"], 0.0][:2]]
    axes.set(
        title="principal components", xlabel=f"first component ({shares[0]})", ylabel=f"second component ({shares[1]})"
    )


def _draw_tree(axes: Any, part: dict[str, Any]) -> None:
    if part.get("tree", {}).get("joined"):
        draw_dendrogram(axes, part["tree"]["symbols"], [tuple(j) for j in part["tree"]["joined"]])
        axes.set_title("tokens clustered by their mean states")
    else:
        axes.set_axis_off()


def summary_lines(results: dict[str, Any]) -> list[str]:
    """Returns the lines to print."""
    return [
        f"{layer}: two principal components explain {100 * sum(part['explained']):.0f} % of the variance of its states"
        for layer, part in results["layers"].items()
    ]
