"""References of forecasts: the last value, or the values of the last season."""

from typing import Any

import numpy as np

MAX_WINDOWS = 2000  # that are compared
NEIGHBOURS = 5
MARGIN = 0.8  # of the error without a reference, below which the error with one must be
VARIANCE_OFFSET = 1e-4  # added to the variance of a window, which may be constant


def naive_forecast(windows: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Repeats the last value of each window (season 1), or its last season.

    Args:
        windows: `[n, time, ...]`.
        horizon: number of time steps to forecast.
        season: time steps of a season, at most those of a window.

    Returns:
        `[n, horizon, ...]`.
    """
    return windows[:, windows.shape[1] - season + np.arange(horizon) % season]


def choose_difference(
    series: Any, window: int, horizon: int, season: int, normalize: str = "train", num_targets: int | None = None
) -> str:
    """Returns the reference to which forecasts of a series are best added: "none", "last" or "season".

    The first three quarters of the windows forecast the last quarter, by the mean of the nearest windows, without a
    reference and with each one: as a network, they cannot extrapolate to values that they have not seen. A reference
    must lower the error by a fifth.

    Args:
        series: `[time, columns]`, standardized: an array, or what is read by numbers of steps.
        window: time steps that a forecast is made from.
        horizon: time steps of a forecast.
        season: time steps of a season; "season" is no choice if it is 1 or does not fit into the window.
        normalize: "window" if each window is standardized.
        num_targets: number of the first columns that are forecast. None: all.
    """
    starts = np.arange(window, len(series) - horizon + 1)
    starts = starts[:: -(-len(starts) * (num_targets or series.shape[1]) // MAX_WINDOWS)]
    cut = len(starts) * 3 // 4
    if cut < NEIGHBOURS or len(starts) - cut < 1:
        return "none"
    inputs, targets = (
        series[starts[:, None] + np.arange(*span)][..., :num_targets] for span in ((-window, 0), (0, horizon))
    )
    seasons = {"none": 0, "last": 1} | ({"season": season} if 1 < season <= window else {})
    errors = {name: _neighbour_error(inputs, targets, cut, s, normalize) for name, s in seasons.items()}
    errors["none"] *= MARGIN
    return min(errors, key=lambda name: errors[name])


def _neighbour_error(inputs: np.ndarray, targets: np.ndarray, cut: int, season: int, normalize: str) -> float:
    """Returns the squared error of forecasts by the nearest windows before `cut`; season 0: without a reference."""
    level, scale = inputs.mean(1, keepdims=True), np.sqrt(inputs.var(1, keepdims=True) + VARIANCE_OFFSET)
    if normalize == "train":
        level, scale = np.zeros_like(level), np.ones_like(scale)
    x, y = (inputs - level) / scale, (targets - level) / scale
    reference = naive_forecast(x, targets.shape[1], season) if season else np.zeros_like(y)
    x = x - x[:, -season:].mean(1, keepdims=True) if season else x
    known, unknown = (v.transpose(0, 2, 1).reshape(-1, v.shape[1]) for v in (x[:cut], x[cut:]))
    residuals = (y - reference)[:cut].transpose(0, 2, 1).reshape(-1, y.shape[1])
    distances = (known**2).sum(1) - 2 * unknown @ known.T
    nearest = residuals[np.argsort(distances, 1)[:, :NEIGHBOURS]].mean(1)
    forecast = nearest.reshape(len(x) - cut, -1, y.shape[1]).transpose(0, 2, 1) + reference[cut:]
    return float(np.mean(((forecast - y[cut:]) * scale[cut:]) ** 2))
