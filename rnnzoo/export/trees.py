"""The signature that an exported model of trees answers."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.export.signatures import ServedModel, function, label_names
from rnnzoo.export.text import Codec
from rnnzoo.models import TreeNetwork
from rnnzoo.spec import PAD, SPECIAL
from rnnzoo.tasks.trees import structure

ARRAYS = ("parent", "place", "level")


class TreeServing(ServedModel):
    """A model of trees and its vocabulary behind one signature; the numbers of trees and of nodes are free.

    `serving_default(token, parent, place, level)`, each `[n, nodes]`, the nodes of a tree in any order:

        token    strings; "" at a node without one
        parent   int32, the number of a node's parent in its tree, from 1 on; 0 at the root
        place    int32, which of the parent's children it is, from 0 on
        level    int32, 1 at a node without children, else 1 more than its highest child; 0: padding

    gives `predictions`, logits or values `[n, outputs]` of the roots or, where nodes are labelled,
    `[n, nodes, outputs]`; and of classes with names `label`, `[n]` or `[n, nodes]` (empty at padding). Trees have no
    order in time, so there is no `step`.
    """

    def __init__(self, model: TreeNetwork):
        super().__init__(model)
        self._codec = Codec(model.spec.vocabulary, model.spec.level, lowercase=model.spec.lowercase)
        self.vocabulary = {"inputs": self._codec}
        arrays = [tf.TensorSpec([None, None], tf.int32, name) for name in ARRAYS]
        specs = [tf.TensorSpec([None, None], tf.string, "token"), *arrays]
        self.functions = {"serving_default": function(self._predict, specs)}

    def probes(self) -> list[tuple[str, int, dict[str, Any]]]:
        rng, found = np.random.default_rng(0), []
        for batch, leaves in ((1, 2), (3, 5)):
            children: list[tuple[int, ...]] = [(), (), (0, 1)]
            for leaf in range(3, 2 * leaves - 1, 2):
                children += [(), (leaf - 1, leaf)]
            arrays = np.stack([structure(children)] * batch)
            token = rng.choice(self.spec.vocabulary[len(SPECIAL) :], arrays.shape[:2])
            token = np.where(arrays[..., 2] == 1, token, "")
            given = dict(zip(ARRAYS, tf.unstack(tf.constant(arrays), axis=2), strict=True))
            found.append(("serving_default", batch, {"token": tf.constant(token), **given}))
        return found

    def _predict(self, token: tf.Tensor, *arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        ids = tf.where(tf.equal(token, ""), PAD, self._codec.ids(token))
        outputs = self._model(tf.stack([ids, *arrays], -1))
        if self.spec.outputs != "class" or not self.spec.labels:
            return {"predictions": outputs}
        return {"predictions": outputs, "label": label_names(self.spec, outputs, arrays[-1] > 0)}
