"""The values of a recurrent layer at each step, for a selection of its units."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnzoo.inspect.trace import LayerTrace
from rnnzoo.walkthrough.expectations import to_lists

NUM_UNITS = 16
FEW_UNITS = 64  # as many as are all listed by number


def layer_values(layer: LayerTrace, units: Sequence[int] = ()) -> dict[str, Any]:
    """Returns states, gates and equations of a layer over one sequence, in the order of the sequence.

    Args:
        layer: the layer, which read one sequence.
        units: units that are shown besides the most variable ones.

    Returns:
        Its name and cell; whether it reads `backward`; the number of its units, `size`; `units`, those shown; `states`
        and `gates`, `{symbol or name: [step][unit]}`; and `equations`, each with `values [step][unit][term]`, the last
        of them the value of the equation.
    """
    valid, order = layer.valid[0], slice(None, None, -1 if layer.go_backwards else 1)

    def of_steps(values: np.ndarray) -> np.ndarray:
        return values[0][valid][order]

    size = min(state.shape[-1] for state in layer.states)
    shown = select_units(of_steps(layer.outputs), size, units)
    gates = {
        name: of_steps(gate) for name, gate in layer.gates.items() if gate.shape[-1] >= size and name != "attention"
    }
    return {
        "name": layer.name,
        "cell": type(layer.cell).__name__.removesuffix("Cell"),
        "backward": layer.go_backwards,
        "size": size,
        "units": shown,
        "states": {
            symbol: to_lists(of_steps(state)[:, shown])
            for symbol, state in zip(layer.cell.state_symbols(), layer.states, strict=True)
        },
        "gates": {name: to_lists(gate[:, shown]) for name, gate in gates.items()},
        "equations": [_equation_values(equation, shown, of_steps) for equation in layer.equations],
    }


def select_units(outputs: np.ndarray, size: int, units: Sequence[int]) -> list[int]:
    """Returns the units that vary most over the steps `[steps, units]`, and those asked for, sorted."""
    deviation = outputs[:, :size].std(0)
    most = np.argsort(-deviation, kind="stable")[:NUM_UNITS].tolist()
    return sorted({*most, *(unit for unit in units if 0 <= unit < size)})


def _equation_values(equation: Any, shown: list[int], of_steps: Any) -> dict[str, Any]:
    columns = [of_steps(value) for value in (*(term.value for term in equation.terms), equation.value)]
    fits = [unit for unit in shown if unit < min(column.shape[-1] for column in columns)]
    values = np.stack([column[:, fits] for column in columns], -1)
    return {
        "part": equation.part,
        "symbol": equation.symbol,
        "formula": equation.formula,
        "names": [term.name for term in equation.terms],
        "values": to_lists(values),
    }
