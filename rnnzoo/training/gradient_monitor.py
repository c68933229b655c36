"""Warnings about exploding and vanishing gradients."""

import math
from collections.abc import Callable

EXPLODING_NORM = 100.0  # of the gradient before clipping, relative to sqrt(max(1, loss))
VANISHING_RATIO = 1e-6  # of the gradient norm of a layer to the largest of all layers


class GradientMonitor:
    """Warns once of an exploding and once of a vanishing gradient.

    Args:
        warn: called with each warning.
    """

    def __init__(self, warn: Callable[[str], None]):
        self._warn = warn
        self._warned: set[str] = set()

    def check_norm(self, step: int, loss: float, norm: float) -> None:
        """Checks the global norm of the gradient before clipping."""
        if norm > EXPLODING_NORM * math.sqrt(max(1, loss)):
            self._warn_once(
                "exploding",
                f"warning: the gradient explodes: its norm, before clipping, is {norm:.3g} at step {step}; try a lower "
                "--learning_rate, a smaller --clip_norm, or a gated cell",
            )

    def check_layers(self, step: int, norms: dict[str, float]) -> None:
        """Checks the gradient norms of the layers, by their name."""
        largest = max(norms.values())
        vanishing = [layer for layer, norm in norms.items() if norm < VANISHING_RATIO * largest]
        if vanishing:
            self._warn_once(
                "vanishing",
                f"warning: the gradient vanishes: its norm is {largest:.3g} where it is largest, and "
                f"{norms[vanishing[0]]:.1g} in {vanishing[0]}, at step {step}; try a gated cell, fewer layers, or "
                "--residual",
            )

    def _warn_once(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self._warn(text)
