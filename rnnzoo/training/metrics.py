"""Losses and metrics by their usual names: perplexity, accuracy, f1, mse, exact_match, error_rate, bleu, ..."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.data.batch import Batch
from rnnzoo.spec import TaskSpec
from rnnzoo.training import generation_metrics, spans

MAX_ERROR = 0.04  # of each component of a correct vector (Hochreiter & Schmidhuber 1997)

Totals = dict[str, Any]


def losses(spec: TaskSpec, outputs: tf.Tensor, targets: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Computes the loss of each target: in nats, for vectors of bits summed over the bits, or a squared error.

    Args:
        spec: the specification of the task.
        outputs: the outputs of the model.
        targets: the targets.
        smoothing: label smoothing, the part of each target that is spread over all classes (Szegedy et al. 2016, arXiv
            1512.00567).
    """
    if spec.loss == "cross_entropy" and smoothing:
        logs = tf.nn.log_softmax(outputs)
        target_logs = tf.gather(logs, targets, batch_dims=targets.shape.rank)
        return -(1 - smoothing) * target_logs - smoothing * tf.reduce_mean(logs, -1)
    if spec.loss == "cross_entropy":
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=outputs)
    if spec.loss == "binary_cross_entropy":
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=outputs), -1)
    return tf.reduce_mean(tf.math.squared_difference(outputs, targets), -1)


def weighted_mean(values: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """Computes the weighted mean."""
    if weights is None:
        return tf.reduce_mean(values)
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), tf.reduce_sum(weights))


def compute_totals(spec: TaskSpec, outputs: tf.Tensor, batch: Batch, hypotheses: tf.Tensor | None = None) -> Totals:
    """Computes the totals of a batch; `predicted` and `hypotheses` are for `complete_totals`."""
    loss = losses(spec, outputs, batch.targets)
    weights = tf.ones_like(loss) if batch.weights is None else batch.weights
    tensors: Totals = {"loss": tf.reduce_sum(loss * weights), "count": tf.reduce_sum(weights)}
    if hypotheses is not None:
        tensors["hypotheses"] = hypotheses
    if {"accuracy", "token_accuracy"} & set(spec.metrics):
        tensors["correct"], tensors["scored"] = _count_correct(spec, outputs, batch, weights)
    if "mae" in spec.metrics:
        tensors["absolute_error"] = tf.reduce_sum(tf.reduce_mean(tf.abs(outputs - batch.targets), -1) * weights)
    if "macro_f1" in spec.metrics:
        tensors["classes"] = _count_classes(spec, outputs, batch.targets, weights)
    if "f1" in spec.metrics:
        tensors["predicted"] = tf.argmax(outputs, -1, tf.int32)
    return tensors


def complete_totals(spec: TaskSpec, tensors: Totals, batch: Batch) -> Totals:
    """Converts the totals of `compute_totals` to NumPy, and counts spans and correct hypotheses."""
    arrays = ("predicted", "hypotheses")
    totals: Totals = {name: np.asarray(value, "float64") for name, value in tensors.items() if name not in arrays}
    valid: Any = np.asarray(np.ones(batch.targets.shape) if batch.weights is None else batch.weights) > 0
    if "hypotheses" in tensors:
        hypotheses, targets = tensors["hypotheses"].numpy(), np.asarray(batch.targets)
        totals |= generation_metrics.count_matches(spec, hypotheses, targets, valid.any(1), batch.references)
    if "predicted" in tensors:
        totals["spans"] = spans.count_spans(spec.labels, batch.targets, tensors["predicted"].numpy(), valid)
    return totals


def compute_metrics(spec: TaskSpec, totals: Totals) -> dict[str, float]:
    """Computes the metrics of a task from the totals of all batches."""
    loss = float(totals["loss"] / totals["count"])
    known = {"loss": loss, "mse": loss, "nll": loss, "bits_per_char": loss / math.log(2)}
    known["perplexity"] = math.exp(loss) if loss < 700 else math.inf
    if "correct" in totals:
        known["accuracy"] = known["token_accuracy"] = float(totals["correct"] / totals["scored"])
    if "absolute_error" in totals:
        known["mae"] = float(totals["absolute_error"] / totals["count"])
    if "classes" in totals:
        correct, predicted, actual = totals["classes"]
        occurs = actual + predicted > 0  # a class that neither occurs nor is predicted has no F1
        known["macro_f1"] = float(np.mean(2 * correct[occurs] / (actual + predicted)[occurs]))
    if "spans" in totals:
        known["f1"] = spans.f1(totals["spans"])
    if "sequences" in totals:
        known |= generation_metrics.compute_metrics(totals)
    return {name: known[name] for name in ("loss", *(n for n in spec.metrics if n != "loss"))}


def _count_correct(spec: TaskSpec, outputs: tf.Tensor, batch: Batch, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the number of correct targets and the number of targets."""
    scored = weights if batch.accuracy_weights is None else batch.accuracy_weights
    if batch.allowed_outputs is not None:
        missed = tf.reduce_sum(tf.cast(~_separates(outputs, batch.allowed_outputs), weights.dtype) * weights, 1)
        correct, scored = tf.equal(missed, 0), tf.reduce_max(weights, 1)
    elif spec.loss == "cross_entropy":
        correct = tf.equal(tf.argmax(outputs, -1, batch.targets.dtype), batch.targets)
    else:
        correct = tf.reduce_all(tf.abs(outputs - batch.targets) < MAX_ERROR, -1)
    return tf.reduce_sum(tf.cast(correct, weights.dtype) * scored), tf.reduce_sum(scored)


def _separates(outputs: tf.Tensor, allowed: tf.Tensor) -> tf.Tensor:
    """Returns `[batch, time]`, whether every allowed output is more probable than every other."""
    least = tf.reduce_min(tf.where(allowed, outputs, outputs.dtype.max), -1)
    most = tf.reduce_max(tf.where(allowed, outputs.dtype.min, outputs), -1)
    return least > most


def _count_classes(spec: TaskSpec, outputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Counts for each class the correct, the predicted and the actual targets: `[3, classes]`."""
    actual = tf.one_hot(targets, spec.output_size, dtype=weights.dtype) * weights[..., None]
    predicted = tf.one_hot(tf.argmax(outputs, -1), spec.output_size, dtype=weights.dtype) * weights[..., None]
    flat = [tf.reshape(t, [-1, spec.output_size]) for t in (tf.minimum(actual, predicted), predicted, actual)]
    return tf.stack([tf.reduce_sum(t, 0) for t in flat])
