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
    """Sorts the nodes and edges of `structure [batch, nodes, 3]`, as `Recursive` describes it, by level."""
    batch, places = tf.shape(structure)[0], tf.shape(structure)[1]
    parent, place, level = tf.unstack(tf.reshape(structure, [-1, 3]), axis=1)
    order = tf.argsort(level, stable=True)  # padding first
    padding = tf.math.count_nonzero(tf.equal(level, 0), dtype=tf.int32)
    node, total = order[padding:], tf.size(level) - padding
    number = tf.math.invert_permutation(order) - padding
    number = tf.where(number < 0, total, number)
    first = tf.repeat(tf.range(batch) * places, places)  # row of the first node of each one's tree
    child = tf.boolean_mask(number, (level > 0) & (parent > 0))
    row = tf.gather(node, child)
    above = tf.gather(number, tf.gather(first, row) + tf.gather(parent, row) - 1)
    by_parent = tf.argsort(above, stable=True)
    above, child, row = (tf.gather(t, by_parent) for t in (above, child, row))
    place = tf.gather(place, row)
    if arity is not None:
        tf.debugging.assert_less(place, arity, f"a node has more than the {arity} children that are composed")
    levels = tf.gather(level, node)
    rises = tf.gather(levels, child) < tf.gather(levels, above)
    tf.debugging.Assert(tf.reduce_all(rises), ["the level of a node is not above that of its children"])
    highest = tf.reduce_max(tf.concat([levels, [0]], 0))
    nodes = tf.cumsum(tf.math.bincount(levels, minlength=highest + 1, maxlength=highest + 1))
    edges = tf.cumsum(tf.math.bincount(tf.gather(levels, above), minlength=highest + 1, maxlength=highest + 1))
    return Plan(node, number, above, child, place, nodes, edges)
