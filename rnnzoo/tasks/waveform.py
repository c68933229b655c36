"""The task `waveform`: generate a sine wave from its frequency, phase and amplitude."""

import dataclasses

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import Batch
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import SyntheticTask


@dataclasses.dataclass(frozen=True)
class WaveformOptions:
    """Options of the task `waveform`."""

    samples: int = option(60, "samples in a wave", minimum=2, size="time")
    cycles: float = option(3.0, "maximum number of cycles in a wave", minimum=0.5, maximum=1e6)
    batch_size: int = option(64, "waves in a batch", minimum=1, size="batch")
    eval_size: int = option(1000, "waves in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("waveform")
class Waveform(SyntheticTask):
    """Waveforms: generate the samples of a sine wave from its frequency, phase and amplitude (one to many).

        y_t = a sin(2 pi f t + p),   t from 0 to 1

    f is between 0.5 and `cycles`, p between -pi and pi, a between 0.2 and 1. These three numbers are the only input,
    so the network has to keep time by itself.
    """

    training_defaults = {"steps": 2000, "learning_rate": 5e-3}

    def __init__(self, options: WaveformOptions):
        self.options = options
        self.spec = TaskSpec(
            inputs="pair",
            outputs="vector",
            per_step=True,
            input_size=3,
            output_size=1,
            loss="mse",
            metrics=("mse",),
            source="features",
            source_length=1,
            output_length=options.samples,
        )

    def sample_batch(self, rng: np.random.Generator, size: int) -> Batch:
        low, high = (0.5, -np.pi, 0.2), (max(0.5, self.options.cycles), np.pi, 1.0)
        source = rng.uniform(low, high, (size, 3)).astype("float32")
        f, p, a = (column[:, None] for column in source.T)
        t = np.arange(self.options.samples) / (self.options.samples - 1)
        wave = (a * np.sin(2 * np.pi * f * t + p)).astype("float32")
        return Batch((source[:, None], np.zeros((size, self.options.samples, 0), "float32")), wave[..., None])

    def baselines(self) -> dict[str, dict[str, float]]:
        """Returns the error of always predicting 0."""
        mse = float(np.mean([np.mean(batch.targets**2) for batch in self.evaluation("test")]))
        return {"zero": {"loss": mse, "mse": mse}}

    def summary(self) -> str:
        samples, cycles = self.options.samples, self.options.cycles
        return f"waves of {samples} samples and up to {cycles:g} cycles, generated anew for every step"
