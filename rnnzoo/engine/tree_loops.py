"""Loops over the levels of trees, and back-propagation through structure.

The upward loop keeps the states of all nodes in one buffer, which it updates in place. The downward loop keeps one
buffer of gradients, to which each level adds those of its children. The gradients of all weights and inputs follow
from one product over all nodes. Time and memory are therefore linear in the number of nodes, whatever the depth.
"""

from typing import Any

import tensorflow as tf
from keras import tree

from rnnzoo.cells.ops import pretransposed
from rnnzoo.compositions import Children, Composition
from rnnzoo.engine.cell_trace import bind_weights, cast_weights
from rnnzoo.engine.modes import in_export_mode, may_be_converted
from rnnzoo.engine.tree_levels import TreeSchedule

ZERO = tf.UnconnectedGradients.ZERO


def run_composition(composition: Composition, x: Any, schedule: TreeSchedule) -> tuple:
    """Runs a composition over trees.

    Args:
        composition: a built composition.
        x: a nest of `[nodes, ...]`, the result of `composition.project`, in the order of the schedule.
        schedule: the order of nodes and edges.

    Returns:
        The states of all nodes, a tuple of `[nodes, size]`.
    """
    weights = cast_weights(composition)
    if in_export_mode():
        return _run_upward(composition, x, weights, schedule)
    inputs = (x, weights, schedule)

    @tf.custom_gradient
    def run(*flat: tf.Tensor) -> tuple:
        x, weights, schedule = tree.pack_sequence_as(inputs, list(flat))
        states = _run_upward(composition, x, weights, schedule)

        def gradient(*d_states: tf.Tensor) -> list:
            d_states = _run_downward(composition, x, weights, schedule, states, d_states)
            d_x, d_weights = _weight_gradients(composition, x, weights, schedule, states, d_states)
            return [*d_x, *d_weights, *[None] * len(schedule)]

        return tuple(states), gradient

    return tuple(run(*tree.flatten(inputs)))


def _count_leaves(schedule: TreeSchedule) -> tf.Tensor:
    return schedule.node_offsets[tf.minimum(1, tf.size(schedule.node_offsets) - 1)]


def _run_upward(composition: Composition, x: Any, weights: list, schedule: TreeSchedule) -> tuple:
    """Computes the states of all nodes, from the leaves to the roots."""
    num_leaves, num_nodes = _count_leaves(schedule), tf.size(schedule.row)
    convertible = may_be_converted()
    with bind_weights(composition, weights):
        leaves = tuple(composition.leaf(tree.map_structure(lambda t: t[:num_leaves], x)))
        inner = [tf.zeros([num_nodes - num_leaves, s.shape[1]], s.dtype) for s in leaves]
        buffers = tuple(tf.concat(pair, 0) for pair in zip(leaves, inner, strict=True))

        def body(level: tf.Tensor, buffers: tuple) -> tuple:
            start, x_level, children, _ = _read_level(level, x, schedule, buffers)
            new_states = composition.combine(x_level, children)
            rows = start + tf.range(children.nodes)
            pairs = zip(buffers, new_states, strict=True)
            if convertible:
                return level + 1, tuple(_scatter_rows(b, rows, n) for b, n in pairs)
            # in place: tf.tensor_scatter_nd_update would copy all nodes at every level
            return level + 1, tuple(tf.raw_ops.InplaceUpdate(x=b, i=rows, v=n) for b, n in pairs)

        num_levels = tf.size(schedule.node_offsets)
        _, buffers = tf.while_loop(lambda level, _: level < num_levels, body, (tf.constant(2), buffers))
    return buffers


def _scatter_rows(buffer: tf.Tensor, rows: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(tf.tensor_scatter_nd_update(buffer, rows[:, None], values), buffer.shape)


def _run_downward(
    composition: Composition, x: Any, weights: list, schedule: TreeSchedule, states: tuple, d_states: tuple
) -> tuple:
    """Computes the gradients of the states of all nodes, including those through their parents."""

    def body(level: tf.Tensor, d_states: tuple) -> tuple:
        start, x_level, children, child = _read_level(level, x, schedule, states)
        with tf.GradientTape() as tape:
            tape.watch(children.states)
            new_states = composition.combine(x_level, children)
        d_new = [d[start : start + children.nodes] for d in d_states]
        d_children = tape.gradient(new_states, children.states, d_new, unconnected_gradients=ZERO)
        # in place; no two edges have the same child
        added = (tf.raw_ops.InplaceAdd(x=d, i=child, v=g) for d, g in zip(d_states, d_children, strict=True))
        return level - 1, tuple(tf.ensure_shape(a, d.shape) for a, d in zip(added, d_states, strict=True))

    pairs = zip(composition.weights, weights, strict=True)
    transposed = {id(variable): tf.transpose(w) for variable, w in pairs if w.shape.rank == 2}
    with bind_weights(composition, weights), pretransposed(transposed):
        buffers = tuple(tf.raw_ops.DeepCopy(x=tf.convert_to_tensor(d)) for d in d_states)  # others may read d_states
        loop_vars = (tf.size(schedule.node_offsets) - 1, buffers)
        _, d_states = tf.while_loop(lambda level, _: level >= 2, body, loop_vars)
    return d_states


def _weight_gradients(
    composition: Composition, x: Any, weights: list, schedule: TreeSchedule, states: tuple, d_states: tuple
) -> tuple[list, list]:
    """Computes the gradients of inputs and weights: one vector-Jacobian product over all nodes."""
    num_leaves, num_nodes = _count_leaves(schedule), tf.size(schedule.row)
    child_states = tuple(tf.gather(s, schedule.child) for s in states)
    num_inner = num_nodes - num_leaves
    children = Children(child_states, schedule.parent - num_leaves, schedule.child_index, num_inner)
    # copies: in the gradient of a loop around the layer, a tape loses sight of tensors of the loop's own graph
    x, weights = tree.map_structure(tf.identity, (x, weights))
    sources = [tree.flatten(x), weights]
    with bind_weights(composition, weights), tf.GradientTape() as tape:
        tape.watch(sources)
        leaves = composition.leaf(tree.map_structure(lambda t: t[:num_leaves], x))
        inner = composition.combine(tree.map_structure(lambda t: t[num_leaves:], x), children)
    d_results = [*(d[:num_leaves] for d in d_states), *(d[num_leaves:] for d in d_states)]
    return tape.gradient([*leaves, *inner], sources, d_results, unconnected_gradients=ZERO)


def _read_level(level: tf.Tensor, x: Any, schedule: TreeSchedule, states: tuple) -> tuple:
    """Returns a level's first node, its inputs, its children, and their indices."""
    start, end = schedule.node_offsets[level - 1], schedule.node_offsets[level]
    edges = slice(schedule.edge_offsets[level - 1], schedule.edge_offsets[level])
    child = schedule.child[edges]
    child_states = tuple(tf.ensure_shape(tf.gather(s, child), [None, s.shape[1]]) for s in states)
    children = Children(child_states, schedule.parent[edges] - start, schedule.child_index[edges], end - start)
    return start, tree.map_structure(lambda t: t[start:end], x), children, child
