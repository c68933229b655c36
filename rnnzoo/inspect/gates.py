"""Gate values at each step of a sequence."""

from typing import Any

import numpy as np

from rnnzoo.errors import UserError
from rnnzoo.inspect.plots import Figure, draw_heat_map, label_time_axis
from rnnzoo.inspect.trace import trace
from rnnzoo.inspect.trained_model import InputSequences, TrainedModel
from rnnzoo.utils import figures

NOT_GATES = ("candidate", "attention")
CLOSED, OPEN = 0.1, 0.9
NUM_UNITS, NUM_LISTED = 24, 8  # units in a figure, units in the printed lines


def measure(trained: TrainedModel, sequences: InputSequences) -> dict[str, Any]:
    """Returns for each layer and gate the values of the most selective units over the first sequence, in percent.

    A unit is selective if its gate is nearly closed (below 10 %) at some steps and nearly open (above 90 %) at
    others, over all sequences; units are ranked by the smaller of the two fractions, then by their sum.

    Raises:
        UserError: the cells of the model have no gates.
    """
    layers: dict[str, Any] = {}
    for layer in trace(trained.model, sequences):
        gates = {n: v for n, v in layer.gates.items() if n not in NOT_GATES}
        if gates:
            layers[layer.name] = {name: _summarize_gate(values, layer.valid) for name, values in gates.items()}
            go_backwards = layer.go_backwards
            layers[layer.name] = {"backward": go_backwards, "gates": layers[layer.name]}
    if not layers:
        raise UserError(f"gates do not apply: the cells of {trained.name} have none; train lstm or gru")
    return {"tokens": list(sequences.tokens[0]) if sequences.tokens else [], "layers": layers}


def _summarize_gate(values: np.ndarray, valid: np.ndarray) -> dict[str, Any]:
    """Summarizes the values `[batch, time, units]` of a gate."""
    every = values[valid]
    closed, opened = (every < CLOSED).mean(0), (every > OPEN).mean(0)
    order = np.lexsort((-(closed + opened), -np.minimum(closed, opened)))[:NUM_UNITS]
    first = values[0][valid[0]]
    return {
        "mean": float(100 * every.mean()),
        "closed": float(100 * closed.mean()),
        "open": float(100 * opened.mean()),
        "selective": [
            {"unit": int(u), "closed": float(100 * closed[u]), "open": float(100 * opened[u])} for u in order
        ],
        "values": np.round(100 * first[:, order].T, 1).tolist(),
    }


def draw(results: dict[str, dict[str, Any]], figure: Figure) -> None:
    """Draws a heat map for each gate of each layer, with a row for each of the most selective units."""
    maps = [
        (f"{name}, {layer}, {gate}", part, layers["backward"], [] if layer.startswith("decoder") else run["tokens"])
        for name, run in results.items()
        for layer, layers in run["layers"].items()
        for gate, part in layers["gates"].items()
    ]
    columns = max(len(part["values"][0]) for _, part, *_ in maps)
    figure.set_size_inches(min(18, max(9, 3 + 0.14 * columns)), 0.6 + 2.2 * len(maps))
    for axes, (title, part, backward, tokens) in zip(np.ravel(figure.subplots(len(maps))), maps, strict=True):
        values = np.array(part["values"])
        values = values[:, ::-1] if backward else values
        image = draw_heat_map(axes, values, 0, 100)
        names = [str(s["unit"]) for s in part["selective"]]
        axes.set_yticks(range(len(names)), names, fontsize=6)
        axes.set_ylabel("unit")
        axes.set_title(f"{figures.label_text(title)} gate: {part['mean']:.0f} % open on average", fontsize=9)
        label_time_axis(axes, tokens, values.shape[1])
    axes.set(xlabel="step")
    figure.colorbar(image, ax=figure.axes, label="open, %", shrink=0.6)


def summary_lines(results: dict[str, Any]) -> list[str]:
    """Returns the lines to print."""
    lines = []
    for layer, layers in results["layers"].items():
        for gate, part in layers["gates"].items():
            units = [s for s in part["selective"][:NUM_LISTED] if s["closed"] and s["open"]]
            best = ", ".join(f"{s['unit']} ({s['closed']:.0f} % and {s['open']:.0f} %)" for s in units)
            lines.append(
                f"{layer}, {gate} gate: {part['mean']:.0f} % open on average, nearly closed {part['closed']:.0f} % and "
                f"nearly open {part['open']:.0f} % of the time; units that are both at times: {best or 'none'}"
            )
    return lines
