"""How far each gate is open at each step of a sequence."""

from typing import Any

import numpy as np

from rnnzoo import figures
from rnnzoo.errors import UserError
from rnnzoo.inspect.pictures import Figure, along, heat
from rnnzoo.inspect.subject import Given, Subject
from rnnzoo.inspect.trace import trace

NOT_GATES = ("candidate", "attention")
CLOSED, OPEN = 0.1, 0.9
SHOWN, NAMED = 24, 8  # units in a picture, units named


def measure(subject: Subject, given: Given) -> dict[str, Any]:
    """Of each layer and gate: its values over the first sequence, of the most selective units, in percent.

    A unit is selective as far as its gate is now nearly closed (below 10 %), now nearly open (above 90 %), over all
    sequences: the smaller of the two shares counts, then their sum.

    Raises:
        UserError: the cells of the model have no gates.
    """
    layers: dict[str, Any] = {}
    for layer in trace(subject.model, given):
        gates = {n: v for n, v in layer.gates.items() if n not in NOT_GATES}
        if gates:
            layers[layer.name] = {name: _gate(values, layer.valid) for name, values in gates.items()}
            backwards = layer.backwards
            layers[layer.name] = {"backward": backwards, "gates": layers[layer.name]}
    if not layers:
        raise UserError(f"gates do not apply: the cells of {subject.name} have none; those of lstm and gru have")
    return {"units": list(given.units[0]) if given.units else [], "layers": layers}


def _gate(values: np.ndarray, valid: np.ndarray) -> dict[str, Any]:
    """`values [batch, time, units]` of a gate."""
    every = values[valid]
    closed, opened = (every < CLOSED).mean(0), (every > OPEN).mean(0)
    order = np.lexsort((-(closed + opened), -np.minimum(closed, opened)))[:SHOWN]
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


def draw(found: dict[str, dict[str, Any]], figure: Figure) -> None:
    """`found` by run: a heat map for each gate of each layer, a row for each of the most selective units."""
    maps = [
        (f"{name}, {layer}, {gate}", part, layers["backward"], [] if layer.startswith("decoder") else run["units"])
        for name, run in found.items()
        for layer, layers in run["layers"].items()
        for gate, part in layers["gates"].items()
    ]
    columns = max(len(part["values"][0]) for _, part, *_ in maps)
    figure.set_size_inches(min(18, max(9, 3 + 0.14 * columns)), 0.6 + 2.2 * len(maps))
    for axes, (title, part, backward, units) in zip(np.ravel(figure.subplots(len(maps))), maps, strict=True):
        values = np.array(part["values"])
        values = values[:, ::-1] if backward else values
        image = heat(axes, values, 0, 100)
        names = [str(s["unit"]) for s in part["selective"]]
        axes.set_yticks(range(len(names)), names, fontsize=6)
        axes.set_ylabel("unit")
        axes.set_title(f"{figures.label_text(title)} gate: {part['mean']:.0f} % open on average", fontsize=9)
        along(axes, units, values.shape[1])
    axes.set(xlabel="step")
    figure.colorbar(image, ax=figure.axes, label="open, %", shrink=0.6)


def sentences(found: dict[str, Any]) -> list[str]:
    """What to print."""
    lines = []
    for layer, layers in found["layers"].items():
        for gate, part in layers["gates"].items():
            units = [s for s in part["selective"][:NAMED] if s["closed"] and s["open"]]
            best = ", ".join(f"{s['unit']} ({s['closed']:.0f} % and {s['open']:.0f} %)" for s in units)
            lines.append(
                f"{layer}, {gate} gate: {part['mean']:.0f} % open on average, nearly closed {part['closed']:.0f} % and "
                f"nearly open {part['open']:.0f} % of the time; units that are now this, now that: {best or 'none'}"
            )
    return lines
