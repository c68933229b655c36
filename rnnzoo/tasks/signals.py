"""Series of numbers: one that an equation makes, and what repeats in one."""

import numpy as np

from rnnzoo.errors import UserError


def moments(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, which are not finite where its values are too large."""
    with np.errstate(all="ignore"):
        return series.mean(0), series.std(0)


def standardise(series: np.ndarray, mean: np.ndarray, deviation: np.ndarray, origin: str) -> np.ndarray:
    """The series at mean 0 and variance 1, in float32. Raises `UserError` where that is not finite."""
    with np.errstate(all="ignore"):
        values = ((series - mean) / deviation).astype("float32")
    if not (np.isfinite(values).all() and np.isfinite(mean).all() and np.isfinite(deviation).all()):
        least, most = float(np.min(series)), float(np.max(series))
        raise UserError(
            f"{origin}: values from {least:g} to {most:g} are too large, or too close to each other, to be brought to "
            "mean 0 and variance 1; bring them to another scale"
        )
    return values


def find_season(series: np.ndarray) -> int:
    """The lag of the first peak of the autocorrelation after it has been negative; 1 where there is none."""
    centred = series[-4000:] - series[-4000:].mean()
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
    """x at times 0, 1, ... after a warm-up, by the Runge-Kutta method of fourth order with `1 / steps` a step."""
    total, delay, h = (warm_up + length) * steps, tau * steps, 1 / steps
    x = np.full(delay + total + 1, begin)

    def slope(now: float, past: float) -> float:
        return 0.2 * past / (1 + past**10) - 0.1 * now

    for i in range(delay, delay + total):
        before, after = x[i - delay], x[i - delay + 1]
        between = (before + after) / 2  # the delayed value half a step on
        k1 = slope(x[i], before)
        k2 = slope(x[i] + h * k1 / 2, between)
        k3 = slope(x[i] + h * k2 / 2, between)
        k4 = slope(x[i] + h * k3, after)
        x[i + 1] = x[i] + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6
    return x[delay + warm_up * steps : delay + total : steps][:length]
