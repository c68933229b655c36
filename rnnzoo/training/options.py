"""Options of training, the same for every model and task."""

import dataclasses

from rnnzoo.config import option

OPTIMIZERS = ("adam", "adamw", "nadam", "rmsprop", "sgd")


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """How a model is trained."""

    steps: int = option(2500, "training steps", minimum=1)
    optimizer: str = option("adam", "optimizer", choices=OPTIMIZERS)
    learning_rate: float = option(2e-3, "step size of the optimizer", minimum=0)
    schedule: str = option("cosine", "learning rate: constant, or cosine (down to 0)", choices=("constant", "cosine"))
    clip_norm: float = option(1.0, "gradients are scaled to at most this global norm; 0: never", minimum=0)
    epochs: int | None = option(None, "passes over the training data, instead of steps", minimum=1)
    eval_every: int = option(0, "steps between evaluations; 0: ten in a run", minimum=0)
    checkpoint_every: int = option(0, "steps between checkpoints, besides those at evaluations; 0: none", minimum=0)
    early_stop: int = option(0, "stop after so many evaluations without a better one; 0: never", minimum=0)
    label_smoothing: float = option(
        0.0, "part of each class's target that is spread over all classes", minimum=0, below=1
    )
    seed: int = option(0, "of weights, data order and dropout", minimum=0, below=2**32)
    carry_state: bool = option(True, "whether a batch goes on from the states of the one before, if its text does")
    deterministic: bool = option(False, "the same bits at every run, at some cost in speed")
    jit_compile: bool = option(True, "compile the training step with XLA")
