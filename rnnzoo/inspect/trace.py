"""States, gates and gradients of every recurrent layer, tick by tick."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.inspect.subject import Given
from rnnzoo.layers import RNN
from rnnzoo.layers.watching import Watched, watching
from rnnzoo.models import EncoderDecoder, ZooModel

LARGEST = 1024  # size of all states of a layer whose Jacobian is computed


class LayerTrace(NamedTuple):
    """One recurrent layer, in the order in which it reads: arrays `[batch, time, size]`."""

    name: str
    cell: Cell
    backwards: bool
    outputs: np.ndarray
    states: list[np.ndarray]  # after each tick
    gates: dict[str, np.ndarray]  # empty for a cell without gates
    gradients: list[np.ndarray]  # of the loss by the states; empty without a loss
    valid: np.ndarray  # [batch, time], False at padding
    jacobians: np.ndarray  # [ticks, states, states]: of the states by those before, of the first sequence


def layers_of(model: ZooModel) -> dict[int, str]:
    """Names of the recurrent layers, by the identity of their cells."""
    parts = [("", getattr(model, "core", None))]
    if isinstance(model, EncoderDecoder):
        parts = [("encoder, ", model.encoder), ("decoder, ", model.decoder)]
    found: dict[int, str] = {}
    for prefix, part in parts:
        number = 0
        for layer, pair in _layers(part, False) if part is not None else ():
            number += not (pair and layer.go_backwards)
            direction = ", backward" if layer.go_backwards else ", forward" if pair else ""
            found[id(layer.cell)] = f"{prefix}layer {number}{direction}"
    return found


def _layers(layer: Any, pair: bool) -> Iterator[tuple[RNN, bool]]:
    if isinstance(layer, RNN):
        yield layer, pair
        return
    for part in layer.parts:
        yield from _layers(part, pair or hasattr(layer, "merge_mode"))


def trace(
    model: ZooModel, given: Given, loss: Callable[[tf.Tensor], tf.Tensor] | None = None, jacobians: int = 0
) -> list[LayerTrace]:
    """Runs a model and returns what its recurrent layers computed, the lowest first.

    `loss` makes a number of the outputs; `jacobians` is of how many ticks to compute the Jacobian.
    """
    names = layers_of(model)
    inputs, mask = tree.map_structure(tf.convert_to_tensor, given.inputs), given.mask

    @tf.function
    def run() -> list:
        with tf.GradientTape() as tape, watching(tape) as seen:
            outputs, _ = model.run(inputs, model.initial_state(given.rows), mask=mask)
            total = tf.zeros([]) if loss is None else loss(outputs)
        kept = [w for w in seen if id(w.cell) in names]
        cells.extend((w.cell, w.backwards) for w in kept)
        pushes = [w.push for w in kept]
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(total, pushes, unconnected_gradients=zero) if loss else [()] * len(kept)
        return [_see(w, g, jacobians) for w, g in zip(kept, gradients, strict=True)]

    cells: list[tuple[Cell, bool]] = []
    found = tree.map_structure(lambda t: t.numpy(), run())
    layers = [
        LayerTrace(names[id(cell)], cell, backwards, *parts)
        for (cell, backwards), parts in zip(cells, found, strict=True)
    ]
    if model.spec.inputs != "pair" or given.weights is None:
        return layers
    written = np.asarray(given.weights) > 0  # a decoder has no mask: it goes on after the end
    return [layer._replace(valid=written) if layer.name.startswith("decoder") else layer for layer in layers]


def _see(watched: Watched, gradients: Any, jacobians: int) -> list:
    cell = watched.cell
    r, before, after = watched.values()
    gates = cell.gates(watched.x, r, before, watched.consts) if hasattr(cell, "gates") else {}
    output, _ = cell.step(watched.x, r, before, watched.consts)
    batch_first = tree.map_structure(_swap, (output, [*after], gates, [*gradients]))
    time, batch = tf.shape(after[0])[0], tf.shape(after[0])[1]
    valid = tf.ones([batch, time], tf.bool) if watched.mask is None else tf.transpose(watched.mask)
    size = sum(s.shape[-1] for s in after)
    wanted = jacobians if size <= LARGEST else 0
    return [*batch_first, valid, _jacobians(watched, before, wanted) if wanted else tf.zeros([0, size, size])]


def _swap(tensor: tf.Tensor) -> tf.Tensor:
    tensor = tf.cast(tensor, tf.float32) if tensor.dtype.is_floating else tensor
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])


def _jacobians(watched: Watched, before: tuple, count: int) -> tf.Tensor:
    """Of the first sequence at ticks spread over it, `[ticks, states, states]`."""
    cell, time = watched.cell, tf.shape(before[0])[0]
    if watched.mask is not None:
        time = tf.reduce_sum(tf.cast(watched.mask[:, 0], tf.int32))
    ticks = tf.unique(tf.cast(tf.linspace(0.0, tf.cast(tf.maximum(time - 1, 0), tf.float32), count), tf.int32))[0]
    x, state = tree.map_structure(lambda t: tf.gather(t[:, 0], ticks), (watched.x, before))
    consts = tree.map_structure(lambda t: tf.repeat(t[:1], tf.size(ticks), 0), watched.consts)
    sizes = [s.shape[-1] for s in state]
    whole = tf.concat([tf.cast(s, tf.float32) for s in state], -1)
    with tf.GradientTape() as tape:
        tape.watch(whole)
        parts = tuple(tf.cast(p, s.dtype) for p, s in zip(tf.split(whole, sizes, -1), state, strict=True))
        _, new = cell.step(x, cell.recurrent(parts, consts), parts, consts)
        after = tf.concat([tf.cast(s, tf.float32) for s in new], -1)
    return tape.batch_jacobian(after, whole)
