"""Depth where Pascanu et al. (2013) put it: in the way in, in the transition, in the way out."""

from typing import Any

import keras

from rnnzoo.cells import AffineCell, DeepTransitionCell
from rnnzoo.layers.rnn import RNN
from rnnzoo.layers.stack import Stack

PAPER = """
    Pascanu, Gulcehre, Cho & Bengio (2013), How to construct deep recurrent neural networks, arXiv
    1312.6026.
    """


def hidden_layers(units: int, depth: int, activation: Any, dtype: Any = None) -> list[keras.layers.Layer]:
    """`depth` nonlinear layers that treat each step by itself."""
    return [keras.layers.Dense(units, activation, dtype=dtype) for _ in range(depth)]


def _check(depth: int) -> None:
    if depth < 1:
        raise ValueError(f"depth must be at least 1, not {depth!r}")


@keras.saving.register_keras_serializable(package="rnnzoo")
class DeepInput(Stack):
    __doc__ = f"""Nonlinear hidden layers between the input and the hidden state.

        z_t^0 = x_t,   z_t^k = phi(z_t^{{k-1}} V_k + d_k) for k = 1 ... depth - 1,   h_t = layer(z_t^{{depth-1}})

    A depth of 1 is the layer itself. Other arguments are those of `Stack`.

    Args:
        layer: a recurrent layer of this package.
        units: of each hidden layer.
        depth: layers between the input and the hidden state, that of the recurrent layer included.
        activation: phi, by name or as a function.

    Raises:
        ValueError: `depth` below 1.

    >>> import tensorflow as tf, rnnzoo
    >>> DeepInput(rnnzoo.layers.LSTM(4), units=6, depth=3)(tf.zeros([2, 7, 5])).shape
    TensorShape([2, 4])
    {PAPER}"""

    def __init__(self, layer: Any, units: int, depth: int = 2, activation: Any = "tanh", **kwargs):
        _check(depth)
        super().__init__([*hidden_layers(units, depth - 1, activation, kwargs.get("dtype")), layer], **kwargs)


@keras.saving.register_keras_serializable(package="rnnzoo")
class DeepOutput(Stack):
    __doc__ = f"""Nonlinear hidden layers between the hidden state and the output (DO-RNN).

        z_t^0 = h_t,   z_t^k = phi(z_t^{{k-1}} V_k + d_k) for k = 1 ... depth - 1

    What is returned is `z^{{depth-1}}`: the last of the `depth` layers, `y_t = z_t V_depth`, is the Dense
    layer that follows. A depth of 1 is the layer itself. Other arguments are those of `Stack`.

    Args:
        layer: a recurrent layer of this package.
        units: of each hidden layer.
        depth: layers between the hidden state and the output, that of the output included.
        activation: phi, by name or as a function.

    Raises:
        ValueError: `depth` below 1.

    >>> import tensorflow as tf, rnnzoo
    >>> DeepOutput(rnnzoo.layers.LSTM(4), units=6, return_sequences=True)(tf.zeros([2, 7, 5])).shape
    TensorShape([2, 7, 6])
    {PAPER}"""

    def __init__(self, layer: Any, units: int, depth: int = 2, activation: Any = "tanh", **kwargs):
        _check(depth)
        super().__init__([layer, *hidden_layers(units, depth - 1, activation, kwargs.get("dtype"))], **kwargs)


@keras.saving.register_keras_serializable(package="rnnzoo")
class DeepTransition(RNN):
    __doc__ = f"""Depth between one hidden state and the next (DT-RNN, with `shortcut` DT(S)-RNN).

    An `RNN` over `rnnzoo.cells.DeepTransitionCell`, which holds the equations. Other arguments are
    those of `RNN`.

    Args:
        cell: a cell of `rnnzoo.cells`.
        depth: ticks in a transition; 1 is the cell itself.
        shortcut: whether the previous state also passes by the intermediate ticks.

    >>> import tensorflow as tf, rnnzoo
    >>> DeepTransition(rnnzoo.cells.ElmanCell(4), depth=2, shortcut=True)(tf.zeros([2, 7, 5])).shape
    TensorShape([2, 4])
    {PAPER}"""

    def __init__(self, cell: AffineCell, depth: int = 2, shortcut: bool = False, **kwargs):
        super().__init__(DeepTransitionCell(cell, depth, shortcut), **kwargs)
