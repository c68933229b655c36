"""Trees, a batch of any shapes at once: all nodes of one level together, from the leaves to the roots.

The loop that runs up the levels keeps the states of all nodes in one buffer, which it is given and writes into.
The loop that runs down carries one buffer of gradients, into which each level adds those of its children. The
gradients of all weights and inputs then follow from one product over all nodes at once. So time and memory are
linear in the nodes, whatever the depth.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells.inputs import CheckedInputs
from rnnzoo.cells.ops import in_xla, transposed_once
from rnnzoo.compositions import Children, Composition
from rnnzoo.layers.levels import LEVEL, Plan, plan_of
from rnnzoo.layers.tick import IN_PLAIN_LOOP, bound, cast_weights
from rnnzoo.serialization import SignatureConfig


@keras.saving.register_keras_serializable(package="rnnzoo")
class Recursive(CheckedInputs, SignatureConfig, keras.layers.Layer):
    """A recursive network: a composition applied along trees, from the leaves to the root.

    Call it with `inputs [batch, nodes, features]`, one vector a node (zeros at a node without), and `structure
    [batch, nodes, 3]`, for each node

        parent   the number of its parent in the tree, from 1 on; 0: it has none, it is the root
        place    which of its parent's children it is, from 0 on
        level    1 for a node without children, else 1 more than its highest child; 0: padding

    in any order of nodes, padded anywhere. It returns the root's output `[batch, units]`; with
    `outputs="nodes"` that of every node `[batch, nodes, units]` (zeros at padding); with "both" the two. A tree of
    nothing but padding gives zeros. `rnnzoo.tasks.trees.structure` makes it from the children of each node.

    The shapes of trees are not known when XLA compiles, so this layer runs in the plain graph.

    Args:
        composition: what makes a parent of its children, see `rnnzoo.compositions`.
        outputs: "root", "nodes" or "both".

    Raises:
        ValueError: other outputs, inputs and structure that do not fit, or a graph under `jit_compile=True`.
        tf.errors.InvalidArgumentError: a structure that is none: a parent that is not in the tree, a node with more
            children than the composition takes or with two in one place, a level that is not above those of the
            children, or above 1 without any.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = Recursive(rnnzoo.compositions.ChildSumTreeLSTM(4), outputs="nodes")
    >>> layer(tf.ones([1, 3, 2]), tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]])).shape
    TensorShape([1, 3, 4])

    Pollack (1990), Recursive distributed representations, Artificial Intelligence 46; Goller & Kuchler (1996),
    Learning task-dependent distributed representations by backpropagation through structure, ICNN.
    """

    def __init__(self, composition: Composition, outputs: str = "root", **kwargs):
        super().__init__(autocast=False, **kwargs)  # numbers of nodes are no numbers to round
        if outputs not in ("root", "nodes", "both"):
            raise ValueError(f"outputs is 'root', 'nodes' or 'both', not '{outputs}'")
        if not isinstance(composition, Composition):
            raise ValueError(f"composition is one of rnnzoo.compositions, such as TreeRNN(8), not {composition!r:.80}")
        self.composition, self.outputs = composition, outputs
        self.supports_jit = False  # so that fit does not try

    def build(self, input_shape: Any) -> None:
        if not self.composition.built:  # it is, when it comes from a file
            self.composition.build((None, input_shape[-1]))
            self.composition.built = True

    def call(self, inputs: Any, structure: Any) -> Any:
        if in_xla():
            raise ValueError("trees cannot be compiled by XLA, which must know their shapes: use jit_compile=False")
        inputs, structure = tf.cast(inputs, self.compute_dtype), tf.cast(structure, tf.int32)
        if structure.shape.rank != 3 or structure.shape[-1] != 3:
            raise ValueError(f"structure is [batch, nodes, 3] (parent, place, level), not {structure.shape}")
        if not inputs.shape[:2].is_compatible_with(structure.shape[:2]):
            raise ValueError(f"inputs {inputs.shape} and structure {structure.shape} are not of the same nodes")
        tf.debugging.assert_equal(
            tf.shape(inputs)[:2], tf.shape(structure)[:2], message="inputs and structure are not of the same nodes"
        )
        batch, places = tf.shape(structure)[0], tf.shape(structure)[1]
        plan = plan_of(structure, self.composition.arity)
        rows = tf.gather(tf.reshape(inputs, [-1, inputs.shape[-1]]), plan.node)
        output = run(self.composition, self.composition.project(rows), plan)[0]
        output = tf.concat([output, tf.zeros([1, output.shape[1]], output.dtype)], 0)
        found = []
        if self.outputs != "nodes":
            root = tf.argmax(structure[..., LEVEL], 1, tf.int32) + tf.range(batch) * places
            found.append(tf.gather(output, tf.gather(plan.number, root)))
        if self.outputs != "root":
            found.append(tf.reshape(tf.gather(output, plan.number), [batch, places, output.shape[1]]))
        return found[0] if len(found) == 1 else tuple(found)


def run(composition: Composition, x: Any, plan: Plan) -> tuple:
    """The states of all nodes, a tuple of `[nodes, size]`, for `x`, a nest of `[nodes, ...]`; in the plan's order."""
    weights = cast_weights(composition)
    if IN_PLAIN_LOOP.get():
        return _up(composition, x, weights, plan)
    given = (x, weights, plan)

    @tf.custom_gradient
    def core(*flat: tf.Tensor) -> tuple:
        x, weights, plan = tree.pack_sequence_as(given, list(flat))
        states = _up(composition, x, weights, plan)

        def gradient(*d_states: tf.Tensor) -> list:
            d_states = _down(composition, x, weights, plan, states, d_states)
            d_x, d_weights = _bulk(composition, x, weights, plan, states, d_states)
            return [*d_x, *d_weights, *[None] * len(plan)]

        return tuple(states), gradient

    return tuple(core(*tree.flatten(given)))


def _up(composition: Composition, x: Any, weights: list, plan: Plan) -> tuple:
    """The states of all nodes."""
    leaves, total = plan.nodes[tf.minimum(1, tf.size(plan.nodes) - 1)], tf.size(plan.node)
    with bound(composition, weights):
        first = tuple(composition.leaf(tree.map_structure(lambda t: t[:leaves], x)))
        above = [tf.zeros([total - leaves, s.shape[1]], s.dtype) for s in first]
        buffers = tuple(tf.concat(pair, 0) for pair in zip(first, above, strict=True))

        def body(level: tf.Tensor, buffers: tuple) -> tuple:
            start, x_l, children, _ = _level(level, x, plan, buffers)
            new = composition.combine(x_l, children)
            rows = start + tf.range(children.nodes)
            # in place: tf.tensor_scatter_nd_update would copy all nodes at every level
            written = (tf.raw_ops.InplaceUpdate(x=b, i=rows, v=n) for b, n in zip(buffers, new, strict=True))
            return level + 1, tuple(written)

        levels = tf.size(plan.nodes)
        _, buffers = tf.while_loop(lambda level, _: level < levels, body, (tf.constant(2), buffers))
    return buffers


def _down(composition: Composition, x: Any, weights: list, plan: Plan, states: tuple, d_states: tuple) -> tuple:
    """The gradients of the states of all nodes, those that come by way of the parents included."""

    def body(level: tf.Tensor, d_states: tuple) -> tuple:
        start, x_l, children, child = _level(level, x, plan, states)
        with tf.GradientTape() as tape:
            tape.watch(children.states)
            new = composition.combine(x_l, children)
        d_new = [d[start : start + children.nodes] for d in d_states]
        found = tape.gradient(new, children.states, d_new, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        # in place; no two edges have the same child
        added = (tf.raw_ops.InplaceAdd(x=d, i=child, v=g) for d, g in zip(d_states, found, strict=True))
        return level - 1, tuple(tf.ensure_shape(a, d.shape) for a, d in zip(added, d_states, strict=True))

    pairs = zip(composition.weights, weights, strict=True)
    turned = {id(variable): tf.transpose(w) for variable, w in pairs if w.shape.rank == 2}
    with bound(composition, weights), transposed_once(turned):
        own = tuple(tf.raw_ops.DeepCopy(x=tf.convert_to_tensor(d)) for d in d_states)  # not what others read
        loop = (tf.size(plan.nodes) - 1, own)
        _, d_states = tf.while_loop(lambda level, _: level >= 2, body, loop)
    return d_states


def _bulk(composition: Composition, x: Any, weights: list, plan: Plan, states: tuple, d_states: tuple) -> tuple:
    """The gradients of inputs and weights: one vector-Jacobian product over all nodes."""
    leaves, total = plan.nodes[tf.minimum(1, tf.size(plan.nodes) - 1)], tf.size(plan.node)
    below = tuple(tf.gather(s, plan.child) for s in states)
    children = Children(below, plan.parent - leaves, plan.place, total - leaves)
    sources = [tree.flatten(x), weights]
    with bound(composition, weights), tf.GradientTape() as tape:
        tape.watch(sources)
        first = composition.leaf(tree.map_structure(lambda t: t[:leaves], x))
        rest = composition.combine(tree.map_structure(lambda t: t[leaves:], x), children)
    d_parts = [*(d[:leaves] for d in d_states), *(d[leaves:] for d in d_states)]
    zero = tf.UnconnectedGradients.ZERO
    d_x, d_weights = tape.gradient([*first, *rest], sources, d_parts, unconnected_gradients=zero)
    return d_x, d_weights


def _level(level: tf.Tensor, x: Any, plan: Plan, states: tuple) -> tuple:
    """A level's first node, its inputs, its children, and their numbers."""
    start, end = plan.nodes[level - 1], plan.nodes[level]
    edges = slice(plan.edges[level - 1], plan.edges[level])
    child = plan.child[edges]
    below = tuple(tf.ensure_shape(tf.gather(s, child), [None, s.shape[1]]) for s in states)
    children = Children(below, plan.parent[edges] - start, plan.place[edges], end - start)
    return start, tree.map_structure(lambda t: t[start:end], x), children, child
