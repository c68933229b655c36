"""The equations of a cell for each of its units: formulas whose fields are the values of their terms."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from rnnzoo.cells.activations import label_activation


class Term(NamedTuple):
    """A summand or factor of an equation: its name, as in the equations of the cell, and its value `[..., size]`."""

    name: str
    value: tf.Tensor


class UnitEquation(NamedTuple):
    """An equation of a cell, the same for each of its units.

    Attributes:
        symbol: the left side, such as "i_t".
        formula: the right side with a field for each term, such as "sigmoid({} + {})": an expression of Python, with
            the names of Keras's activation functions.
        terms: the terms, in the order of the fields.
        value: the value `[..., size]`.
        part: to which part of a cell of several parts it belongs, such as "layer 2"; else empty.
    """

    symbol: str
    formula: str
    terms: tuple[Term, ...]
    value: tf.Tensor
    part: str = ""


def activation_equation(symbol: str, activation: Any, terms: Sequence[Term], value: tf.Tensor) -> UnitEquation:
    """Returns `symbol = activation(sum of terms)`."""
    formula = f"{label_activation(activation)}({' + '.join(['{}'] * len(terms))})"
    return UnitEquation(symbol, formula, tuple(terms), value)


def affine_terms(cell: Any, x: tf.Tensor, r: tf.Tensor, block: str = "") -> list[Term]:
    """Returns the terms of an affine cell, of its inputs and of its previous state, for a block of the weights."""
    return [Term(name_input(cell, block), x), Term(f"h_{{t-1}} U{block}", r)]


def name_input(cell: Any, block: str = "", product: str = "x_t W{0}") -> str:
    """Returns the name of the input's part of an affine cell."""
    parts = [product] * (cell.kernel is not None) + ["b{0}"] * (cell.bias is not None)
    return " + ".join(parts).format(block) or "0"


def split_terms(cell: Any, x_name: str, x: tf.Tensor, r_name: str, r: tf.Tensor) -> dict[str, list[Term]]:
    """Returns the terms of each block of an LSTM, whose index replaces the field in their names."""
    parts = zip(cell.block_names, tf.split(x, cell.blocks, -1), tf.split(r, cell.blocks, -1), strict=True)
    return {
        name: [Term(name_input(cell, f"_{name[0]}", x_name), x_b), Term(r_name.format(f"_{name[0]}"), r_b)]
        for name, x_b, r_b in parts
    }


def in_part(part: str, equations: Sequence[UnitEquation]) -> list[UnitEquation]:
    """Returns equations as those of a part of a cell."""
    return [equation._replace(part=f"{part}, {equation.part}" if equation.part else part) for equation in equations]


def lstm_equations(cell: Any, x: tf.Tensor, r: tf.Tensor, state: tuple) -> list[UnitEquation]:
    """Returns the equations of an `LSTMCell`, also of one with peephole connections or layer normalization."""
    prev_h, prev_c = state
    values, c = cell.compute_gates(cell.gate_inputs(x, r), prev_c)
    terms, gates = cell.gate_terms(x, r, prev_c, c), {}
    for name, value in values.items():
        symbol, sigma = ("g_t", cell.activation) if name == "candidate" else (f"{name[0]}_t", cell.recurrent_activation)
        gates[name] = activation_equation(symbol, sigma, terms[name], value)
    i, g, o = (Term(gates[name].symbol, values[name]) for name in ("input", "candidate", "output"))
    kept: tuple[Term, ...] = (Term("c_{t-1}", prev_c),)
    formula = "{} + {} * {}"
    if cell.forget_gate:
        kept, formula = (Term("f_t", values["forget"]), *kept), "{} * {} + {} * {}"
    h = values["output"] * cell.cell_output(c, x.dtype)
    formula_h = f"{{}} * {label_activation(cell.activation)}({{}})"
    hidden = [UnitEquation("h_t", formula_h, (o, cell.output_term(c)), h)]
    if cell.projection:
        h = cell.project_output(h)
        hidden = [hidden[0]._replace(symbol="m_t"), UnitEquation("h_t", "{}", (Term("m_t P", h),), h)]
    from_cell = [gates.pop("output"), *hidden[:-1], *_zone_out(hidden[-1], cell.zoneout, prev_h)]
    if cell.zoneout_cell:  # which comes after the output
        from_cell = [
            equation._replace(terms=tuple(t._replace(name=t.name.replace("c_t", "c'_t")) for t in equation.terms))
            for equation in from_cell
        ]
    cell_state = _zone_out(UnitEquation("c_t", formula, (*kept, i, g), c), cell.zoneout_cell, prev_c)
    return [*gates.values(), *cell_state, *from_cell]


def _zone_out(equation: UnitEquation, rate: float, prev: tf.Tensor) -> list[UnitEquation]:
    """Adds the mean over the zoneout masks to the equation of a state."""
    if not rate:
        return [equation]
    symbol, name = equation.symbol, equation.symbol.replace("_t", "'_t")
    terms = (Term(name, equation.value), Term(symbol.replace("_t", "_{t-1}"), prev))
    mean = equation.value + rate * (prev - equation.value)
    return [equation._replace(symbol=name), UnitEquation(symbol, f"{1 - rate:g} * {{}} + {rate:g} * {{}}", terms, mean)]
