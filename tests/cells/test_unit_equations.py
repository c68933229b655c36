"""The equations that cells tell of themselves: their terms give their values, and these are the states of a step."""

import ast

import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo import cells
from rnnzoo.cells import Attention

FUNCTIONS = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.log1p(np.exp(x)),
}
OPTIONS = {
    "lstm of 1997": lambda: cells.LSTMCell(4, forget_gate=False),
    "lstm with zoneout": lambda: cells.LSTMCell(4, zoneout=0.2, zoneout_cell=0.1),
    "lstm with projection": lambda: cells.LSTMCell(4, projection=3, zoneout=0.2),
    "lstm without bias": lambda: cells.LSTMCell(4, use_bias=False, activation="softplus"),
    "peephole without forget gate": lambda: cells.PeepholeLSTMCell(4, forget_gate=False),
    "gru of 2014": lambda: cells.GRUCell(4, reset_after=False),
    "gru without bias": lambda: cells.GRUCell(4, use_bias=False),
    "jordan": lambda: cells.JordanCell(4, output_units=2, output_activation="sigmoid"),
    "feedforward of one input": lambda: cells.FeedforwardCell(4, context=1),
    "feedforward of two": lambda: cells.FeedforwardCell(4, context=2),
    "trained dampening": lambda: cells.DampenedCell(4, trainable_dampening=True),
    "transition": lambda: cells.DeepTransitionCell(cells.GRUCell(4), depth=3, shortcut=True),
    "stacked": lambda: cells.StackedCells([cells.LSTMCell(4), cells.ElmanCell(4)]),
}
OPTIONS |= {name: lambda name=name: rnnzoo.CELLS[name](4) for name in rnnzoo.list_cells()}


def step_of(cell, memory=None):
    """Returns a step of the cell with random weights, and its arguments."""
    tf.random.set_seed(1)
    cell.build((None, 5))
    rng = np.random.default_rng(0)
    for variable in cell.weights:
        variable.assign(rng.normal(0, 0.7, variable.shape))
    inputs = tf.constant(rng.normal(size=[2, 5]), tf.float32)
    flat = tf.nest.flatten(cell.get_initial_state(2))
    state = tuple(tf.constant(rng.normal(size=s.shape), tf.float32) for s in flat)
    consts = cell.constants(inputs, memory=memory)
    return cell.project(inputs), cell.recurrent(state, consts), state, consts


OPERATORS = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply}


def evaluate(node, values):
    """Returns the value of a formula of sums, products, numbers, terms and activation functions."""
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](evaluate(node.left, values), evaluate(node.right, values))
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id](evaluate(node.args[0], values))
    return values[node.id] if isinstance(node, ast.Name) else node.value


def check(cell, memory=None):
    step = step_of(cell, memory)
    equations = cell.unit_equations(*step)
    for equation in equations:
        names = [f"a{k}" for k in range(len(equation.terms))]
        values = {name: term.value.numpy() for name, term in zip(names, equation.terms, strict=True)}
        expected = evaluate(ast.parse(equation.formula.format(*names), mode="eval").body, values)
        np.testing.assert_allclose(equation.value, expected, atol=1e-5, err_msg=f"{equation.part} {equation.symbol}")
    for part in {equation.part for equation in equations}:
        known = {}
        for equation in (e for e in equations if e.part == part):
            for term in equation.terms:
                if term.name in known:
                    np.testing.assert_array_equal(term.value, known[term.name], err_msg=term.name)
            known[equation.symbol] = equation.value
    return step, equations


@pytest.mark.parametrize("name", OPTIONS)
def test_terms_give_the_value_and_the_last_values_are_the_states(name):
    cell = OPTIONS[name]()
    step, equations = check(cell)
    output, new_state = cell.step(*step)
    last = {equation.symbol: equation.value for equation in equations if equation.part == equations[-1].part}
    np.testing.assert_allclose(equations[-1].value, output, atol=1e-6)
    if "c_t" in last:
        np.testing.assert_allclose(last["c_t"], new_state[1], atol=1e-6)


@pytest.mark.parametrize("name", rnnzoo.list_cells())
def test_symbols_are_those_of_the_docstring(name):
    cell = OPTIONS[name]()
    _, equations = check(cell)
    text = type(cell).__doc__ if name != "lstm-layernorm" else cells.LSTMCell.__doc__
    for equation in equations:
        assert f"\n        {equation.symbol} = " in text, f"{name}: {equation.symbol}"


def test_cells_with_attention_tell_those_of_their_layers():
    attention = Attention(3)
    cell = cells.AttentionCell([cells.GRUCell(4), cells.LSTMCell(4)], attention, memory_size=6, residual=True)
    cell.build((None, 5))
    memory = attention.prepare(tf.random.stateless_normal([2, 7, 6], [1, 2]))
    _, equations = check(cell, memory)
    assert {equation.part for equation in equations} == {"layer 1", "layer 2"}


def test_a_cell_of_a_user_tells_none():
    class Echo(cells.Cell):
        state_size, output_size = 4, 4

    assert Echo().unit_equations((), (), (), ()) == []
