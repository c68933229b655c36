"""The best weights of a run, selected by a metric of the validation split."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError, add_path
from rnnzoo.training import checkpoint
from rnnzoo.training.loop import Trainer
from rnnzoo.training.metrics import score
from rnnzoo.training.progress import BEST, Progress


class BestWeights:
    """Keeps the best weights of a run in a file; between equal metrics the loss decides.

    Args:
        trainer: the trainer.
        path: the file.
        warn: called with each warning.
    """

    def __init__(self, trainer: Trainer, path: Path, warn: Callable[[str], None]):
        self.trainer, self.path, self.warn = trainer, path, warn
        self.metric = trainer.options.select_by or trainer.task.spec.metrics[0]
        self._resumed_step = -1  # of the file that a resumed run found

    def update(self, step: int, metrics: dict[str, float], progress: Progress) -> bool:
        """Saves the weights if they are the best so far; returns whether they are."""
        progress.stale += 1
        best, before = self._score(metrics), (progress.best, progress.best_loss)
        saved_already = step == self._resumed_step and best == before  # by the run that was killed after it
        if not (best < before or saved_already):  # false for a metric that is not a number
            return False
        self._save(step, metrics, progress)
        progress.stale = 0
        return True

    def resume(self, progress: Progress) -> None:
        """Restores the best metric; if the file is damaged, replaces it by the weights of the checkpoint."""
        if not self.path.exists():
            return
        try:
            groups, meta = checkpoint.load(self.path, BEST)
            checkpoint.check_values(self.trainer.model.weights, groups.get("model", []))
            if math.isnan(meta["best"]):
                raise UserError("its metric is not a number")
        except UserError as error:
            self.warn(f"warning: {add_path(self.path, error)}; the weights of step {self.trainer.step} take its place")
            self._save(self.trainer.step, self.trainer.evaluate("validation"), progress)
            progress.stale = 0
            return
        if meta.get("metric") != self.metric:
            self._evaluate_again(groups["model"], meta["step"], progress)
        else:
            # it may be of a later step than the checkpoint: even so, a worse model does not replace it
            self._resumed_step = meta["step"]
            stored = meta["best"], meta.get("best_loss", math.inf)
            progress.best, progress.best_loss = min(stored, (progress.best, progress.best_loss))

    def restore(self) -> int:
        """Sets the weights of the model to the best ones, and returns their step."""
        if self.path.exists():
            try:
                groups, meta = checkpoint.load(self.path, BEST)
                checkpoint.assign(self.trainer.model.weights, groups.get("model", []))
                return meta["step"]
            except UserError as error:
                self.warn(f"warning: {add_path(self.path, error)}; the last weights take its place")
        return self.trainer.step

    def _score(self, metrics: dict[str, float]) -> tuple[float, float]:
        """Returns the metric, lower is better, and the loss."""
        return score(self.metric, metrics[self.metric]), metrics["loss"]

    def _save(self, step: int, metrics: dict[str, float], progress: Progress) -> None:
        progress.best, progress.best_loss = self._score(metrics)
        meta: dict[str, Any] = {"step": step, "metric": self.metric}
        meta |= {"best": progress.best, "best_loss": progress.best_loss}
        checkpoint.save(self.path, {"model": self.trainer.model.weights}, meta)

    def _evaluate_again(self, weights: list, step: int, progress: Progress) -> None:
        """Evaluates weights that were selected by another metric."""
        model = self.trainer.model
        now = [weight.numpy() for weight in model.weights]
        checkpoint.assign(model.weights, weights)
        self._save(step, self.trainer.evaluate("validation"), progress)
        checkpoint.assign(model.weights, now)
