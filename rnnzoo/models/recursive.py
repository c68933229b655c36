"""Recursive networks: trees in, an output for each tree or for each of its nodes."""

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.layers import Recursive
from rnnzoo.models.base import ZooModel
from rnnzoo.models.embedding import table
from rnnzoo.registry import COMPOSITIONS, MODELS
from rnnzoo.serialization import parameters
from rnnzoo.spec import PAD, TaskSpec

PLACES = 10  # most children that have weights of their own
ANY_NUMBER = "tree-lstm-childsum and tree-gru take any number"


@dataclasses.dataclass(frozen=True)
class RecursiveOptions:
    """Options of the recursive model."""

    composition: str = option("tree-lstm-binary", "how children make a parent", choices=tuple(COMPOSITIONS.list()))
    units: int = option(128, "units of a node", minimum=1, size="units")
    embedding: int | None = option(None, "size of the embedding of tokens; default: units", minimum=1, size="units")
    dropout: float = option(0.0, "fraction of a node's inputs hidden in training", minimum=0, below=1)
    layer_dropout: float = option(0.0, "fraction of what enters the head hidden in training", minimum=0, below=1)


@keras.saving.register_keras_serializable(package="rnnzoo")
class TreeNetwork(ZooModel):
    """Embedding, recursive core, linear head; built from a `TaskSpec` of trees.

    Call it with `[batch, nodes, 4]`: of each node its token (PAD: none), and parent, place and level as
    `rnnzoo.layers.Recursive` reads them. It returns logits or values `[batch, outputs]` of the roots, or with
    `spec.per_step` `[batch, nodes, outputs]`. XLA, which must know the shapes of trees, cannot compile it.

    Raises:
        UserError: a task of something else than trees, or of trees that the composition cannot make.
    """

    compilable = False
    causal = False

    def __init__(self, core: Recursive, spec: TaskSpec, recipe: tuple[str, dict[str, Any]], options: Any, **kwargs):
        super().__init__(spec, recipe, **kwargs)
        self.core = core
        core.outputs = "nodes" if spec.per_step else "root"
        self.embedding = table(spec.input_size, options.embedding or options.units, name="embedding")
        self.hide = keras.layers.Dropout(options.dropout)
        self.dropout = keras.layers.Dropout(options.layer_dropout)
        # logits and predictions in float32, whatever the policy
        self.head = keras.layers.Dense(spec.output_size, dtype="float32", name="head")
        self(self.example())

    def example(self, batch_size: int = 1) -> tf.Tensor:
        """Trees of one node, without a token."""
        return tf.tile(tf.constant([[[PAD, 0, 0, 1]]]), [batch_size, 1, 1])

    def run(self, inputs: Any, state: Any, mask: Any = None, training: Any = False) -> tuple[Any, list]:
        """The outputs of whole trees; there are no states to hand on."""
        inputs = tf.cast(inputs, tf.int32)
        token = inputs[..., 0]
        x = self.hide(self.embedding(token), training=training)
        x = tf.where((token != PAD)[..., None], x, tf.zeros([], x.dtype))
        hidden = self.core(x, inputs[..., 1:])
        return self.head(self.dropout(hidden, training=training)), []

    def step(self, inputs: Any, state: Any) -> tuple[Any, list]:
        """Raises `UserError`: a tree cannot stream."""
        raise UserError(f"model '{self._recipe[0]}' reads whole trees and cannot stream")


@MODELS.register("recursive")
def recursive(spec: TaskSpec, options: RecursiveOptions) -> TreeNetwork:
    """A recursive network: from the leaves of a tree to its root, children are combined into their parent.

        s = leaf(x)                    a node without children
        s = combine(x, s_1, ..., s_N)  a node with children
        y = s_root V + b

    `--composition` says how: `tree-rnn`, `rntn`, `tree-lstm-binary`, `tree-lstm-childsum`, `tree-gru`. x is the
    embedding of a node's token; all nodes of one level, of all trees of a batch, are computed at once.

    Socher, Lin, Ng & Manning (2011), Parsing natural scenes and natural language with recursive neural
    networks, ICML; Tai, Socher & Manning (2015), Improved semantic representations from tree-structured long
    short-term memory networks, ACL.
    """
    if spec.inputs != "tree":
        raise UserError(
            "model 'recursive' reads trees, and this task has none: leave out --flat, or take --task=listops"
        )
    cls = COMPOSITIONS[options.composition]
    if cls.leaf_is_input and options.embedding not in (None, options.units):
        raise UserError(
            f"--embedding: with --composition={options.composition} it is as large as --units, or not given"
        )
    if spec.inside and not cls.reads_inside:
        raise UserError(
            f"--composition={options.composition} reads tokens at the leaves alone, and this task has them inside the "
            "tree too; the tree-lstms and tree-gru read them"
        )
    needed, arity = spec.arity or "any number", {}
    if "arity" in parameters(cls):
        if not 0 < spec.arity <= PLACES:
            raise UserError(
                f"--composition={options.composition} has weights for each place among the children, at most {PLACES}, "
                f"and this task has nodes of {needed}; {ANY_NUMBER}"
            )
        arity["arity"] = max(2, spec.arity)
    composition = cls(options.units, **arity)
    if composition.arity is not None and not 0 < spec.arity <= composition.arity:
        raise UserError(
            f"--composition={options.composition} combines {composition.arity} children, and this task has nodes of "
            f"{needed}; {ANY_NUMBER}"
        )
    spec = dataclasses.replace(spec, arity=composition.arity or 0)
    recipe = ("recursive", dataclasses.asdict(options))
    return TreeNetwork(Recursive(composition), spec, recipe, options)
