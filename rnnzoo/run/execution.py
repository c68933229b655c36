"""Execution of a run, in one process or in several that train together."""

import contextlib
import dataclasses
import io
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from rnnzoo.errors import RunError
from rnnzoo.run import events
from rnnzoo.run.devices import create_distribution, name_lost_workers
from rnnzoo.run.directory import RunDirectory
from rnnzoo.run.events import Logger, LoggerList
from rnnzoo.run.settings import RunSettings
from rnnzoo.run.stages import CHIEF_STAGES, STAGES
from rnnzoo.run.state import Run
from rnnzoo.training.distribution import Distribution
from rnnzoo.utils.memory import check_sizes_fit

RESUMED_FILES = ("config.json", "log.jsonl", "checkpoints/best.npz", "checkpoints/step-*.npz")


class RunLost(RunError):
    """The folder of a run was deleted, so that nothing of it could be kept."""


def execute(settings: RunSettings, logger: Logger, stop: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """Runs all stages of a training run.

    Of several processes the chief writes the files of the run; the others write to a temporary folder.

    Args:
        settings: the settings of the run.
        logger: consumes the events.
        stop: returns True when the run is asked to stop.

    Returns:
        The contents of `result.json`; empty in a process that is not the chief.

    Raises:
        UserError: bad input.
        Interrupted: `stop` returned True; a checkpoint is written.
        NotFiniteError: the loss is not finite.
        RunError: another process ended.
    """
    started = time.monotonic()
    if settings.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(settings.training.seed)
    check_sizes_fit(settings.model, settings.task)
    distribution, line = create_distribution(settings, stop)
    loggers = LoggerList(*([logger] if distribution.is_chief else []))
    if line:
        loggers.message(line)
    with name_lost_workers(distribution), _open_directory(settings, distribution) as directory:
        run = Run(dataclasses.replace(settings, run=directory.run), directory, loggers, distribution, started)
        try:
            for name, stage in STAGES:
                if distribution.is_chief or name not in CHIEF_STAGES:
                    run.logger.log(events.StageStarted(name))
                    stage(run)
        except OSError as error:
            if directory.claimed and not directory.run_dir.is_dir():
                raise RunLost(f"{directory.run_dir} was deleted while the run was going on: nothing is left") from error
            raise
    return run.result


@contextlib.contextmanager
def _open_directory(settings: RunSettings, distribution: Distribution) -> Iterator[RunDirectory]:
    """Opens the folder of the run, or in a process that is not the chief a temporary copy of it."""
    if distribution.is_chief:
        with RunDirectory(settings) as directory:
            distribution.broadcast(_pack(directory) if distribution.num_workers > 1 else b"")
            yield directory
        return
    with tempfile.TemporaryDirectory(prefix="rnnzoo-") as folder:
        copy = Path(folder, "run")
        with zipfile.ZipFile(io.BytesIO(distribution.broadcast(None))) as files:
            files.extractall(copy)
        run = dataclasses.replace(settings.run, run_dir=str(copy), export_dir=str(Path(folder, "export")))
        run = dataclasses.replace(run, overwrite=True)
        with RunDirectory(dataclasses.replace(settings, run=run)) as directory:
            yield directory


def _pack(directory: RunDirectory) -> bytes:
    """Returns an archive of the files that a resumed run goes on from; empty for a new run."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for pattern in RESUMED_FILES if directory.run.resume else ():
            for path in directory.run_dir.glob(pattern):
                files.write(path, path.relative_to(directory.run_dir))
    return archive.getvalue()
