"""A training session: evaluation, checkpoints, best weights, exact interruption and resumption."""

import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError, add_path
from rnnzoo.training import checkpoint
from rnnzoo.training.best_weights import BestWeights
from rnnzoo.training.gradient_monitor import GradientMonitor
from rnnzoo.training.log import repair_log
from rnnzoo.training.loop import StepResult, Trainer
from rnnzoo.training.progress import CHECKPOINT, Progress

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
        self.best = BestWeights(trainer, self.checkpoints / "best.npz", warn)

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
        self.best.resume(self.progress)
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
                problem = add_path(path, error)
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
        before, started = self.progress.seconds, time.monotonic()
        for result in self.trainer.run():
            self.progress.loss_sum += result.loss
            self.progress.loss_count += 1
            self.progress.seconds = before + time.monotonic() - started
            self._gradient_monitor.check_norm(result.step, result.loss, result.gradient_norm)
            yield result
            evaluated = self._is_evaluation_due(result.step)
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

    def _is_evaluation_due(self, step: int) -> bool:
        """Returns whether the model is evaluated after a step.

        By default, a run has ten evaluations, and before the first of them one after 1, 2, 4 ... passes over the data,
        because a model overfits small data early.
        """
        options, epoch = self.trainer.options, self.trainer.task.steps_per_epoch()
        interval = options.eval_every or max(1, -(-options.steps // 10))
        if step % interval == 0 or step == options.steps:
            return True
        if options.eval_every or epoch is None or step > interval:
            return False
        passes, rest = divmod(step, epoch)
        return rest == 0 and passes & (passes - 1) == 0

    def save(self) -> None:
        """Writes a checkpoint, and removes old ones."""
        path = self.checkpoints / f"step-{self.trainer.step:08d}.npz"
        self.progress.learning_rate = float(self.trainer.optimizer.learning_rate)
        meta = {"step": self.trainer.step, "progress": dataclasses.asdict(self.progress)}
        checkpoint.save(path, self.trainer.variables(), meta)
        for old in self._list_checkpoints()[:-NUM_CHECKPOINTS]:
            old.unlink()

    def _evaluate(self, result: StepResult) -> dict[str, Any]:
        """Evaluates on the validation split, saves the best weights, and returns the entry of the log."""
        metrics = self.trainer.evaluate("validation")
        progress = self.progress
        improved = self.best.update(result.step, metrics, progress)
        norms = self.trainer.layer_norms()
        self._gradient_monitor.check_layers(result.step, norms)
        entry: dict[str, Any] = {"step": result.step, "loss": progress.loss_sum / progress.loss_count}
        entry |= {"gradient_norm": result.gradient_norm, "learning_rate": float(self.trainer.optimizer.learning_rate)}
        entry |= {
            "gradient_norms": norms,
            "validation": metrics,
            "best": improved,
            "seconds": round(progress.seconds, 1),
        }
        progress.loss_sum, progress.loss_count = 0.0, 0
        return entry
