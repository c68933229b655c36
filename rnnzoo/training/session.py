"""A training session: evaluation, checkpoints, best weights, exact interruption and resumption."""

import dataclasses
import math
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.training import checkpoint
from rnnzoo.training.gradient_monitor import GradientMonitor
from rnnzoo.training.log import repair_log
from rnnzoo.training.loop import StepResult, Trainer
from rnnzoo.training.progress import BEST, CHECKPOINT, Progress

CHECKPOINT_NAME = re.compile(r"step-\d{8,}\.npz")
NUM_CHECKPOINTS = 2  # to keep: the newest, and the previous one in case the newest is damaged


class Interrupted(Exception):
    """The run was asked to stop, and has written a checkpoint."""


class Session:
    """Runs a `Trainer` and keeps its checkpoints in `folder/checkpoints`: `step-*.npz` and `best.npz`.

    Args:
        trainer: the trainer.
        folder: the folder of the run.
        should_stop: called after each step; if it returns True, a checkpoint is written and `Interrupted` raised.
        warn: called with each warning.
    """

    def __init__(
        self,
        trainer: Trainer,
        folder: Path,
        should_stop: Callable[[], bool] = lambda: False,
        warn: Callable[[str], None] = lambda text: None,
    ):
        self.trainer, self.folder, self.should_stop, self.warn = trainer, folder, should_stop, warn
        self.progress = Progress()
        self._gradient_monitor = GradientMonitor(warn)
        self.checkpoints = folder / "checkpoints"

    def resume(self) -> None:
        """Restores the newest complete checkpoint, if there is one, and repairs the log.

        Raises:
            UserError: no checkpoint is complete, or they are of another model, or of a later step than the last step
                of the run.
        """
        self._restore_newest()
        total, reached = self.trainer.options.steps, self.trainer.step
        if total < reached:
            raise UserError(f"--steps must be at least {reached}, the step of the checkpoint, got {total}")
        self._restore_best_metric()
        self._warn_of_learning_rate_jump()
        log = self.folder / "log.jsonl"
        if damaged := repair_log(log, reached):
            self.warn(f"warning: removed {damaged} damaged lines from {log}")

    def _restore_newest(self) -> None:
        paths = self._list_checkpoints()[::-1]
        for path in paths:
            try:
                groups, meta = checkpoint.load(path, CHECKPOINT)
                progress = Progress.from_json(meta["progress"], str(path))
                if meta["step"] < 0:
                    raise UserError("its step is below 0")
                self.trainer.restore(groups, meta["step"])
            except UserError as error:
                problem = _with_path(path, error)
                self.warn(f"warning: {problem}; using the previous checkpoint")
                continue
            self.progress = progress
            return
        if paths:
            raise UserError(
                f"no checkpoint in {self.checkpoints} is complete ({problem}); start again without --resume"
            )
        if (self.folder / "log.jsonl").exists():
            self.warn(f"warning: there is no checkpoint in {self.checkpoints}: beginning at the first step")

    def _list_checkpoints(self) -> list[Path]:
        """Returns the checkpoints, the newest last."""
        paths = (path for path in self.checkpoints.glob("step-*.npz") if path.is_file())
        paths = (path for path in paths if CHECKPOINT_NAME.fullmatch(path.name))
        return sorted(paths, key=lambda path: int(path.stem.removeprefix("step-")))

    def _restore_best_metric(self) -> None:
        """Restores the best metric; if its file is damaged, replaces it by the weights of the checkpoint."""
        best = self.checkpoints / "best.npz"
        if not best.exists():
            return
        try:
            groups, meta = checkpoint.load(best, BEST)
            checkpoint.check_values(self.trainer.model.weights, groups.get("model", []))
            if math.isnan(meta["best"]):
                raise UserError("its metric is not a number")
            # it may be of a later step than the checkpoint: even so, a worse model does not replace it
            self.progress.best = min(self.progress.best, meta["best"])
        except UserError as error:
            metrics = self.trainer.evaluate("validation")
            self.warn(f"warning: {_with_path(best, error)}; the weights of step {self.trainer.step} take its place")
            self._save_best(self.trainer.step, metrics[self.trainer.task.spec.metrics[0]])

    def _save_best(self, step: int, metric: float) -> None:
        self.progress.best, self.progress.stale = metric, 0
        path, meta = self.checkpoints / "best.npz", {"step": step, "best": metric}
        checkpoint.save(path, {"model": self.trainer.model.weights}, meta)

    def _warn_of_learning_rate_jump(self) -> None:
        """Warns if the learning rate jumps, because another number of steps changed the schedule."""
        before, now = self.progress.learning_rate, float(self.trainer.optimizer.learning_rate)
        if before is not None and abs(now - before) > 0.01 * self.trainer.options.learning_rate:
            self.warn(
                f"warning: the learning rate was {before:.3g} at step {self.trainer.step} and goes on at {now:.3g}, as "
                f"the {self.trainer.options.schedule} schedule is now that of "
                f"--steps={self.trainer.options.steps}"
            )

    def run(self) -> Iterator[StepResult | dict[str, Any]]:
        """Runs the remaining steps; yields a `StepResult` for each step and a log entry for each evaluation.

        Raises:
            Interrupted: `should_stop` returned True.
            NotFiniteError: the loss or the gradient is not finite.
            OSError: a file cannot be written.
        """
        options = self.trainer.options
        interval = options.eval_every or max(1, -(-options.steps // 10))
        before, started = self.progress.seconds, time.monotonic()
        for result in self.trainer.run():
            self.progress.loss_sum += result.loss
            self.progress.loss_count += 1
            self.progress.seconds = before + time.monotonic() - started
            self._gradient_monitor.check_norm(result.step, result.loss, result.gradient_norm)
            yield result
            evaluated = result.step % interval == 0 or result.step == options.steps
            if evaluated:
                yield self._evaluate(result)
            if evaluated or (options.checkpoint_every and result.step % options.checkpoint_every == 0):
                self.save()
            if self.should_stop():
                if not evaluated:
                    self.save()
                raise Interrupted(f"stopped after step {result.step}; a checkpoint was written: continue with --resume")
            if options.early_stopping_patience and self.progress.stale >= options.early_stopping_patience:
                self.warn(f"no improvement for {self.progress.stale} evaluations: stopping early at step {result.step}")
                return

    def save(self) -> None:
        """Writes a checkpoint, and removes old ones."""
        path = self.checkpoints / f"step-{self.trainer.step:08d}.npz"
        self.progress.learning_rate = float(self.trainer.optimizer.learning_rate)
        meta = {"step": self.trainer.step, "progress": dataclasses.asdict(self.progress)}
        checkpoint.save(path, self.trainer.variables(), meta)
        for old in self._list_checkpoints()[:-NUM_CHECKPOINTS]:
            old.unlink()

    def restore_best_weights(self) -> None:
        """Sets the weights of the model to the best ones."""
        path = self.checkpoints / "best.npz"
        if path.exists():
            try:
                checkpoint.assign(self.trainer.model.weights, checkpoint.load(path, BEST)[0].get("model", []))
            except UserError as error:
                self.warn(f"warning: {_with_path(path, error)}; the last weights take its place")

    def _evaluate(self, result: StepResult) -> dict[str, Any]:
        """Evaluates on the validation split, saves the best weights, and returns the entry of the log."""
        metrics = self.trainer.evaluate("validation")
        progress = self.progress
        metric = metrics[self.trainer.task.spec.metrics[0]]
        progress.stale += 1
        if metric < progress.best:
            self._save_best(result.step, metric)
        norms = self.trainer.layer_norms()
        self._gradient_monitor.check_layers(result.step, norms)
        entry: dict[str, Any] = {"step": result.step, "loss": progress.loss_sum / progress.loss_count}
        entry |= {"gradient_norm": result.gradient_norm, "learning_rate": float(self.trainer.optimizer.learning_rate)}
        entry |= {"gradient_norms": norms, "validation": metrics, "seconds": round(progress.seconds, 1)}
        progress.loss_sum, progress.loss_count = 0.0, 0
        return entry


def _with_path(path: Path, error: UserError) -> str:
    """Returns the message of an error, with the path of the file if it lacks it."""
    return str(error) if str(path) in str(error) else f"{path}: {error}"
