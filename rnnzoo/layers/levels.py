"""The nodes of a batch of trees, sorted by level, so that those of one level stand together."""

from typing import Any, NamedTuple

import tensorflow as tf

PARENT, PLACE, LEVEL = range(3)  # of a structure


class Plan(NamedTuple):
    """The nodes of all trees by level, leaves first, and the edges by the number of their parent."""

    node: Any  # [nodes] row of each in [batch * places]
    number: Any  # [batch * places] the inverse; that of padding is the number of nodes
    parent: Any  # [edges] number of the parent
    child: Any  # [edges] number of the child
    place: Any  # [edges] which of the parent's children it is
    nodes: Any  # [levels + 1] the first node of each level, and their number
    edges: Any  # [levels + 1] the first edge of each level's parents, and their number


def plan_of(structure: tf.Tensor, arity: int | None) -> Plan:
    """Sorts the nodes and edges of `structure [batch, nodes, 3]`, as `Recursive` describes it, by level.

    Raises:
        tf.errors.InvalidArgumentError: it is none, as `Recursive` says.
    """
    batch, places = tf.shape(structure)[0], tf.shape(structure)[1]
    there = structure * tf.cast(structure[..., LEVEL:] > 0, tf.int32)  # what stands at padding does not count
    tf.debugging.assert_non_negative(structure[..., LEVEL], message="a level is 0 at padding, and 1 or more at a node")
    tf.debugging.assert_non_negative(there, message="a parent and a place are not below 0")
    tf.debugging.assert_less_equal(there[..., PARENT], places, message="the parent of a node is not in its tree")
    parent, place, level = tf.unstack(tf.reshape(there, [-1, 3]), axis=1)
    order = tf.argsort(level, stable=True)  # padding first
    padding = tf.math.count_nonzero(tf.equal(level, 0), dtype=tf.int32)
    node, total = order[padding:], tf.size(level) - padding
    number = tf.math.invert_permutation(order) - padding
    number = tf.where(number < 0, total, number)
    first = tf.repeat(tf.range(batch) * places, places)  # row of the first node of each one's tree
    child = tf.boolean_mask(number, parent > 0)
    row = tf.gather(node, child)
    above = tf.gather(number, tf.gather(first, row) + tf.gather(parent, row) - 1)
    tf.debugging.assert_less(above, total, message="the parent of a node is padding")
    place = tf.gather(place, row)
    if arity is not None:
        tf.debugging.assert_less(place, arity, message=f"a node has more than the {arity} children that are composed")
    above, child, place = _by_parent(above, child, place)
    levels = tf.gather(level, node)
    rises = tf.gather(levels, child) < tf.gather(levels, above)
    tf.debugging.Assert(tf.reduce_all(rises), ["the level of a node is not above that of its children"])
    parents = tf.size(tf.unique(above).y)
    inner = tf.math.count_nonzero(levels > 1, dtype=tf.int32)
    tf.debugging.assert_equal(parents, inner, message="the level of a node without children is not 1")
    highest = tf.reduce_max(tf.concat([levels, [0]], 0))
    nodes = tf.cumsum(tf.math.bincount(levels, minlength=highest + 1, maxlength=highest + 1))
    edges = tf.cumsum(tf.math.bincount(tf.gather(levels, above), minlength=highest + 1, maxlength=highest + 1))
    return Plan(node, number, above, child, place, nodes, edges)


def _by_parent(above: tf.Tensor, child: tf.Tensor, place: tf.Tensor) -> tuple:
    """The edges by the number of their parent and, below it, by place."""
    most = tf.cast(tf.reduce_max(tf.concat([place, [0]], 0)) + 1, tf.int64)
    keys = tf.cast(above, tf.int64) * most + tf.cast(place, tf.int64)
    order = tf.argsort(keys, stable=True)
    keys = tf.gather(keys, order)
    tf.debugging.assert_none_equal(keys[1:], keys[:-1], message="two children of a node are in one place")
    return tuple(tf.gather(t, order) for t in (above, child, place))
