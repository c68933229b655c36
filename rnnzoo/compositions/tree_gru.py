"""Gated recurrent unit over trees."""

from typing import Any

import tensorflow as tf

from rnnzoo.cells.activations import sigmoid
from rnnzoo.cells.ops import dot, weight
from rnnzoo.compositions.base import Children, Composition
from rnnzoo.registry import COMPOSITIONS


@COMPOSITIONS.register("tree-gru")
class TreeGRU(Composition):
    """Gated recurrent unit over any number of unordered children.

        h'  = sum_k h_k
        r_k = sigma(x W_r + h_k U_r + b_r)       for each child k
        z   = sigma(x W_z + h' U_z + b_z)
        n   = tanh(x W_n + (sum_k r_k * h_k) U_n + b_n)
        h   = z * h' + (1 - z) * n

    A leaf has h' = 0; a node without input has x = 0. Shapes: inputs `[nodes, features]`, state and output h
    `[nodes, units]`; weights `kernel` W `[features, 3 units]`, `recurrent_kernel` U `[units, 3 units]`, `bias` b
    `[3 units]`, each in the order z, r, n (as in Keras).

    Args:
        units: size of h.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = rnnzoo.layers.Recursive(rnnzoo.compositions.TreeGRU(4))
    >>> layer(tf.zeros([1, 3, 7]), tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]])).shape
    TensorShape([1, 4])

    The unit of Cho et al. (2014), with sums over children as in Tai, Socher & Manning (2015), Improved semantic
    representations from tree-structured long short-term memory networks, ACL.
    """

    uses_inner_inputs = True

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], 3 * self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, 3 * self.units), name="recurrent_kernel")
        self.bias = self.add_weight(shape=(3 * self.units,), initializer="zeros", name="bias")

    def project(self, inputs: tf.Tensor) -> tf.Tensor:
        return dot(inputs, self.kernel) + weight(self.bias, inputs.dtype)  # z, r, n: [nodes, 3 units]

    def leaf(self, x: Any) -> tuple:
        z, _, n = tf.split(x, 3, -1)
        return ((1 - sigmoid(z)) * tf.tanh(n),)

    def combine(self, x: Any, children: Children) -> tuple:
        units, U = self.units, self.recurrent_kernel
        x_z, x_r, x_n = tf.split(x, 3, -1)
        (h_k,) = children.states  # [children, units]
        h = children.sum(h_k)
        r = sigmoid(children.gather_parent(x_r) + dot(h_k, U, units, 2 * units))
        z = sigmoid(x_z + dot(h, U, 0, units))
        n = tf.tanh(x_n + dot(children.sum(r * h_k), U, 2 * units))
        return (z * h + (1 - z) * n,)
