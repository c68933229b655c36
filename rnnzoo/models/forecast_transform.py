"""Invertible transformations of the windows of forecasting models."""

from typing import Any, NamedTuple

import tensorflow as tf

from rnnzoo.spec import TaskSpec

VARIANCE_OFFSET = 1e-4  # added to the variance of a window, which may be constant


class WindowReference(NamedTuple):
    """The reference that the outputs of a network are added to, and the scale of its windows.

    Attributes:
        values: the reference of each forecast, `[batch, horizon, targets, 1]`.
        level: means of the window, `[batch, 1, targets, 1]`, or 0.
        scale: standard deviations of the window, `[batch, 1, targets, 1]`, or 1.
    """

    values: Any
    level: Any
    scale: Any


NO_REFERENCE = WindowReference(0.0, 0.0, 1.0)


class ForecastTransform:
    """Transforms windows for a network, and its outputs to forecasts.

    With `difference` the network forecasts what is added to a reference, the last value of the window or the values of
    its last season, and reads the windows relative to their level: the last value, or the mean of the last season. With
    `normalize="window"` each window is scaled to mean 0 and variance 1 first, and forecasts are scaled back:

        x'_t = (x_t - m) / s                                  m, s: mean and standard deviation of the window
        y_h = m + s (r_h + f(x')_h)                           r: the reference

    Target columns come first in a window. A forecast has the layout `[horizon, targets, quantiles]`; quantiles are
    sorted, so that they do not cross.

    Kim, Kim, Tae, Park, Choi & Choo (2022), Reversible instance normalization for accurate time-series forecasting
    against distribution shift, ICLR (here without their affine parameters, which the network's own layers replace).
    """

    def __init__(self, spec: TaskSpec):
        self.spec = spec
        self.targets, self.levels = spec.num_targets, max(1, len(spec.quantiles))
        self.horizon = spec.output_size // (self.targets * self.levels)
        self.season = {"none": 0, "last": 1, "season": spec.seasonal_period}[spec.difference]

    def prepare(self, inputs: Any, mask: Any = None) -> tuple[tf.Tensor, WindowReference]:
        """Returns the inputs of the network and the reference of its outputs, for windows `[batch, time, columns]`."""
        x = tf.convert_to_tensor(inputs)
        valid = tf.ones(tf.shape(x)[:2], x.dtype) if mask is None else tf.cast(mask, x.dtype)
        reference = NO_REFERENCE
        if self.spec.normalize == "window":
            level, scale = self._moments(x, valid)
            x = (x - level) / scale
            level, scale = (tf.expand_dims(t[..., : self.targets], -1) for t in (level, scale))
            reference = WindowReference(0.0, level, scale)
        if not self.season:
            return x, reference
        targets, others = x[..., : self.targets], x[..., self.targets :]
        first = tf.cast(tf.reduce_sum(valid, 1), tf.int32)[:, None] - self.season
        season = tf.gather(targets, tf.maximum(first + tf.range(self.season), 0), batch_dims=1)
        steps = tf.range(self.horizon) % self.season
        values = tf.expand_dims(tf.gather(season, steps, axis=1), -1)
        x = tf.concat([targets - tf.reduce_mean(season, 1, keepdims=True), others], -1)
        return x, reference._replace(values=values)

    def finish(self, outputs: tf.Tensor, reference: WindowReference) -> tf.Tensor:
        """Converts the outputs of a network, `[batch, size]`, to forecasts."""
        shape = [-1, self.horizon, self.targets, self.levels]
        values = tf.reshape(outputs, shape) + tf.cast(reference.values, outputs.dtype)
        values = tf.cast(reference.level, outputs.dtype) + tf.cast(reference.scale, outputs.dtype) * values
        values = tf.sort(values, -1) if self.levels > 1 else values
        return tf.reshape(values, [-1, self.spec.output_size])

    @staticmethod
    def _moments(x: tf.Tensor, valid: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and standard deviation of the valid steps, `[batch, 1, columns]`."""
        weights = tf.expand_dims(valid, -1)
        count = tf.maximum(tf.reduce_sum(weights, 1, keepdims=True), 1.0)
        mean = tf.reduce_sum(x * weights, 1, keepdims=True) / count
        variance = tf.reduce_sum(tf.square(x - mean) * weights, 1, keepdims=True) / count
        return mean, tf.sqrt(variance + VARIANCE_OFFSET)
