"""States, gates and gradients of every recurrent layer at each time step."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.unit_equations import UnitEquation
from rnnzoo.engine.recorder import RecordedLoop, recording
from rnnzoo.inspect.trained_model import InputSequences
from rnnzoo.layers import RNN
from rnnzoo.models import EncoderDecoder, ZooModel

MAX_STATES = 1024  # of a layer whose Jacobian is computed


class LayerTrace(NamedTuple):
    """The values of one recurrent layer, in the order of reading: arrays `[batch, time, size]`.

    Attributes:
        name: the name of the layer.
        cell: its cell.
        go_backwards: whether it reads from the end.
        outputs: its outputs.
        states: its states after each step.
        gates: its gates; empty for a cell without gates.
        gradients: the gradients of the loss with respect to its states; empty without a loss.
        valid: `[batch, time]`, False at padding.
        jacobians: `[steps, states, states]`, the Jacobians of the states with respect to the previous ones, for the
            first sequence.
        equations: the equations of the cell with the values of their terms, if they are asked for.
    """

    name: str
    cell: Cell
    go_backwards: bool
    outputs: np.ndarray
    states: list[np.ndarray]
    gates: dict[str, np.ndarray]
    gradients: list[np.ndarray]
    valid: np.ndarray
    jacobians: np.ndarray
    equations: tuple[UnitEquation, ...] = ()


def name_layers(model: ZooModel) -> dict[int, str]:
    """Returns the names of the recurrent layers, by the identity of their cells."""
    parts = [("", getattr(model, "core", None))]
    if isinstance(model, EncoderDecoder):
        parts = [("encoder, ", model.encoder), ("decoder, ", model.decoder)]
    names: dict[int, str] = {}
    for prefix, part in parts:
        number = 0
        for layer, bidirectional in _layers(part, False) if part is not None else ():
            number += not (bidirectional and layer.go_backwards)
            direction = ", backward" if layer.go_backwards else ", forward" if bidirectional else ""
            names[id(layer.cell)] = f"{prefix}layer {number}{direction}"
    return names


def _layers(layer: Any, bidirectional: bool) -> Iterator[tuple[RNN, bool]]:
    if isinstance(layer, RNN):
        yield layer, bidirectional
        return
    for part in layer.recurrent_layers:
        yield from _layers(part, bidirectional or hasattr(layer, "merge_mode"))


def trace(
    model: ZooModel,
    sequences: InputSequences,
    loss: Callable[[tf.Tensor], tf.Tensor] | None = None,
    jacobians: int = 0,
    equations: bool = False,
) -> list[LayerTrace]:
    """Runs a model and returns the values of its recurrent layers, the lowest first.

    Args:
        model: the model.
        sequences: the input sequences.
        loss: a function from the outputs to a loss, or None.
        jacobians: the number of steps whose Jacobian is computed.
        equations: whether the equations of the cells are computed.
    """
    inputs, mask = tree.map_structure(tf.convert_to_tensor, sequences.inputs), sequences.mask
    given = [*tree.flatten(inputs), *([] if mask is None else [tf.convert_to_tensor(mask)])]
    if loss is None:  # kept for the next call: TensorFlow never forgets the gradient functions of a graph
        key = (jacobians, equations, mask is None, *(tensor.dtype for tensor in given))
        runs = model.__dict__.setdefault("_traced_runs", {})
        run = (
            runs[key]
            if key in runs
            else runs.setdefault(key, _TracedRun(model, inputs, mask, None, (jacobians, equations)))
        )
    else:
        run = _TracedRun(model, inputs, mask, loss, (jacobians, equations))
    layers = run(given)
    if model.spec.inputs != "pair" or sequences.weights is None:
        return layers
    has_output = np.asarray(sequences.weights) > 0  # a decoder has no mask: it continues after EOS
    return [layer._replace(valid=has_output) if layer.name.startswith("decoder") else layer for layer in layers]


class _TracedRun:
    """The graph that runs a model and returns the values of its recurrent layers, for any batch and time."""

    def __init__(self, model: ZooModel, inputs: Any, mask: Any, loss: Any, options: tuple[int, bool]):
        self._names = name_layers(model)
        self._loops: list[RecordedLoop] = []
        self._equations: list[list[UnitEquation]] = []
        jacobians, equations = options
        specs = [tf.TensorSpec([None, None, *t.shape[2:]], t.dtype) for t in tree.flatten(inputs)]
        specs += [] if mask is None else [tf.TensorSpec([None, None], tf.bool)]

        def run(*given: tf.Tensor) -> list:
            values = tree.pack_sequence_as(inputs, given[: len(tree.flatten(inputs))])
            rows = tf.shape(given[0])[0]
            with tf.GradientTape() as tape, recording(tape) as recorded:
                outputs, _ = model.run(values, model.initial_state(rows), mask=None if mask is None else given[-1])
                total = tf.zeros([]) if loss is None else loss(outputs)
            loops = [loop for loop in recorded if id(loop.cell) in self._names]
            perturbations = [loop.state_perturbation for loop in loops]
            zero = tf.UnconnectedGradients.ZERO
            gradients = tape.gradient(total, perturbations, unconnected_gradients=zero) if loss else [()] * len(loops)
            self._loops, self._equations = loops, [_compute_equations(loop) if equations else [] for loop in loops]
            collected = [_collect_values(loop, g, jacobians) for loop, g in zip(loops, gradients, strict=True)]
            return [collected, [[_equation_values(equation) for equation in layer] for layer in self._equations]]

        self._run = tf.function(run, autograph=False, input_signature=specs)

    def __call__(self, given: list[tf.Tensor]) -> list[LayerTrace]:
        values, equation_values = tree.map_structure(lambda t: t.numpy(), self._run(*given))
        return [
            LayerTrace(self._names[id(loop.cell)], loop.cell, loop.go_backwards, *parts)._replace(
                equations=tuple(map(_with_values, equations, values_of_layer))
            )
            for loop, parts, equations, values_of_layer in zip(
                self._loops, values, self._equations, equation_values, strict=True
            )
        ]


def _collect_values(loop: RecordedLoop, gradients: Any, jacobians: int) -> list:
    cell = loop.cell
    r, prev_state, new_state = loop.step_values()
    gates = cell.gates(loop.x, r, prev_state, loop.consts) if hasattr(cell, "gates") else {}
    output, _ = cell.step(loop.x, r, prev_state, loop.consts)
    batch_first = tree.map_structure(_to_batch_major, (output, [*new_state], gates, [*gradients]))
    time, batch = tf.shape(new_state[0])[0], tf.shape(new_state[0])[1]
    valid = tf.ones([batch, time], tf.bool) if loop.mask is None else tf.transpose(loop.mask)
    size = sum(s.shape[-1] for s in new_state)
    count = jacobians if size <= MAX_STATES else 0
    return [*batch_first, valid, _jacobians(loop, prev_state, count) if count else tf.zeros([0, size, size])]


def _compute_equations(loop: RecordedLoop) -> list[UnitEquation]:
    r, prev_state, _ = loop.step_values()
    return loop.cell.unit_equations(loop.x, r, prev_state, loop.consts)


def _equation_values(equation: UnitEquation) -> list[tf.Tensor]:
    """Returns the values of an equation and of its terms, `[batch, time, size]`."""
    return [_to_batch_major(value) for value in (equation.value, *(term.value for term in equation.terms))]


def _with_values(equation: UnitEquation, values: list[np.ndarray]) -> UnitEquation:
    terms = tuple(term._replace(value=value) for term, value in zip(equation.terms, values[1:], strict=True))
    return equation._replace(value=values[0], terms=terms)


def _to_batch_major(tensor: tf.Tensor) -> tf.Tensor:
    tensor = tf.cast(tensor, tf.float32) if tensor.dtype.is_floating else tensor
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])


def _jacobians(loop: RecordedLoop, prev_state: tuple, count: int) -> tf.Tensor:
    """Computes Jacobians of the first sequence at evenly spaced steps, `[steps, states, states]`."""
    cell, time = loop.cell, tf.shape(prev_state[0])[0]
    if loop.mask is not None:
        time = tf.reduce_sum(tf.cast(loop.mask[:, 0], tf.int32))
    steps = tf.unique(tf.cast(tf.linspace(0.0, tf.cast(tf.maximum(time - 1, 0), tf.float32), count), tf.int32))[0]
    x, state = tree.map_structure(lambda t: tf.gather(t[:, 0], steps), (loop.x, prev_state))
    consts = tree.map_structure(lambda t: tf.repeat(t[:1], tf.size(steps), 0), loop.consts)
    sizes = [s.shape[-1] for s in state]
    whole = tf.concat([tf.cast(s, tf.float32) for s in state], -1)
    with tf.GradientTape() as tape:
        tape.watch(whole)
        parts = tuple(tf.cast(p, s.dtype) for p, s in zip(tf.split(whole, sizes, -1), state, strict=True))
        _, parts_after = cell.step(x, cell.recurrent(parts, consts), parts, consts)
        new_state = tf.concat([tf.cast(s, tf.float32) for s in parts_after], -1)
    return tape.batch_jacobian(new_state, whole)
