"""Schedule of a batch of trees: nodes and edges sorted by level, so that all nodes of a level run together."""

from typing import Any, NamedTuple

import tensorflow as tf

PARENT, CHILD_INDEX, LEVEL = range(3)  # columns of a structure


class TreeSchedule(NamedTuple):
    """The nodes of all trees ordered by level, leaves first, and the edges ordered by their parent.

    Attributes:
        row: `[nodes]`, the row of each node in `[batch * max_nodes]`.
        index: `[batch * max_nodes]`, the inverse: the index of each row's node; the number of nodes for padding.
        parent: `[edges]`, the index of each edge's parent.
        child: `[edges]`, the index of each edge's child.
        child_index: `[edges]`, the position of the child among its siblings.
        node_offsets: `[levels + 1]`, the first node of each level, and the number of nodes.
        edge_offsets: `[levels + 1]`, the first edge of each level's parents, and the number of edges.
    """

    row: Any
    index: Any
    parent: Any
    child: Any
    child_index: Any
    node_offsets: Any
    edge_offsets: Any


def schedule_trees(structure: tf.Tensor, arity: int | None) -> TreeSchedule:
    """Sorts the nodes and edges of `structure [batch, max_nodes, 3]`, as `Recursive` describes it, by level.

    Raises:
        tf.errors.InvalidArgumentError: the structure is invalid, see `Recursive`.
    """
    batch, max_nodes = tf.shape(structure)[0], tf.shape(structure)[1]
    tf.debugging.assert_non_negative(
        structure[..., LEVEL], message="level must be 0 at padding and at least 1 at a node"
    )
    structure *= tf.cast(structure[..., LEVEL:] > 0, tf.int32)  # the contents of padding are ignored
    tf.debugging.assert_non_negative(structure, message="parent and child index must be at least 0")
    tf.debugging.assert_less_equal(structure[..., PARENT], max_nodes, message="the parent of a node is not in its tree")
    parent, child_index, level = tf.unstack(tf.reshape(structure, [-1, 3]), axis=1)
    order = tf.argsort(level, stable=True)  # padding first
    padding = tf.reduce_sum(tf.cast(tf.equal(level, 0), tf.int32))
    row, num_nodes = order[padding:], tf.size(level) - padding
    index = tf.scatter_nd(order[:, None], tf.range(tf.size(order)), tf.shape(order)) - padding  # the inverse order
    index = tf.where(index < 0, num_nodes, index)
    tree_start = tf.repeat(tf.range(batch) * max_nodes, max_nodes)  # the first row of each row's tree
    child = tf.boolean_mask(index, parent > 0)
    child_row = tf.gather(row, child)
    parent = tf.gather(index, tf.gather(tree_start, child_row) + tf.gather(parent, child_row) - 1)
    tf.debugging.assert_less(parent, num_nodes, message="the parent of a node is padding")
    child_index = tf.gather(child_index, child_row)
    if arity is not None:
        message = f"a node has more than the {arity} children that the composition supports"
        tf.debugging.assert_less(child_index, arity, message=message)
    parent, child, child_index = _sort_by_parent(parent, child, child_index)
    levels = tf.gather(level, row)
    _check_levels(levels, parent, child)
    highest = tf.reduce_max(tf.concat([levels, [0]], 0))
    node_offsets = _offsets(levels, highest)
    return TreeSchedule(
        row, index, parent, child, child_index, node_offsets, _offsets(tf.gather(levels, parent), highest)
    )


def _offsets(levels: tf.Tensor, highest: tf.Tensor) -> tf.Tensor:
    return tf.cumsum(tf.math.unsorted_segment_sum(tf.ones_like(levels), levels, highest + 1))


def _check_levels(levels: tf.Tensor, parent: tf.Tensor, child: tf.Tensor) -> None:
    rises = tf.gather(levels, child) < tf.gather(levels, parent)
    tf.debugging.Assert(tf.reduce_all(rises), ["the level of a node is not above that of its children"])
    num_parents = tf.size(tf.unique(parent).y)
    num_inner = tf.math.count_nonzero(levels > 1, dtype=tf.int32)
    tf.debugging.assert_equal(num_parents, num_inner, message="the level of a node without children is not 1")


def _sort_by_parent(parent: tf.Tensor, child: tf.Tensor, child_index: tf.Tensor) -> tuple:
    """Sorts edges by the index of their parent, then by child index."""
    width = tf.cast(tf.reduce_max(tf.concat([child_index, [0]], 0)) + 1, tf.int64)
    keys = tf.cast(parent, tf.int64) * width + tf.cast(child_index, tf.int64)
    order = tf.argsort(keys, stable=True)
    keys = tf.gather(keys, order)
    tf.debugging.assert_none_equal(keys[1:], keys[:-1], message="two children of a node have the same child index")
    return tuple(tf.gather(t, order) for t in (parent, child, child_index))
