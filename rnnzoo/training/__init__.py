"""Training of any model on any task: loop, metrics, checkpoints and exact resumption."""

from rnnzoo.training.loop import NotFiniteError, StepResult, Trainer
from rnnzoo.training.metrics import compute_details, compute_metrics
from rnnzoo.training.options import TrainingOptions
from rnnzoo.training.session import Interrupted, Session

__all__ = [
    "Interrupted",
    "NotFiniteError",
    "Session",
    "StepResult",
    "Trainer",
    "TrainingOptions",
    "compute_details",
    "compute_metrics",
]
