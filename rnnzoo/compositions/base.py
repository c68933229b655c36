"""The composition contract: the state of a node from its inputs and its children, as a pure function."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rnnzoo.serialization import SignatureConfig


class Children(NamedTuple):
    """The children of a set of nodes.

    Attributes:
        states: a tuple of tensors `[children, size]`.
        parent: `[children]`, the index of each child's parent among the nodes.
        child_index: `[children]`, the position of each child among its siblings, from 0.
        nodes: the number of nodes.
    """

    states: tuple
    parent: tf.Tensor
    child_index: tf.Tensor
    nodes: tf.Tensor

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """Sums `values [children, size]` over the children of each node: `[nodes, size]`."""
        return tf.math.unsorted_segment_sum(values, self.parent, self.nodes)

    def gather_parent(self, values: tf.Tensor) -> tf.Tensor:
        """Returns for each child its parent's row of `values [nodes, size]`: `[children, size]`."""
        return tf.gather(values, self.parent)

    def concat_children(self, values: tf.Tensor, arity: int) -> tf.Tensor:
        """Concatenates the children of each node, `[nodes, arity * size]`, with zeros for missing children."""
        size = values.shape[-1]
        rows = tf.scatter_nd((self.parent * arity + self.child_index)[:, None], values, [self.nodes * arity, size])
        return tf.reshape(rows, [self.nodes, arity * size])


class Composition(SignatureConfig, keras.layers.Layer):
    """Base class of compositions: the state of a node, from its inputs and its children.

        x = project(inputs)               once, for all nodes of all trees
        s = leaf(x)                       a node without children
        s = combine(x, children)          a node with children, whose states are `children.states`

    A state `s` is a tuple of tensors `[nodes, size]`, one for each size in `state_size`; the first is the output.
    `rnnzoo.layers.Recursive` runs a composition over trees. All three methods must be pure and accept any number of
    nodes; traversal, gradient and configuration follow from them.

    Attributes:
        state_size: an integer or a list of integers.
        arity: the most children of a node; None for any number.
        uses_inner_inputs: whether nodes with children have inputs too.
        leaf_state_is_input: whether the inputs of a leaf are its state, so that they must have `units` features.

    A composition that sums the leaves:

    >>> import tensorflow as tf, rnnzoo
    >>> class Sum(rnnzoo.compositions.Composition):
    ...     state_size = 1
    ...     def leaf(self, x):
    ...         return (x,)
    ...     def combine(self, x, children):
    ...         return (children.sum(children.states[0]),)
    >>> structure = tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]])  # parent, child index and level of each node
    >>> rnnzoo.layers.Recursive(Sum())(tf.constant([[[2.0], [3.0], [0.0]]]), structure).numpy()
    array([[5.]], dtype=float32)
    """

    state_size: Any
    arity: int | None = None
    uses_inner_inputs = False
    leaf_state_is_input = False

    def project(self, inputs: tf.Tensor) -> Any:
        """Computes `x` from the inputs alone, for `inputs [nodes, features]`: a nest of `[nodes, ...]`."""
        return inputs

    def leaf(self, x: Any) -> tuple:
        """Computes the states of nodes without children."""
        raise NotImplementedError(f"{type(self).__name__} does not define leaf(x)")

    def combine(self, x: Any, children: Children) -> tuple:
        """Computes the states of nodes with children."""
        raise NotImplementedError(f"{type(self).__name__} does not define combine(x, children)")
