"""Metrics by the names they have everywhere: loss, perplexity, accuracy, f1, mse, exact_match, error_rate, bleu ..."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import Batch
from rnnzoo.training import spans, writing

CLOSE = 0.04  # a predicted vector is right when no component is further off (Hochreiter & Schmidhuber 1997)

Totals = dict[str, Any]


def losses(spec: TaskSpec, outputs: tf.Tensor, targets: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """The loss of each target: in nats, of a vector of bits summed over them, or a squared error.

    With `smoothing` the cross-entropy is that with targets of which this part is spread over all classes alike
    (Szegedy et al. 2016, arXiv 1512.00567).
    """
    if spec.loss == "cross_entropy" and smoothing:
        logs = tf.nn.log_softmax(outputs)
        right = tf.gather(logs, targets, batch_dims=targets.shape.rank)
        return -(1 - smoothing) * right - smoothing * tf.reduce_mean(logs, -1)
    if spec.loss == "cross_entropy":
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=outputs)
    if spec.loss == "binary_cross_entropy":
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=outputs), -1)
    return tf.reduce_mean(tf.math.squared_difference(outputs, targets), -1)


def mean(values: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """The mean, each value counting as much as its weight says."""
    if weights is None:
        return tf.reduce_mean(values)
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), tf.reduce_sum(weights))


def sums(spec: TaskSpec, outputs: tf.Tensor, batch: Batch, written: tf.Tensor | None = None) -> Totals:
    """What a batch adds to each total; `predicted` and `written` are for `finish_batch`."""
    loss = losses(spec, outputs, batch.targets)
    weights = tf.ones_like(loss) if batch.weights is None else batch.weights
    found: Totals = {"loss": tf.reduce_sum(loss * weights), "count": tf.reduce_sum(weights)}
    if written is not None:
        found["written"] = written
    if {"accuracy", "token_accuracy"} & set(spec.metrics):
        found["right"], found["scored"] = _right(spec, outputs, batch, weights)
    if "mae" in spec.metrics:
        found["off"] = tf.reduce_sum(tf.reduce_mean(tf.abs(outputs - batch.targets), -1) * weights)
    if "macro_f1" in spec.metrics:
        found["classes"] = _classes(spec, outputs, batch.targets, weights)
    if "f1" in spec.metrics:
        found["predicted"] = tf.argmax(outputs, -1, tf.int32)
    return found


def finish_batch(spec: TaskSpec, found: Totals, batch: Batch) -> Totals:
    """The totals of `sums` as NumPy; spans, and what is right of what was written, counted."""
    whole = ("predicted", "written")
    totals: Totals = {name: np.asarray(value, "float64") for name, value in found.items() if name not in whole}
    there: Any = np.asarray(np.ones(batch.targets.shape) if batch.weights is None else batch.weights) > 0
    if "written" in found:
        written = found["written"].numpy()
        totals |= writing.count(spec, written, np.asarray(batch.targets), there.any(1), batch.references)
    if "predicted" in found:
        totals["spans"] = spans.count(spec.labels, batch.targets, found["predicted"].numpy(), there)
    return totals


def finish(spec: TaskSpec, totals: Totals) -> dict[str, float]:
    """The metrics of a task from all totals."""
    loss = float(totals["loss"] / totals["count"])
    known = {"loss": loss, "mse": loss, "nll": loss, "bits_per_char": loss / math.log(2)}
    known["perplexity"] = math.exp(loss) if loss < 700 else math.inf
    if "right" in totals:
        known["accuracy"] = known["token_accuracy"] = float(totals["right"] / totals["scored"])
    if "off" in totals:
        known["mae"] = float(totals["off"] / totals["count"])
    if "classes" in totals:
        right, said, are = totals["classes"]
        there = are + said > 0  # a class that is neither there nor guessed has no F1
        known["macro_f1"] = float(np.mean(2 * right[there] / (are + said)[there]))
    if "spans" in totals:
        known["f1"] = spans.f1(totals["spans"])
    if "sequences" in totals:
        known |= writing.finish(totals)
    return {name: known[name] for name in ("loss", *(n for n in spec.metrics if n != "loss"))}


def _right(spec: TaskSpec, outputs: tf.Tensor, batch: Batch, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """How many are right, and how many could be."""
    scored = weights if batch.scored is None else batch.scored
    if batch.legal is not None:
        missed = tf.reduce_sum(tf.cast(~_just_the_legal(outputs, batch.legal), weights.dtype) * weights, 1)
        right, scored = tf.equal(missed, 0), tf.reduce_max(weights, 1)
    elif spec.loss == "cross_entropy":
        right = tf.equal(tf.argmax(outputs, -1, batch.targets.dtype), batch.targets)
    else:
        right = tf.reduce_all(tf.abs(outputs - batch.targets) < CLOSE, -1)
    return tf.reduce_sum(tf.cast(right, weights.dtype) * scored), tf.reduce_sum(scored)


def _just_the_legal(outputs: tf.Tensor, legal: tf.Tensor) -> tf.Tensor:
    """Whether every legal output is likelier than every other, `[batch, time]`."""
    least = tf.reduce_min(tf.where(legal, outputs, outputs.dtype.max), -1)
    most = tf.reduce_max(tf.where(legal, outputs.dtype.min, outputs), -1)
    return least > most


def _classes(spec: TaskSpec, outputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """For each class how many were right, said, and there: `[3, classes]`."""
    are = tf.one_hot(targets, spec.output_size, dtype=weights.dtype) * weights[..., None]
    said = tf.one_hot(tf.argmax(outputs, -1), spec.output_size, dtype=weights.dtype) * weights[..., None]
    flat = [tf.reshape(t, [-1, spec.output_size]) for t in (tf.minimum(are, said), said, are)]
    return tf.stack([tf.reduce_sum(t, 0) for t in flat])
