"""Metrics by the names they have everywhere: loss, bits_per_char, perplexity, accuracy, mse."""

import math

import tensorflow as tf

from rnnzoo.spec import TaskSpec

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


def sums(spec: TaskSpec, outputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """`[sum of losses, number of right targets, number of targets]` of a batch."""
    loss = losses(spec, outputs, targets)
    if spec.loss == "cross_entropy":
        right = tf.equal(tf.argmax(outputs, -1, targets.dtype), targets)
    else:
        right = tf.reduce_all(tf.abs(outputs - targets) < CLOSE, -1)
    weights = tf.ones_like(loss) if weights is None else weights
    return tf.stack([tf.reduce_sum(v * weights) for v in (loss, tf.cast(right, loss.dtype), tf.ones_like(loss))])


def finish(spec: TaskSpec, loss_sum: float, right: float, count: float) -> dict[str, float]:
    """The metrics of a task from the totals of `sums`."""
    loss = loss_sum / count
    known = {"loss": loss, "accuracy": right / count, "mse": loss, "bits_per_char": loss / math.log(2)}
    known["perplexity"] = math.exp(loss) if loss < 700 else math.inf
    return {name: known[name] for name in ("loss", *(n for n in spec.metrics if n != "loss"))}
