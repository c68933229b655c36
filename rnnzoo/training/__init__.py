"""Training: knows Model and Task, not which one."""

from rnnzoo.training.loop import NotFinite, StepResult, Trainer
from rnnzoo.training.options import TrainingOptions

__all__ = ["NotFinite", "StepResult", "Trainer", "TrainingOptions"]
