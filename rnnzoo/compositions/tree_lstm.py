"""The two tree-structured LSTMs of Tai, Socher & Manning (2015)."""

from typing import Any

import tensorflow as tf

from rnnzoo.cells.activations import sigmoid
from rnnzoo.cells.ops import dot, weight
from rnnzoo.compositions.base import Children, Composition
from rnnzoo.registry import COMPOSITIONS


class TreeLSTM(Composition):
    """Base class of tree LSTMs: gates f, i, o and update u, and the state of a leaf."""

    uses_inner_inputs = True

    def __init__(self, units: int, unit_forget_bias: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.unit_forget_bias = units, unit_forget_bias
        self.state_size = [units, units]

    def _build_weights(self, features: int, rows: int, columns: int) -> None:
        def bias(shape: Any, dtype: Any = None) -> tf.Tensor:
            ones = tf.fill([self.units], float(self.unit_forget_bias))
            return tf.cast(tf.concat([ones, tf.zeros([3 * self.units])], 0), dtype)

        self.kernel = self.add_weight(shape=(features, 4 * self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(rows, columns), name="recurrent_kernel")
        self.bias = self.add_weight(shape=(4 * self.units,), initializer=bias, name="bias")

    def project(self, inputs: tf.Tensor) -> tf.Tensor:
        return dot(inputs, self.kernel) + weight(self.bias, inputs.dtype)  # f, i, u, o: [nodes, 4 units]

    def leaf(self, x: Any) -> tuple:
        _, i, u, o = tf.split(x, 4, -1)
        c = sigmoid(i) * tf.tanh(u)
        return sigmoid(o) * tf.tanh(c), c


@COMPOSITIONS.register("tree-lstm-binary")
class BinaryTreeLSTM(TreeLSTM):
    """N-ary Tree-LSTM, N = 2 by default: separate weights for each child position, a forget gate for each child.

        h   = [h_1; ...; h_N]
        i   = sigma(x W_i + h U_i + b_i)
        f_k = sigma(x W_f + h U_fk + b_f)        for each child k
        o   = sigma(x W_o + h U_o + b_o)
        u   = tanh(x W_u + h U_u + b_u)
        c   = i * u + sum_k f_k * c_k
        h   = o * tanh(c)

    A leaf, and a missing child, has h_k = c_k = 0; a node without input has x = 0. Shapes: inputs `[nodes,
    features]`, states h and c `[nodes, units]`, output h; weights `kernel` W `[features, 4 units]` (f, i, u, o),
    `recurrent_kernel` U `[N units, (3 + N) units]` (i, u, o, f_1 ... f_N), `bias` b `[4 units]`.

    Args:
        units: size of h and c.
        arity: N, the most children of a node.
        unit_forget_bias: whether b_f is initialized to 1.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = rnnzoo.layers.Recursive(rnnzoo.compositions.BinaryTreeLSTM(4))
    >>> layer(tf.zeros([1, 3, 7]), tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]])).shape
    TensorShape([1, 4])

    Tai, Socher & Manning (2015), Improved semantic representations from tree-structured long short-term memory
    networks, ACL.
    """

    def __init__(self, units: int, arity: int = 2, unit_forget_bias: bool = True, **kwargs):
        super().__init__(units, unit_forget_bias, **kwargs)
        self.arity: int = arity

    def build(self, input_shape: Any) -> None:
        self._build_weights(input_shape[-1], self.arity * self.units, (3 + self.arity) * self.units)

    def combine(self, x: Any, children: Children) -> tuple:
        N, units = self.arity, self.units
        h_k, c_k = (children.concat_children(s, N) for s in children.states)  # [nodes, N units]
        r = dot(h_k, self.recurrent_kernel)
        f = sigmoid(tf.tile(x[:, :units], [1, N]) + r[:, 3 * units :])  # [nodes, N units]
        i, u, o = tf.split(x[:, units:] + r[:, : 3 * units], 3, -1)
        kept = tf.add_n(tf.split(f * c_k, N, -1))
        c = sigmoid(i) * tf.tanh(u) + kept
        return sigmoid(o) * tf.tanh(c), c


@COMPOSITIONS.register("tree-lstm-childsum")
class ChildSumTreeLSTM(TreeLSTM):
    """Child-sum Tree-LSTM: any number of unordered children.

        h'  = sum_k h_k
        i   = sigma(x W_i + h' U_i + b_i)
        f_k = sigma(x W_f + h_k U_f + b_f)       for each child k
        o   = sigma(x W_o + h' U_o + b_o)
        u   = tanh(x W_u + h' U_u + b_u)
        c   = i * u + sum_k f_k * c_k
        h   = o * tanh(c)

    A leaf has h' = 0 and no f_k; a node without input has x = 0. Shapes: inputs `[nodes, features]`, states h and c
    `[nodes, units]`, output h; weights `kernel` W `[features, 4 units]`, `recurrent_kernel` U `[units, 4 units]`,
    `bias` b `[4 units]`, each in the order f, i, u, o.

    Args:
        units: size of h and c.
        unit_forget_bias: whether b_f is initialized to 1.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = rnnzoo.layers.Recursive(rnnzoo.compositions.ChildSumTreeLSTM(4))
    >>> layer(tf.zeros([1, 3, 7]), tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]])).shape
    TensorShape([1, 4])

    Tai, Socher & Manning (2015), Improved semantic representations from tree-structured long short-term memory
    networks, ACL.
    """

    def build(self, input_shape: Any) -> None:
        self._build_weights(input_shape[-1], self.units, 4 * self.units)

    def combine(self, x: Any, children: Children) -> tuple:
        units = self.units
        h_k, c_k = children.states  # [children, units]
        f = sigmoid(children.gather_parent(x[:, :units]) + dot(h_k, self.recurrent_kernel, 0, units))
        i, u, o = tf.split(x[:, units:] + dot(children.sum(h_k), self.recurrent_kernel, units), 3, -1)
        c = sigmoid(i) * tf.tanh(u) + children.sum(f * c_k)
        return sigmoid(o) * tf.tanh(c), c
