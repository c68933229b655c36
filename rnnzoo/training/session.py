"""A run as files: log, checkpoints, best weights; stopping and going on exactly."""

import dataclasses
import math
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.training import checkpoint
from rnnzoo.training.log import append_entry, repair_log
from rnnzoo.training.loop import StepResult, Trainer
from rnnzoo.training.progress import BEST, CHECKPOINT, Progress

EXPLODES = 100.0  # norm of the gradient before clipping, by the root of the loss where that is above 1
VANISHES = 1e-6  # norm of the gradient by the weights of a layer, of that of the layer where it is largest
NAME = re.compile(r"step-\d{8,}\.npz")  # of a checkpoint
KEPT = 2  # checkpoints: the newest, and the one before in case that one is damaged


class Interrupted(Exception):
    """The run was asked to stop, and has written a checkpoint."""


class Session:
    """Drives a `Trainer` and keeps its files in `folder`: `log.jsonl`, and in `checkpoints/` `step-*.npz`, `best.npz`.

    Iterate over `run()`: it yields a `StepResult` for each step and a dictionary, a line of the
    log, for each evaluation. `stop` is asked after each step whether to write a checkpoint and
    raise `Interrupted`; `warn` is told what the user should know.
    """

    def __init__(
        self,
        trainer: Trainer,
        folder: Path,
        stop: Callable[[], bool] = lambda: False,
        warn: Callable[[str], None] = lambda text: None,
    ):
        self.trainer, self.folder, self.stop, self.warn = trainer, folder, stop, warn
        self.progress = Progress()
        self._warned: set[str] = set()
        self.checkpoints = folder / "checkpoints"

    def resume(self) -> None:
        """Goes on from the newest whole checkpoint, if there is one.

        Raises:
            UserError: there are checkpoints but none is whole, or they are of another model, or of a
                later step than the run is to end at.
        """
        paths = self._list_checkpoints()[::-1]
        for path in paths:
            try:
                groups, meta = checkpoint.load(path, CHECKPOINT)
                progress = Progress.from_json(meta["progress"], str(path))
                if meta["step"] < 0:
                    raise UserError("its step is below 0")
                self.trainer.restore(groups, meta["step"])
            except UserError as error:
                last = _with_path(path, error)
                self.warn(f"warning: {last}; using the one before")
                continue
            self.progress = progress
            break
        else:
            if paths:
                raise UserError(f"no checkpoint in {self.checkpoints} is whole ({last}); start again without --resume")
            if (self.folder / "log.jsonl").exists():
                self.warn(f"warning: there is no checkpoint in {self.checkpoints}: beginning at the first step")
        wanted, reached = self.trainer.options.steps, self.trainer.step
        if wanted < reached:
            raise UserError(f"--resume: the run is at step {reached} already; --steps={wanted} would go back")
        self._restore_best()
        self._warn_of_rate()
        if damaged := repair_log(self.folder / "log.jsonl", reached):
            self.warn(f"warning: {damaged} damaged lines of {self.folder / 'log.jsonl'} are left out")

    def _list_checkpoints(self) -> list[Path]:
        """The checkpoints that are there, the newest last."""
        found = (path for path in self.checkpoints.glob("step-*.npz") if path.is_file())
        return sorted((path for path in found if NAME.fullmatch(path.name)), key=lambda path: int(path.stem[5:]))

    def _restore_best(self) -> None:
        """Takes note of the best metric so far; where its file is damaged, of that of the checkpoint, saved anew."""
        best = self.checkpoints / "best.npz"
        if not best.exists():
            return
        try:
            groups, meta = checkpoint.load(best, BEST)
            checkpoint.refuse_misfit(self.trainer.model.weights, groups.get("model", []))
            # it may be of a later step than the checkpoint: still never replaced by a worse one
            if math.isnan(meta["best"]):
                raise UserError("its metric is no number")
            self.progress.best = min(self.progress.best, meta["best"])
        except UserError as error:
            found = self.trainer.evaluate("validation")[self.trainer.task.spec.metrics[0]]
            self.warn(f"warning: {_with_path(best, error)}; the weights of step {self.trainer.step} take its place")
            self._save_best(self.trainer.step, found)

    def _save_best(self, step: int, metric: float) -> None:
        self.progress.best, self.progress.stale = metric, 0
        checkpoint.save(
            self.checkpoints / "best.npz", {"model": self.trainer.model.weights}, {"step": step, "best": metric}
        )

    def _warn_of_rate(self) -> None:
        """Warns where the schedule, which is that of the new number of steps, makes the learning rate jump."""
        before, now = self.progress.learning_rate, float(self.trainer.optimizer.learning_rate)
        if before is not None and abs(now - before) > 0.01 * self.trainer.options.learning_rate:
            self.warn(
                f"warning: the learning rate was {before:.3g} at step {self.trainer.step} and goes on at {now:.3g}, as "
                f"the {self.trainer.options.schedule} schedule is now that of --steps={self.trainer.options.steps}"
            )

    def run(self) -> Iterator[StepResult | dict[str, Any]]:
        """All steps that are left. Raises `Interrupted`, `NotFinite`, `OSError` when a file cannot be written."""
        trainer, options = self.trainer, self.trainer.options
        every = options.eval_every or max(1, -(-options.steps // 10))
        before, started = self.progress.seconds, time.monotonic()
        for result in trainer.run():
            self.progress.loss_sum += result.loss
            self.progress.loss_count += 1
            self.progress.seconds = before + time.monotonic() - started
            if result.gradient_norm > EXPLODES * math.sqrt(max(1, result.loss)):
                self._warn_once(
                    f"warning: the gradient explodes: its norm, before clipping, is {result.gradient_norm:.3g} at step "
                    f"{result.step}; try a lower --learning_rate, a smaller --clip_norm, or a model with gates"
                )
            yield result
            saved = result.step % every == 0 or result.step == options.steps
            if saved:
                yield self._evaluate(result)
            if saved or (options.checkpoint_every and result.step % options.checkpoint_every == 0):
                self.save()
            if self.stop():
                if not saved:
                    self.save()
                raise Interrupted(f"stopped after step {result.step}; a checkpoint is written: go on with --resume")
            if options.early_stop and self.progress.stale >= options.early_stop:
                self.warn(f"no better for {self.progress.stale} evaluations: stopping early at step {result.step}")
                return

    def save(self) -> None:
        """Writes a checkpoint, then removes those that are too old."""
        path = self.checkpoints / f"step-{self.trainer.step:08d}.npz"
        self.progress.learning_rate = float(self.trainer.optimizer.learning_rate)
        meta = {"step": self.trainer.step, "progress": dataclasses.asdict(self.progress)}
        checkpoint.save(path, self.trainer.variables(), meta)
        for old in self._list_checkpoints()[:-KEPT]:
            old.unlink()

    def take_best(self) -> None:
        """Leaves the model with its best weights."""
        path = self.checkpoints / "best.npz"
        if path.exists():
            try:
                checkpoint.assign(self.trainer.model.weights, checkpoint.load(path, BEST)[0].get("model", []))
            except UserError as error:
                self.warn(f"warning: {_with_path(path, error)}; the last weights take its place")

    def _evaluate(self, result: StepResult) -> dict[str, Any]:
        found = self.trainer.evaluate("validation")
        progress = self.progress
        metric = found[self.trainer.task.spec.metrics[0]]
        progress.stale += 1
        if metric < progress.best:
            self._save_best(result.step, metric)
        entry: dict[str, Any] = {"step": result.step, "loss": progress.loss_sum / progress.loss_count}
        entry |= {"gradient_norm": result.gradient_norm, "learning_rate": float(self.trainer.optimizer.learning_rate)}
        entry["gradient_norms"] = norms = self.trainer.layer_norms()
        self._watch(result.step, norms)
        entry |= {"validation": found, "seconds": round(progress.seconds, 1)}
        progress.loss_sum, progress.loss_count = 0.0, 0
        append_entry(self.folder / "log.jsonl", entry)
        return entry

    def _watch(self, step: int, norms: dict[str, float]) -> None:
        """Warns of layers that next to no gradient reaches."""
        most = max(norms.values())
        lost = [layer for layer, norm in norms.items() if norm < VANISHES * most]
        if lost:
            self._warn_once(
                f"warning: the gradient vanishes: its norm is {most:.3g} where it is largest, and "
                f"{norms[lost[0]]:.1g} in {lost[0]}, at step {step}; try gates, fewer layers, or --residual"
            )

    def _warn_once(self, text: str) -> None:
        kind = text.split()[3]  # explodes or vanishes
        if kind not in self._warned:
            self._warned.add(kind)
            self.warn(text)


def _with_path(path: Path, error: UserError) -> str:
    """The message of an error, with the path of the file if it lacks that."""
    return str(error) if str(path) in str(error) else f"{path}: {error}"
