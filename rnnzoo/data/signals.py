"""Numeric series: standardization, seasonal period, and the Mackey-Glass equation."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from rnnzoo.errors import UserError

SEASON_STEPS = 4000  # the last ones, in which a season is looked for


class Moments(NamedTuple):
    """Mean, standard deviation, least and greatest value of each column; not finite where values are too large."""

    mean: np.ndarray
    deviation: np.ndarray
    least: np.ndarray
    greatest: np.ndarray


def compute_moments(read: Callable[[], Iterable[np.ndarray]]) -> Moments:
    """Computes the moments of rows `[n, columns]` that `read` yields; it is called twice."""
    with np.errstate(all="ignore"):
        count, total = 0, np.zeros(1)
        least, greatest = np.full(1, np.inf), np.full(1, -np.inf)
        for rows in read():
            count, total = count + len(rows), total + rows.sum(0)
            least, greatest = np.minimum(least, rows.min(0)), np.maximum(greatest, rows.max(0))
        mean = total / count
        squares = sum(np.square(rows - mean).sum(0) for rows in read())
        return Moments(mean, np.sqrt(squares / count), least, greatest)


def standardize(series: np.ndarray, mean: np.ndarray, deviation: np.ndarray, origin: str) -> np.ndarray:
    """Scales a series to mean 0 and variance 1, in float32. Raises `UserError` if the result is not finite."""
    with np.errstate(all="ignore"):
        values = ((series - mean) / deviation).astype("float32")
    if not (np.isfinite(values).all() and np.isfinite(mean).all() and np.isfinite(deviation).all()):
        least, most = float(np.min(series)), float(np.max(series))
        raise UserError(
            f"{origin}: values from {least:g} to {most:g} are too large, or too close to each other, to "
            "be standardized; rescale the data"
        )
    return values


def find_seasonal_period(series: np.ndarray) -> int:
    """Returns the lag of the first peak of the autocorrelation after its first zero; 1 if there is none.

    A linear trend is subtracted first.
    """
    steps = np.arange(len(series))[-SEASON_STEPS:]
    series = series[-SEASON_STEPS:]
    centred = series - np.polyval(np.polyfit(steps, series, min(1, len(steps) - 1)), steps)
    spectrum = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(centred) // 2]
    below = np.flatnonzero(correlation < 0)
    if not len(below):
        return 1
    begin = below[0]
    above = np.flatnonzero(correlation[begin:] > 0)
    if not len(above):
        return 1
    begin += above[0]
    ends = np.flatnonzero(correlation[begin:] < 0)
    end = begin + ends[0] if len(ends) else len(correlation)
    return int(begin + np.argmax(correlation[begin:end]))


def mackey_glass(length: int, tau: int = 17, begin: float = 1.2, warm_up: int = 500, steps: int = 10) -> np.ndarray:
    """Integrates the Mackey-Glass equation by the fourth-order Runge-Kutta method.

    Args:
        length: number of values, one for each unit of time.
        tau: the delay.
        begin: the value before the first step.
        warm_up: values dropped at the beginning.
        steps: integration steps for each unit of time.
    """
    total, delay, h = (warm_up + length) * steps, tau * steps, 1 / steps
    x = np.full(delay + total + 1, begin)

    def slope(now: float, past: float) -> float:
        return 0.2 * past / (1 + past**10) - 0.1 * now

    for i in range(delay, delay + total):
        before, after = x[i - delay], x[i - delay + 1]
        between = (before + after) / 2  # the delayed value half a step later
        k1 = slope(x[i], before)
        k2 = slope(x[i] + h * k1 / 2, between)
        k3 = slope(x[i] + h * k2 / 2, between)
        k4 = slope(x[i] + h * k3, after)
        x[i + 1] = x[i] + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6
    return x[delay + warm_up * steps : delay + total : steps][:length]
