"""Truncated back-propagation through time."""

from typing import Any

import tensorflow as tf
from keras import tree


class TruncatedGradient:
    """Gradients of the state grouped by age, the number of time steps since they were injected.

    The groups are concatenated along the batch axis, `[steps * batch, ...]`, youngest first. A gradient older than
    `steps` is dropped.

    Args:
        steps: how many time steps a gradient goes back; None: to the first step, in a single group.
    """

    def __init__(self, steps: int | None):
        self.steps, self.groups = steps, steps or 1

    def tile(self, nest: Any) -> Any:
        """Repeats `[batch, ...]` values for each group."""
        if self.groups == 1:
            return nest
        return tree.map_structure(lambda t: tf.concat([t] * self.groups, 0), nest)

    def inject(self, nest: Any) -> Any:
        """Creates groups in which the youngest has the given gradients `[batch, ...]` and the others zeros."""
        if self.groups == 1:
            return nest
        return tree.map_structure(lambda d: tf.concat([d] + [tf.zeros_like(d)] * (self.groups - 1), 0), nest)

    def shift(self, gradient: tf.Tensor) -> tf.Tensor:
        """Moves each group to the next age, and drops the oldest."""
        if self.steps is None:
            return gradient
        groups = tf.split(gradient, self.groups)
        return tf.concat([tf.zeros_like(groups[0]), *groups[:-1]], 0)

    def sum(self, gradient: tf.Tensor) -> tf.Tensor:
        """Sums over the groups."""
        return gradient if self.groups == 1 else tf.add_n(tf.split(gradient, self.groups))
