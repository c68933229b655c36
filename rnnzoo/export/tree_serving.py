"""The signature of exported models of trees."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.data.trees import COLUMNS, tree_structure
from rnnzoo.export.signatures import ServedModel, make_function
from rnnzoo.export.tokenizer import Tokenizer
from rnnzoo.models import TreeNetwork
from rnnzoo.spec import PAD, SPECIAL_TOKENS


class TreeServing(ServedModel):
    """The signature of a tree model with its vocabulary; the numbers of trees and of nodes are dynamic.

    `serving_default(token, parent, child_index, level)`, each `[n, nodes]`, the nodes of a tree in any order:

        token         strings; "" at a node without a token
        parent        int32, the number of a node's parent in its tree, from 1; 0 at the root
        child_index   int32, the position of the node among its siblings, from 0
        level         int32, 1 at a node without children, else 1 more than its highest child; 0 at padding

    returns `predictions`, logits or values `[n, outputs]` of the roots or, if nodes are labelled, `[n, nodes,
    outputs]`; and for classes with names `label`, `[n]` or `[n, nodes]` (empty at padding). Trees have no order in
    time, so there is no `step`.
    """

    def __init__(self, model: TreeNetwork):
        super().__init__(model)
        self._tokenizer = Tokenizer(model.spec.vocabulary, model.spec.level, lowercase=model.spec.lowercase)
        self.vocabulary = {"inputs": self._tokenizer}
        arrays = [tf.TensorSpec([None, None], tf.int32, name) for name in COLUMNS]
        specs = [tf.TensorSpec([None, None], tf.string, "token"), *arrays]
        self.functions = {"serving_default": make_function(self._predict, specs)}

    def probes(self) -> list[tuple[str, int, dict[str, Any]]]:
        rng, probes = np.random.default_rng(0), []
        for batch, leaves in ((1, 2), (3, 5)):
            children: list[tuple[int, ...]] = [(), (), (0, 1)]
            for leaf in range(3, 2 * leaves - 1, 2):
                children += [(), (leaf - 1, leaf)]
            arrays = np.stack([tree_structure(children)] * batch)
            token = rng.choice(self.spec.vocabulary[len(SPECIAL_TOKENS) :], arrays.shape[:2])
            token = np.where(arrays[..., 2] == 1, token, "")
            given = dict(zip(COLUMNS, tf.unstack(tf.constant(arrays), axis=2), strict=True))
            probes.append(("serving_default", batch, {"token": tf.constant(token), **given}))
        return probes

    def token_ids(self, token: tf.Tensor) -> tf.Tensor:
        """Converts tokens to ids; PAD at a node without a token."""
        return tf.where(tf.equal(token, ""), PAD, self._tokenizer.ids(token))

    def _predict(self, token: tf.Tensor, *arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.add_labels(self.model(tf.stack([self.token_ids(token), *arrays], -1)), arrays[-1] > 0)
