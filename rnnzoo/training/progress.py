"""Progress of a run, and the schemas of checkpoint metadata."""

import dataclasses
import math
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.utils.json_files import NUMBER

BEST = {"step": int, "best": NUMBER, "best_loss?": NUMBER, "metric?": str}
PROGRESS = {
    "best?": NUMBER,
    "best_loss?": NUMBER,
    "stale?": int,
    "loss_sum?": NUMBER,
    "loss_count?": int,
    "seconds?": NUMBER,
}
CHECKPOINT = {"step": int, "progress": {**PROGRESS, "learning_rate?": (int, float, type(None))}}


@dataclasses.dataclass
class Progress:
    """Progress of a run besides weights and states; part of every checkpoint.

    Attributes:
        best: the best validation metric so far, with the opposite sign if higher is better.
        best_loss: the validation loss of the same model, which decides between equal metrics.
        stale: number of evaluations since the best one.
        loss_sum: sum of the training losses since the last evaluation.
        loss_count: their number.
        seconds: time of the training so far.
        learning_rate: learning rate of the last step.
    """

    best: float = math.inf
    best_loss: float = math.inf
    stale: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    seconds: float = 0.0
    learning_rate: float | None = None

    @classmethod
    def from_json(cls, values: dict[str, Any], name: str) -> "Progress":
        """Creates progress from a dictionary of its fields. Raises `UserError` if they are invalid."""
        unknown = values.keys() - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise UserError(f"{name} is damaged: its progress has unknown fields: {', '.join(sorted(unknown))}")
        progress = cls(**values)
        counts_valid = (
            progress.stale >= 0 and progress.loss_count >= 0 and not math.isnan(progress.best + progress.best_loss)
        )
        if not (counts_valid and 0 <= progress.seconds < 1e12 and math.isfinite(progress.loss_sum)):
            raise UserError(f"{name} is damaged: its progress has invalid values")
        return progress
