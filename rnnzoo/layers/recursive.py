"""The layer of recursive networks over trees."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.input_checks import CheckedInputs
from rnnzoo.cells.ops import in_xla
from rnnzoo.compositions import Composition
from rnnzoo.engine.tree_levels import LEVEL, schedule_trees
from rnnzoo.engine.tree_loops import run_composition
from rnnzoo.serialization import SignatureConfig


@keras.saving.register_keras_serializable(package="rnnzoo")
class Recursive(CheckedInputs, SignatureConfig, keras.layers.Layer):
    """Recursive network: a composition applied to trees, from the leaves to the root.

    Call it with `inputs [batch, nodes, features]`, one vector for each node (zeros at nodes without input), and
    `structure [batch, nodes, 3]` with three integers for each node:

        parent        the number of its parent in the tree, from 1; 0 for the root
        child index   its position among its siblings, from 0
        level         1 for a node without children, else 1 more than its highest child; 0 for padding

    Nodes may be in any order, with padding anywhere. The layer returns the root's output `[batch, units]`; with
    `outputs="nodes"` that of every node `[batch, nodes, units]` (zeros at padding); with "both" the two. A tree of
    padding alone returns zeros. `rnnzoo.data.trees.tree_structure` creates the structure from the children of each
    node.

    XLA has to know the shapes of trees when it compiles, so this layer runs in the plain graph.

    Args:
        composition: a composition of `rnnzoo.compositions`.
        outputs: "root", "nodes" or "both".

    Raises:
        ValueError: unknown outputs, inputs and structure that do not match, or a graph under `jit_compile=True`.
        tf.errors.InvalidArgumentError: an invalid structure: a parent that is not in the tree, a node with more
            children than the composition supports or with two of the same child index, a level that is not above
            those of the children, or above 1 without children.

    >>> import tensorflow as tf, rnnzoo
    >>> layer = Recursive(rnnzoo.compositions.ChildSumTreeLSTM(4), outputs="nodes")
    >>> layer(tf.ones([1, 3, 2]), tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]])).shape
    TensorShape([1, 3, 4])

    Pollack (1990), Recursive distributed representations, Artificial Intelligence 46; Goller & Kuchler (1996),
    Learning task-dependent distributed representations by backpropagation through structure, ICNN.
    """

    def __init__(self, composition: Composition, outputs: str = "root", **kwargs):
        super().__init__(autocast=False, **kwargs)  # node numbers must not be rounded
        if outputs not in ("root", "nodes", "both"):
            raise ValueError(f"outputs must be 'root', 'nodes' or 'both', got '{outputs}'")
        if not isinstance(composition, Composition):
            raise ValueError(
                f"composition must be one of rnnzoo.compositions, such as TreeRNN(8), got {composition!r:.80}"
            )
        self.composition, self.outputs = composition, outputs
        self.supports_jit = False  # so that `fit` does not compile it

    def build(self, input_shape: Any) -> None:
        if not self.composition.built:  # it is built if it was loaded from a file
            self.composition.build((None, input_shape[-1]))
            self.composition.built = True

    def call(self, inputs: Any, structure: Any, outputs: str | None = None) -> Any:
        outputs = outputs or self.outputs
        if in_xla():
            raise ValueError("trees cannot be compiled by XLA, which must know their shapes: use jit_compile=False")
        inputs, structure = tf.cast(inputs, self.compute_dtype), tf.cast(structure, tf.int32)
        if structure.shape.rank != 3 or structure.shape[-1] != 3:
            raise ValueError(f"structure must be [batch, nodes, 3] (parent, child index, level), got {structure.shape}")
        if not inputs.shape[:2].is_compatible_with(structure.shape[:2]):
            raise ValueError(f"inputs {inputs.shape} and structure {structure.shape} do not have the same nodes")
        tf.debugging.assert_equal(
            tf.shape(inputs)[:2], tf.shape(structure)[:2], message="inputs and structure do not have the same nodes"
        )
        batch, max_nodes = tf.shape(structure)[0], tf.shape(structure)[1]
        schedule = schedule_trees(structure, self.composition.arity)
        rows = tf.gather(tf.reshape(inputs, [-1, inputs.shape[-1]]), schedule.row)
        output = run_composition(self.composition, self.composition.project(rows), schedule)[0]
        output = tf.concat([output, tf.zeros([1, output.shape[1]], output.dtype)], 0)
        results = []
        if outputs != "nodes":
            root = tf.argmax(structure[..., LEVEL], 1, tf.int32) + tf.range(batch) * max_nodes
            results.append(tf.gather(output, tf.gather(schedule.index, root)))
        if outputs != "root":
            results.append(tf.reshape(tf.gather(output, schedule.index), [batch, max_nodes, output.shape[1]]))
        return results[0] if len(results) == 1 else tuple(results)
