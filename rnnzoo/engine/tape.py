"""Inputs of loops over time, and the values that they record for the backward pass."""

from typing import Any, NamedTuple

import tensorflow as tf
from keras import tree

from rnnzoo.engine.arrays import stack_array
from rnnzoo.engine.batch_slices import concat_slices


class LoopInputs(NamedTuple):
    """All inputs of a loop; none is captured, because captured tensors get no gradient.

    Attributes:
        x: a nest of `[time, batch, ...]`.
        state: the initial states, a tuple of `[batch, ...]`.
        consts: a nest of `[batch, ...]`.
        weights: the weights of the cell, as tensors.
        mask: `[time, batch]`, or () for none.
    """

    x: Any
    state: tuple
    consts: Any
    weights: list
    mask: Any


class LoopTape(NamedTuple):
    """Values of each time step recorded by a loop, as `tf.TensorArray`s or tensors `[time, batch, ...]`.

    Attributes:
        states: the states; one step more than the others, the first being the initial state. May be empty.
        output: the output in a list, empty if it is one of the recorded states.
        r: the recurrent products.
        activations: the cached activations.
    """

    states: list
    output: list
    r: list
    activations: list


def stack_slices(arrays: Any, inputs: LoopInputs, slices: Any) -> list:
    """Stacks the arrays of each slice, `[[arrays of the first slice], ...]`, to tensors `[time, batch, ...]`."""
    time, batch = tf.shape(tree.flatten(inputs.x)[0])[0], tf.shape(inputs.state[0])[0]
    stacked = [
        [stack_array(array, rows.size(batch), time) for array in of_slice]
        for rows, of_slice in zip(slices, arrays, strict=True)
    ]
    return [concat_slices(parts, 1) for parts in zip(*stacked, strict=True)]
