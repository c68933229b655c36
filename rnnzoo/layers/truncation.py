"""Gradients of the state by their age, so that none goes back further than a number of ticks."""

from typing import Any

import tensorflow as tf
from keras import tree


class Ages:
    """How gradients of the state stand in the batch: by how many ticks ago they entered, `[steps * batch, ...]`.

    Those that just entered come first; after `steps` ticks they go no further. With None there is one group,
    which goes back to the first tick.
    """

    def __init__(self, steps: int | None):
        self.steps, self.groups = steps, steps or 1

    def spread(self, nest: Any) -> Any:
        """The same values for each age."""
        if self.groups == 1:
            return nest
        return tree.map_structure(lambda t: tf.concat([t] * self.groups, 0), nest)

    def entering(self, nest: Any) -> Any:
        """Gradients that enter at this tick."""
        if self.groups == 1:
            return nest
        return tree.map_structure(lambda d: tf.concat([d] + [tf.zeros_like(d)] * (self.groups - 1), 0), nest)

    def older(self, d: tf.Tensor) -> tf.Tensor:
        """The gradients one tick older; the oldest are cut."""
        if self.steps is None:
            return d
        parts = tf.split(d, self.groups)
        return tf.concat([tf.zeros_like(parts[0]), *parts[:-1]], 0)

    def total(self, d: tf.Tensor) -> tf.Tensor:
        """The sum over all ages."""
        return d if self.groups == 1 else tf.add_n(tf.split(d, self.groups))
