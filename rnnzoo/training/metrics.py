"""Metrics by the names they have everywhere: loss, bits_per_char, perplexity, accuracy, mse."""

import math

import tensorflow as tf

from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import Batch

CLOSE = 0.04  # a predicted vector is right when no component is further off (Hochreiter & Schmidhuber 1997)


def losses(spec: TaskSpec, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """The loss of each target, in nats or as a squared error."""
    if spec.loss == "cross_entropy":
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=outputs)
    return tf.reduce_mean(tf.math.squared_difference(outputs, targets), -1)


def mean(values: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """The mean, each value counting as much as its weight says."""
    if weights is None:
        return tf.reduce_mean(values)
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), tf.reduce_sum(weights))


def sums(spec: TaskSpec, outputs: tf.Tensor, batch: Batch) -> tf.Tensor:
    """`[sum of losses, targets, right ones, those that could be right]` of a batch."""
    loss = losses(spec, outputs, batch.targets)
    weights = tf.ones_like(loss) if batch.weights is None else batch.weights
    scored = weights if batch.scored is None else batch.scored
    if batch.legal is not None:
        missed = tf.reduce_sum(tf.cast(~_just_the_legal(outputs, batch.legal), loss.dtype) * weights, 1)
        right, scored = tf.equal(missed, 0), tf.reduce_max(weights, 1)
    elif spec.loss == "cross_entropy":
        right = tf.equal(tf.argmax(outputs, -1, batch.targets.dtype), batch.targets)
    else:
        right = tf.reduce_all(tf.abs(outputs - batch.targets) < CLOSE, -1)
    values = (loss * weights, weights, tf.cast(right, loss.dtype) * scored, scored)
    return tf.stack([tf.reduce_sum(v) for v in values])


def _just_the_legal(outputs: tf.Tensor, legal: tf.Tensor) -> tf.Tensor:
    """Whether every legal output is likelier than every other, `[batch, time]`."""
    least = tf.reduce_min(tf.where(legal, outputs, outputs.dtype.max), -1)
    most = tf.reduce_max(tf.where(legal, outputs.dtype.min, outputs), -1)
    return least > most


def finish(spec: TaskSpec, loss_sum: float, count: float, right: float, scored: float) -> dict[str, float]:
    """The metrics of a task from the totals of `sums`."""
    loss = loss_sum / count
    known = {"loss": loss, "accuracy": right / scored, "mse": loss, "bits_per_char": loss / math.log(2)}
    known["perplexity"] = math.exp(loss) if loss < 700 else math.inf
    return {name: known[name] for name in ("loss", *(n for n in spec.metrics if n != "loss"))}
