"""Training: knows Model and Task, not which one."""

from rnnzoo.training.loop import NotFinite, StepResult, Trainer
from rnnzoo.training.options import TrainingOptions
from rnnzoo.training.session import Interrupted, Session

__all__ = ["Interrupted", "NotFinite", "Session", "StepResult", "Trainer", "TrainingOptions"]
