"""Options of training, common to all models and tasks."""

import dataclasses
from typing import Literal

from rnnzoo.config import option

OPTIMIZERS = ("adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad")


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """Options of the training."""

    steps: int = option(2500, "number of training steps", minimum=1)
    optimizer: str = option("adam", "optimizer", choices=OPTIMIZERS)
    learning_rate: float = option(2e-3, "learning rate of the optimizer", minimum=0)
    schedule: str = option(
        "cosine", "schedule of the learning rate: constant, or cosine decay to 0", choices=("constant", "cosine")
    )
    clip_norm: float = option(1.0, "clip gradients to this global norm; 0: no clipping", minimum=0)
    epochs: int | None = option(None, "passes over the training data, instead of --steps", minimum=1)
    eval_every: int = option(
        0, "steps between evaluations; 0: ten evaluations in a run, and a few early ones", minimum=0
    )
    checkpoint_every: int = option(
        0, "steps between checkpoints, in addition to those at evaluations; 0: none", minimum=0
    )
    select_by: str | None = option(
        None, "metric of the validation split that selects the best model; default: the first one of the task"
    )
    early_stopping_patience: int = option(
        0, "stop after this many evaluations without improvement; 0: never", minimum=0
    )
    label_smoothing: float = option(
        0.0, "part of each class's target that is spread over all classes", minimum=0, below=1
    )
    class_weights: str = option(
        "none",
        "weight of each class in the loss: equal (none), or inverse to its frequency in training (balanced)",
        choices=("none", "balanced"),
    )
    freeze: str = option("", "parts of the model that training does not change, comma-separated: embedding, core, head")
    seed: int = option(0, "random seed of weights, data order and dropout", minimum=0, below=2**32)
    stateful: bool = option(True, "carry states from batch to batch where the text continues")
    deterministic: bool = option(False, "bit-identical results in every run, at some cost in speed")
    jit_compile: bool | Literal["auto"] = option(
        "auto", "compile the training step with XLA: auto (unless native kernels run the model), true or false"
    )
