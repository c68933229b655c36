"""The contract of a composition: children into a parent, pure but for the weights it owns."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rnnzoo.serialization import SignatureConfig


class Children(NamedTuple):
    """The children of some nodes: `states`, a tuple of `[children, size]`, and whose child each is.

    `parent [children]` is the number of its parent among the `nodes` nodes at hand, `place [children]` which of
    the parent's children it is, from 0 on.
    """

    states: tuple
    parent: tf.Tensor
    place: tf.Tensor
    nodes: tf.Tensor

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """The sum over each node's children of `values [children, size]`: `[nodes, size]`."""
        return tf.math.unsorted_segment_sum(values, self.parent, self.nodes)

    def of_parent(self, values: tf.Tensor) -> tf.Tensor:
        """For each child its parent's row of `values [nodes, size]`: `[children, size]`."""
        return tf.gather(values, self.parent)

    def side_by_side(self, values: tf.Tensor, arity: int) -> tf.Tensor:
        """Each node's children in a row, `[nodes, arity size]`; zeros where there is no child."""
        size = values.shape[-1]
        rows = tf.scatter_nd((self.parent * arity + self.place)[:, None], values, [self.nodes * arity, size])
        return tf.reshape(rows, [self.nodes, arity * size])


class Composition(SignatureConfig, keras.layers.Layer):
    """What a node of a tree is, from its own inputs and from its children. `rnnzoo.layers.Recursive` runs it.

        x = project(inputs)               once, for all nodes of all trees
        s = leaf(x)                       a node without children
        s = combine(x, children)          a node with children, whose states are `children.states`

    A state `s` is a tuple of tensors `[nodes, size]`, as many as `state_size` names; its first is the output.
    All three are pure and accept any number of nodes; `arity` is how many children a node may have at most
    (None: as many as it likes), `reads_inside` whether nodes with children have inputs too. Nothing else
    is asked for: the traversal, its gradient and the configuration follow from these.

    The sum of the leaves, whole:

    >>> import tensorflow as tf, rnnzoo
    >>> class Sum(rnnzoo.compositions.Composition):
    ...     state_size = 1
    ...     def leaf(self, x):
    ...         return (x,)
    ...     def combine(self, x, children):
    ...         return (children.sum(children.states[0]),)
    >>> structure = tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]])  # of each node parent, place and level: (a b)
    >>> rnnzoo.layers.Recursive(Sum())(tf.constant([[[2.0], [3.0], [0.0]]]), structure).numpy()
    array([[5.]], dtype=float32)
    """

    state_size: Any
    arity: int | None = None
    reads_inside = False
    leaf_is_input = False  # whether a leaf needs inputs of as many features as there are units

    def project(self, inputs: tf.Tensor) -> Any:
        """What the inputs alone decide, for `inputs [nodes, features]`: `x`, a nest of `[nodes, ...]`."""
        return inputs

    def leaf(self, x: Any) -> tuple:
        """The states of nodes without children."""
        raise NotImplementedError(f"{type(self).__name__} does not define leaf(x)")

    def combine(self, x: Any, children: Children) -> tuple:
        """The equations: the states of nodes with children."""
        raise NotImplementedError(f"{type(self).__name__} does not define combine(x, children)")
