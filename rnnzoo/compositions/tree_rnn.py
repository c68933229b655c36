"""Recursive networks whose states are vectors: with a matrix, and with a tensor."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.ops import dot, weight
from rnnzoo.compositions.base import Children, Composition
from rnnzoo.registry import COMPOSITIONS


class VectorComposition(Composition):
    """Base class of compositions in which a leaf's inputs are its state, and children are concatenated."""

    leaf_state_is_input = True
    arity: int = 2

    def __init__(self, units: int, activation: Any = "tanh", kernel_initializer: Any = "glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.units, self.activation, self.kernel_initializer = units, activation, kernel_initializer
        self.state_size = units

    def build(self, input_shape: Any) -> None:
        if input_shape[-1] != self.units:
            raise ValueError(
                f"{type(self).__name__} uses the inputs of a leaf as its state, so they must have "
                f"units={self.units} features, got {input_shape[-1]}"
            )
        shape = (self.arity * self.units, self.units)
        self.recurrent_kernel = self.add_weight(
            shape=shape, initializer=keras.initializers.get(self.kernel_initializer), name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def leaf(self, x: Any) -> tuple:
        return (x,)


@COMPOSITIONS.register("tree-rnn")
class TreeRNN(VectorComposition):
    """Recursive neural network: a parent is one layer over its concatenated children.

        p = x                                  a leaf
        p = tanh([c_1; ...; c_N] W + b)        a node with children; missing children are zero

    Shapes: inputs `[nodes, units]` of the leaves, state and output `p [nodes, units]`; weights `recurrent_kernel` W
    `[N units, units]`, `bias` b `[units]`.

    Args:
        units: size of a node's vector, and of a leaf's inputs.
        arity: N, the most children of a node.
        activation: used instead of tanh.
        kernel_initializer: initializer of W.

    Raises:
        ValueError: the inputs do not have `units` features.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = rnnzoo.layers.Recursive(rnnzoo.compositions.TreeRNN(4))
    >>> layer(tf.zeros([1, 3, 4]), tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]])).shape
    TensorShape([1, 4])

    Socher, Lin, Ng & Manning (2011), Parsing natural scenes and natural language with recursive neural networks, ICML.
    """

    def __init__(
        self,
        units: int,
        arity: int = 2,
        activation: Any = "tanh",
        kernel_initializer: Any = "glorot_uniform",
        **kwargs,
    ):
        super().__init__(units, activation, kernel_initializer, **kwargs)
        self.arity = arity

    def combine(self, x: Any, children: Children) -> tuple:
        c = children.concat_children(children.states[0], self.arity)  # [nodes, N units]
        return (sigma(self.activation)(dot(c, self.recurrent_kernel) + weight(self.bias, c.dtype)),)


@COMPOSITIONS.register("rntn")
class RNTN(VectorComposition):
    """Recursive neural tensor network: a parent also depends on products of its two children.

        c = [c_1; c_2]
        p = x                                          a leaf
        p_k = tanh(c V_k c^T + (c W)_k + b_k)          a node with children; missing children are zero

    Shapes: inputs `[nodes, units]` of the leaves, state and output `p [nodes, units]`; weights `recurrent_kernel` W
    `[2 units, units]`, `bias` b `[units]`, `tensor` V `[2 units, units * 2 units]`, where V_k has the columns `2
    units k` to `2 units (k + 1)`. V has 4 units^3 numbers, so keep `units` small.

    Args:
        units: size of a node's vector, and of a leaf's inputs.
        activation: used instead of tanh.
        kernel_initializer: initializer of W.

    Raises:
        ValueError: the inputs do not have `units` features.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = rnnzoo.layers.Recursive(rnnzoo.compositions.RNTN(4))
    >>> layer(tf.zeros([1, 3, 4]), tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]])).shape
    TensorShape([1, 4])

    Socher, Perelygin, Wu, Chuang, Manning, Ng & Potts (2013), Recursive deep models for semantic compositionality
    over a sentiment treebank, EMNLP.
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        width = 2 * self.units
        # each c V_k c^T is a sum of width^2 products: small at first, so that W dominates
        small = keras.initializers.RandomNormal(stddev=0.1 / width)
        self.tensor = self.add_weight(shape=(width, self.units * width), initializer=small, name="tensor")

    def combine(self, x: Any, children: Children) -> tuple:
        c = children.concat_children(children.states[0], 2)  # [nodes, 2 units]
        cV = tf.reshape(dot(c, self.tensor), [-1, self.units, 2 * self.units])
        product = tf.reduce_sum(cV * c[:, None], -1)  # [nodes, units]
        return (sigma(self.activation)(product + dot(c, self.recurrent_kernel) + weight(self.bias, c.dtype)),)
