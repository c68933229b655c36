"""Recursive networks whose nodes are vectors: with a matrix, and with a tensor."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.activations import activation as sigma
from rnnzoo.cells.ops import dot, weight
from rnnzoo.compositions.base import Children, Composition
from rnnzoo.registry import COMPOSITIONS


class VectorComposition(Composition):
    """What the two have in common: a leaf's inputs are its state, and a matrix over all children."""

    leaf_is_input = True
    arity: int = 2

    def __init__(self, units: int, activation: Any = "tanh", kernel_initializer: Any = "glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.units, self.activation, self.kernel_initializer = units, activation, kernel_initializer
        self.state_size = units

    def build(self, input_shape: Any) -> None:
        if input_shape[-1] != self.units:
            raise ValueError(
                f"{type(self).__name__} takes a leaf's vector as the leaf's state: inputs have {input_shape[-1]} "
                f"features, units are {self.units}; make them the same"
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
    """The recursive network: a parent is one layer over its children.

        p = x                                  a leaf
        p = tanh([c_1; ...; c_N] W + b)        a node with children; a child that is not there is zero

    Shapes: inputs `[nodes, units]` of the leaves, state and output `p [nodes, units]`; weights `recurrent_kernel`
    W `[N units, units]`, `bias` b `[units]`.

    Args:
        units: size of a node's vector, and of a leaf's inputs.
        arity: most children of a node, N.
        activation: in place of tanh.
        kernel_initializer: of the matrix.

    Raises:
        ValueError: inputs of another size than `units`.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = rnnzoo.layers.Recursive(rnnzoo.compositions.TreeRNN(4))
    >>> layer(tf.zeros([1, 3, 4]), tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]])).shape
    TensorShape([1, 4])

    Socher, Lin, Ng & Manning (2011), Parsing natural scenes and natural language with recursive neural
    networks, ICML.
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
        c = children.side_by_side(children.states[0], self.arity)  # [nodes, N units]
        return (sigma(self.activation)(dot(c, self.recurrent_kernel) + weight(self.bias, c.dtype)),)


@COMPOSITIONS.register("rntn")
class RNTN(VectorComposition):
    """The recursive neural tensor network: two children multiply each other too.

        c = [c_1; c_2]
        p = x                                          a leaf
        p_k = tanh(c V_k c^T + (c W)_k + b_k)          a node with children; a child that is not there is zero

    Shapes: inputs `[nodes, units]` of the leaves, state and output `p [nodes, units]`; weights `recurrent_kernel`
    W `[2 units, units]`, `bias` b `[units]`, `tensor` V `[2 units, units * 2 units]`, V_k being the columns
    `2 units k` to `2 units (k + 1)`: 4 units^3 numbers, so keep `units` small.

    Args:
        units: size of a node's vector, and of a leaf's inputs.
        activation: in place of tanh.
        kernel_initializer: of the matrix.

    Raises:
        ValueError: inputs of another size than `units`.

    Socher, Perelygin, Wu, Chuang, Manning, Ng & Potts (2013), Recursive deep models for semantic
    compositionality over a sentiment treebank, EMNLP.
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        width = 2 * self.units
        # each c V_k c^T is a sum of width^2 products: at first the matrix is to lead
        small = keras.initializers.RandomNormal(stddev=0.1 / width)
        self.tensor = self.add_weight(shape=(width, self.units * width), initializer=small, name="tensor")

    def combine(self, x: Any, children: Children) -> tuple:
        c = children.side_by_side(children.states[0], 2)  # [nodes, 2 units]
        cV = tf.reshape(dot(c, self.tensor), [-1, self.units, 2 * self.units])
        product = tf.reduce_sum(cV * c[:, None], -1)  # [nodes, units]
        return (sigma(self.activation)(product + dot(c, self.recurrent_kernel) + weight(self.bias, c.dtype)),)
