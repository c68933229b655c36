"""Losses and metrics of forecasts, for each column too."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.spec import TaskSpec


def pinball_losses(spec: TaskSpec, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Computes the mean pinball loss of quantile forecasts, `[batch]`.

        L_q(y, f) = max(q (y - f), (q - 1) (y - f))

    Args:
        spec: the specification of the task, with quantiles.
        outputs: `[batch, horizon * targets * quantiles]`.
        targets: `[batch, horizon * targets]`.

    Koenker & Bassett (1978), Regression quantiles, Econometrica 46.
    """
    q = tf.constant(spec.quantiles, outputs.dtype)
    error = targets[..., None] - tf.reshape(outputs, [-1, targets.shape[-1], len(spec.quantiles)])
    return tf.reduce_mean(tf.maximum(q * error, (q - 1) * error), [1, 2])


def point_forecasts(spec: TaskSpec, outputs: Any) -> Any:
    """Returns the forecasts of the mean, or of the quantile nearest to the median, `[batch, horizon * targets]`."""
    if not spec.quantiles:
        return outputs
    middle = int(np.argmin(np.abs(np.array(spec.quantiles) - 0.5)))
    return outputs[..., middle :: len(spec.quantiles)]


def count_errors(spec: TaskSpec, outputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> dict[str, tf.Tensor]:
    """Computes the totals of a batch: squared and absolute errors, and covered targets, of each column."""
    columns = spec.num_targets
    error = point_forecasts(spec, outputs) - targets
    totals = {"squared_errors": tf.square(error), "absolute_errors": tf.abs(error)}
    if len(spec.quantiles) > 1:
        low, high = outputs[..., :: len(spec.quantiles)], outputs[..., len(spec.quantiles) - 1 :: len(spec.quantiles)]
        totals["covered"] = tf.cast((low <= targets) & (targets <= high), outputs.dtype)
    per_column = [-1, targets.shape[-1] // columns, columns]
    return {
        name: tf.reduce_sum(tf.reduce_mean(tf.reshape(values, per_column), 1) * weights[:, None], 0)
        for name, values in totals.items()
    }


def compute_metrics(totals: dict[str, Any]) -> dict[str, float]:
    """Computes the metrics over all columns, in units of their standard deviations, from the totals of all batches."""
    names = {"squared_errors": "mse", "absolute_errors": "mae", "covered": "coverage"}
    return {metric: float(np.mean(totals[name]) / totals["count"]) for name, metric in names.items() if name in totals}


def compute_column_metrics(spec: TaskSpec, totals: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Computes the metrics of each column, in the user's units: `{column: {metric: value}}`."""
    deviations = np.array(spec.output_scale[1][: spec.num_targets])
    mse, mae = (totals[name] / totals["count"] for name in ("squared_errors", "absolute_errors"))
    metrics = {"rmse": np.sqrt(mse) * deviations, "mae": mae * deviations}
    if "covered" in totals:
        metrics["coverage"] = totals["covered"] / totals["count"]
    return {name: {metric: float(v[i]) for metric, v in metrics.items()} for i, name in enumerate(spec.labels)}
