"""Deep recurrent networks of Pascanu et al. (2013): deep input, deep output and deep transition."""

from typing import Any

import keras

from rnnzoo.cells import AffineCell, DeepTransitionCell
from rnnzoo.layers.rnn import RNN
from rnnzoo.layers.stack import Stack

PAPER = """
    Pascanu, Gulcehre, Cho & Bengio (2013), How to construct deep recurrent neural networks, arXiv
    1312.6026.
    """


def make_hidden_layers(units: int, depth: int, activation: Any, dtype: Any = None) -> list[keras.layers.Layer]:
    """Creates `depth` Dense layers, which are applied to each time step."""
    return [keras.layers.Dense(units, activation, dtype=dtype) for _ in range(depth)]


def _check_depth(depth: int) -> None:
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth!r}")


@keras.saving.register_keras_serializable(package="rnnzoo")
class DeepInput(Stack):
    __doc__ = f"""Deep input-to-hidden function: hidden layers between the input and the recurrent layer.

        z_t^0 = x_t,   z_t^k = phi(z_t^{{k-1}} V_k + d_k) for k = 1 ... depth - 1,   h_t = layer(z_t^{{depth-1}})

    With a depth of 1 it is the layer itself. Other arguments are those of `Stack`.

    Args:
        layer: a recurrent layer of this package.
        units: units of each hidden layer.
        depth: number of layers between the input and the hidden state, the recurrent layer included.
        activation: phi, by name or as a function.

    Raises:
        ValueError: `depth` below 1.

    >>> import tensorflow as tf, rnnzoo
    >>> DeepInput(rnnzoo.layers.LSTM(4), units=6, depth=3)(tf.zeros([2, 7, 5])).shape
    TensorShape([2, 4])
    {PAPER}"""

    def __init__(self, layer: Any, units: int, depth: int = 2, activation: Any = "tanh", **kwargs):
        _check_depth(depth)
        super().__init__([*make_hidden_layers(units, depth - 1, activation, kwargs.get("dtype")), layer], **kwargs)


@keras.saving.register_keras_serializable(package="rnnzoo")
class DeepOutput(Stack):
    __doc__ = f"""Deep hidden-to-output function (DO-RNN): hidden layers between the recurrent layer and the output.

        z_t^0 = h_t,   z_t^k = phi(z_t^{{k-1}} V_k + d_k) for k = 1 ... depth - 1

    The layer returns `z^{{depth-1}}`; the last of the `depth` layers, `y_t = z_t V_depth`, is the Dense layer after
    it. With a depth of 1 it is the layer itself. Other arguments are those of `Stack`.

    Args:
        layer: a recurrent layer of this package.
        units: units of each hidden layer.
        depth: number of layers between the hidden state and the output, the output layer included.
        activation: phi, by name or as a function.

    Raises:
        ValueError: `depth` below 1.

    >>> import tensorflow as tf, rnnzoo
    >>> DeepOutput(rnnzoo.layers.LSTM(4), units=6, return_sequences=True)(tf.zeros([2, 7, 5])).shape
    TensorShape([2, 7, 6])
    {PAPER}"""

    def __init__(self, layer: Any, units: int, depth: int = 2, activation: Any = "tanh", **kwargs):
        _check_depth(depth)
        super().__init__([layer, *make_hidden_layers(units, depth - 1, activation, kwargs.get("dtype"))], **kwargs)


@keras.saving.register_keras_serializable(package="rnnzoo")
class DeepTransition(RNN):
    __doc__ = f"""Deep transition between two hidden states (DT-RNN, with `shortcut` DT(S)-RNN).

    An `RNN` over `rnnzoo.cells.DeepTransitionCell`, which has the equations. Other arguments are
    those of `RNN`.

    Args:
        cell: a cell of `rnnzoo.cells`.
        depth: number of steps in a transition; 1 is the cell itself.
        shortcut: whether the previous state also enters the last step directly.

    >>> import tensorflow as tf, rnnzoo
    >>> DeepTransition(rnnzoo.cells.ElmanCell(4), depth=2, shortcut=True)(tf.zeros([2, 7, 5])).shape
    TensorShape([2, 4])
    {PAPER}"""

    def __init__(self, cell: AffineCell, depth: int = 2, shortcut: bool = False, **kwargs):
        super().__init__(DeepTransitionCell(cell, depth, shortcut), **kwargs)
