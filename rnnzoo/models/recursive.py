"""Models of trees: one output for each tree or for each of its nodes."""

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.noise import Dropout
from rnnzoo.compositions import Composition
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.layers import Recursive
from rnnzoo.models.base import ZooModel
from rnnzoo.models.embedding import make_table
from rnnzoo.registry import COMPOSITIONS, MODELS
from rnnzoo.serialization import constructor_parameters
from rnnzoo.spec import PAD, TaskSpec

LEAF_DEVIATION = 0.1  # standard deviation of the initial embeddings
MAX_ARITY = 10  # of compositions with weights for each child position
ANY_NUMBER = "tree-lstm-childsum and tree-gru take any number"


@dataclasses.dataclass(frozen=True)
class RecursiveOptions:
    """Options of the model `recursive`."""

    composition: str = option(
        "tree-lstm-binary",
        "how the state of a parent is computed from its children",
        choices=tuple(COMPOSITIONS.list()),
    )
    units: int = option(128, "units of a node", minimum=1, size="units")
    embedding: int | None = option(None, "size of the token embedding; default: units", minimum=1, size="units")
    dropout: float = option(0.0, "fraction of a node's inputs dropped in training", minimum=0, below=1)
    output_dropout: float = option(0.0, "fraction of the outputs of the core dropped in training", minimum=0, below=1)


@keras.saving.register_keras_serializable(package="rnnzoo")
class TreeNetwork(ZooModel):
    """Embedding, recursive core and linear output layer, built from a `TaskSpec` of trees.

    Call it with `[batch, nodes, 4]`: for each node its token (PAD: none), and parent, child index and level as in
    `rnnzoo.layers.Recursive`. It returns logits or values `[batch, outputs]` of the roots, or with `spec.per_step`
    `[batch, nodes, outputs]`. XLA, which has to know the shapes of trees, cannot compile it.

    Raises:
        UserError: a task without trees, or with trees that the composition does not support.
    """

    supports_xla = False
    causal = False

    def __init__(self, core: Recursive, spec: TaskSpec, recipe: tuple[str, dict[str, Any]], options: Any, **kwargs):
        super().__init__(spec, recipe, **kwargs)
        self.core = core
        core.outputs = "nodes" if spec.per_step else "root"
        # small, as words are states of nodes themselves, or enter few cells
        size = options.embedding or options.units
        self.embedding = make_table(spec.input_size, size, LEAF_DEVIATION, name="embedding")
        # `.keras` files name groups after attributes that hold layers, so this one keeps its name
        self.hide = Dropout(options.dropout)
        self.dropout = Dropout(options.output_dropout)
        # logits and predictions in float32, whatever the policy
        self.head = keras.layers.Dense(spec.output_size, dtype="float32", name="head")
        self(self.example_inputs())

    def example_inputs(self, batch_size: int = 1) -> tf.Tensor:
        """Returns trees of one node without a token."""
        return tf.tile(tf.constant([[[PAD, 0, 0, 1]]]), [batch_size, 1, 1])

    def run(self, inputs: Any, state: Any, mask: Any = None, training: Any = False) -> tuple[Any, list]:
        """Computes the outputs of whole trees; there are no states."""
        hidden = self.core(*self._embed(inputs, training))
        return self.head(self.dropout(hidden, training=training)), []

    def node_outputs(self, inputs: Any) -> tf.Tensor:
        """Returns what the output layer says of the state of each node, `[batch, nodes, outputs]`."""
        return self.head(self.core(*self._embed(inputs), outputs="nodes"))

    def _embed(self, inputs: Any, training: Any = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the inputs of the nodes, and the structure."""
        inputs = tf.cast(inputs, tf.int32)
        token = inputs[..., 0]
        x = self.hide(self.embedding(token), training=training)
        return tf.where(tf.expand_dims(token != PAD, -1), x, tf.zeros([], x.dtype)), inputs[..., 1:]

    def step(self, inputs: Any, state: Any) -> tuple[Any, list]:
        """Raises `UserError`: a tree cannot be streamed."""
        raise UserError(f"model '{self._recipe[0]}' reads whole trees and cannot stream")


@MODELS.register("recursive")
def recursive(spec: TaskSpec, options: RecursiveOptions) -> TreeNetwork:
    """Recursive neural network: computes the states of a tree from the leaves to the root.

        s = leaf(x)                    a node without children
        s = combine(x, s_1, ..., s_N)  a node with children
        y = s_root V + b

    `--composition` is `tree-rnn`, `rntn`, `tree-lstm-binary`, `tree-lstm-childsum` or `tree-gru`. x is the embedding of
    a node's token. All nodes of one level, in all trees of a batch, are computed at once.

    Socher, Lin, Ng & Manning (2011), Parsing natural scenes and natural language with recursive neural networks, ICML;
    Tai, Socher & Manning (2015), Improved semantic representations from tree-structured long short-term memory
    networks, ACL.
    """
    if spec.inputs != "tree":
        raise UserError("model 'recursive' needs a task of trees: leave out --flat, or use --task=listops")
    composition = _make_composition(spec, options)
    spec = dataclasses.replace(spec, arity=composition.arity or 0)
    recipe = ("recursive", dataclasses.asdict(options))
    return TreeNetwork(Recursive(composition), spec, recipe, options)


def _make_composition(spec: TaskSpec, options: RecursiveOptions) -> Composition:
    """Creates the composition. Raises `UserError` if it does not fit the task or the options."""
    cls, flag = COMPOSITIONS[options.composition], f"--composition={options.composition}"
    if cls.leaf_state_is_input and options.embedding not in (None, options.units):
        raise UserError(f"--embedding must equal --units with {flag}; or leave it out")
    if spec.inner_tokens and not cls.uses_inner_inputs:
        raise UserError(
            f"{flag} reads tokens only at the leaves, and this task has tokens at inner nodes; the tree LSTMs and "
            "tree-gru read them"
        )
    children = f"{spec.arity} children" if spec.arity else "any number of children"
    arguments = {}
    if "arity" in constructor_parameters(cls):
        if not 0 < spec.arity <= MAX_ARITY:
            raise UserError(
                f"{flag} has weights for each child position, at most {MAX_ARITY}, and this task has nodes with "
                f"{children}; {ANY_NUMBER}"
            )
        arguments["arity"] = max(2, spec.arity)
    composition = cls(options.units, **arguments)
    if composition.arity is not None and not 0 < spec.arity <= composition.arity:
        raise UserError(
            f"{flag} combines {composition.arity} children, and this task has nodes with {children}; {ANY_NUMBER}"
        )
    return composition
