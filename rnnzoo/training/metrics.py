"""Losses and metrics by their usual names: perplexity, accuracy, f1, mse, exact_match, error_rate, bleu, ..."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.data.batch import Batch
from rnnzoo.spec import TaskSpec
from rnnzoo.training import class_metrics, forecast_metrics, generation_metrics, spans

MAX_ERROR = 0.04  # of each component of a correct vector (Hochreiter & Schmidhuber 1997)

HIGHER_IS_BETTER = {"accuracy", "token_accuracy", "f1", "macro_f1", "exact_match", "bleu", "chrf"}
NO_GOAL = {"coverage"}  # neither higher nor lower is better

OF_ROWS = ("predicted", "hypotheses")  # totals that are no sums yet, with a row for each row of the batch

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
    if spec.loss == "pinball":
        return forecast_metrics.pinball_losses(spec, outputs, targets)
    return tf.reduce_mean(tf.math.squared_difference(outputs, targets), -1)


def score(name: str, value: float) -> float:
    """Returns the value of a metric with the sign by which lower is better."""
    return -value if name in HIGHER_IS_BETTER else value


def weighted_mean(values: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """Computes the weighted mean."""
    if weights is None:
        return tf.reduce_mean(values)
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), tf.reduce_sum(weights))


def compute_totals(
    spec: TaskSpec,
    outputs: tf.Tensor,
    batch: Batch,
    loss: tf.Tensor | None = None,
    labels: tf.Tensor | None = None,
    hypotheses: tf.Tensor | None = None,
) -> Totals:
    """Computes the totals of a batch; `predicted` and `hypotheses` are for `complete_totals`.

    Args:
        spec: the specification of the task.
        outputs: the outputs of the model.
        batch: the batch.
        loss: the loss of each target; None: that of the specification.
        labels: the predicted classes; None: the most probable ones.
        hypotheses: generated sequences.
    """
    if loss is None:
        loss = losses(spec, outputs, batch.targets)
    if labels is None and spec.loss == "cross_entropy":
        labels = tf.argmax(outputs, -1, tf.int32)
    weights = tf.ones_like(loss) if batch.weights is None else batch.weights
    tensors: Totals = {"loss": tf.reduce_sum(loss * weights), "count": tf.reduce_sum(weights)}
    if hypotheses is not None:
        tensors["hypotheses"] = hypotheses
    if {"accuracy", "token_accuracy"} & set(spec.metrics):
        tensors["correct"], tensors["scored"] = _count_correct(spec, outputs, labels, batch, weights)
    if "mae" in spec.metrics:
        tensors |= forecast_metrics.count_errors(spec, outputs, batch.targets, weights)
    if spec.outputs == "class" and (spec.labels or "macro_f1" in spec.metrics):
        tensors["confusion"] = _count_confusions(spec, labels, batch, weights)
    if "f1" in spec.metrics:
        tensors["predicted"] = labels
    return tensors


def complete_totals(spec: TaskSpec, tensors: Totals, batch: Batch) -> Totals:
    """Converts the totals of `compute_totals` to NumPy, and counts spans and correct hypotheses."""
    totals: Totals = {name: np.asarray(value, "float64") for name, value in tensors.items() if name not in OF_ROWS}
    valid: Any = np.asarray(np.ones(batch.targets.shape) if batch.weights is None else batch.weights) > 0
    if "hypotheses" in tensors:
        hypotheses, targets = tensors["hypotheses"].numpy(), np.asarray(batch.targets)
        totals |= generation_metrics.count_matches(
            spec, hypotheses, targets, valid.any(1), batch.references, batch.reference_texts
        )
    if "predicted" in tensors:
        totals["spans"] = spans.count_spans(spec.labels, batch.targets, tensors["predicted"].numpy(), valid)
    return totals


def compute_metrics(spec: TaskSpec, totals: Totals) -> dict[str, float]:
    """Computes the metrics of a task from the totals of all batches."""
    loss = float(totals["loss"] / totals["count"])
    known = {"loss": loss, "mse": loss, "pinball": loss, "nll": loss, "bits_per_char": loss / math.log(2)}
    known["perplexity"] = math.exp(loss) if loss < 700 else math.inf
    if "correct" in totals:
        known["accuracy"] = known["token_accuracy"] = float(totals["correct"] / totals["scored"])
    if "squared_errors" in totals:
        known |= forecast_metrics.compute_metrics(totals)
    if "confusion" in totals:
        known["macro_f1"] = class_metrics.macro_f1(totals["confusion"])
    if "spans" in totals:
        known["f1"] = spans.f1(totals["spans"])
    if "sequences" in totals:
        known |= generation_metrics.compute_metrics(totals)
    return {name: known[name] for name in ("loss", *(n for n in spec.metrics if n != "loss"))}


def compute_details(spec: TaskSpec, totals: Totals) -> dict[str, Any]:
    """Computes further results: of each class (with the confusion matrix), type of span or column of a forecast."""
    if "confusion" in totals and spec.labels:
        details = class_metrics.compute_class_metrics(spec.labels, totals["confusion"])
        if "spans" in totals:
            details["spans"] = spans.compute_span_metrics(spec.labels, totals["spans"])
        return details
    if "squared_errors" in totals and spec.labels:
        return {"columns": forecast_metrics.compute_column_metrics(spec, totals)}
    if "texts" in totals:
        return {"bleu_signature": generation_metrics.bleu_signature(totals)}
    return {}


def _count_correct(
    spec: TaskSpec, outputs: tf.Tensor, labels: Any, batch: Batch, weights: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the number of correct targets and the number of targets."""
    scored = weights if batch.accuracy_weights is None else batch.accuracy_weights
    if batch.allowed_outputs is not None:
        missed = tf.reduce_sum(tf.cast(~_separates(outputs, batch.allowed_outputs), weights.dtype) * weights, 1)
        correct, scored = tf.equal(missed, 0), tf.reduce_max(weights, 1)
    elif spec.loss == "cross_entropy":
        correct = tf.equal(tf.cast(labels, batch.targets.dtype), batch.targets)
    else:
        correct = tf.reduce_all(tf.abs(outputs - batch.targets) < MAX_ERROR, -1)
    return tf.reduce_sum(tf.cast(correct, weights.dtype) * scored), tf.reduce_sum(scored)


def _separates(outputs: tf.Tensor, allowed: tf.Tensor) -> tf.Tensor:
    """Returns `[batch, time]`, whether every allowed output is more probable than every other."""
    least = tf.reduce_min(tf.where(allowed, outputs, outputs.dtype.max), -1)
    most = tf.reduce_max(tf.where(allowed, outputs.dtype.min, outputs), -1)
    return least > most


def _count_confusions(spec: TaskSpec, labels: Any, batch: Batch, weights: tf.Tensor) -> tf.Tensor:
    """Counts the targets of each class that are predicted as each class: `[actual, predicted]`."""
    scored = weights if batch.accuracy_weights is None else batch.accuracy_weights
    actual = tf.one_hot(batch.targets, spec.output_size, dtype=scored.dtype) * scored[..., None]
    predicted = tf.one_hot(labels, spec.output_size, dtype=scored.dtype)
    actual, predicted = (tf.reshape(t, [-1, spec.output_size]) for t in (actual, predicted))
    return tf.matmul(actual, predicted, transpose_a=True)
