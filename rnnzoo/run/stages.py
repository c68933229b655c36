"""The stages of a run, from reading data to the export."""

import time
from collections.abc import Callable

import numpy as np

from rnnzoo import inspect
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.file_recorder import record_files
from rnnzoo.errors import UserError, name_file_in_errors
from rnnzoo.export import export_saved_model
from rnnzoo.registry import MODELS, TASKS
from rnnzoo.run import events
from rnnzoo.run.data_check import check_data, compute_checksum
from rnnzoo.run.file_loggers import JSONLinesLogger, TensorBoardLogger
from rnnzoo.run.initialization import initialize_weights
from rnnzoo.run.plots import draw_loss_curve
from rnnzoo.run.samples import draw_outputs, sample_outputs
from rnnzoo.run.state import Run
from rnnzoo.training import Interrupted, Session, StepResult, Trainer, checkpoint, compute_details, compute_metrics
from rnnzoo.training.baselines import compare_with_baselines
from rnnzoo.training.engine import check_engine, describe_choice
from rnnzoo.training.metrics import NO_GOAL
from rnnzoo.utils.json_files import write_json
from rnnzoo.utils.memory import check_run_fits


def read_data(run: Run) -> None:
    """Creates the task, which reads its data, and checks the data against those of a resumed run."""
    settings = run.settings
    with record_files(lambda *progress: run.logger.log(events.DataProgress(*progress))) as recorder:
        run.task = TASKS[settings.run.task](settings.task)
    run.data = recorder.describe(run.task.spec)
    if warning := check_data(run.directory, run.data, list(recorder.files)):
        run.logger.message(warning)
    if (metric := settings.training.select_by) and metric not in (
        known := [name for name in ("loss", *run.task.spec.metrics) if name not in NO_GOAL]
    ):
        raise UserError(f"--select_by={metric}: task '{settings.run.task}' has the metrics {', '.join(known)}")
    if settings.training.label_smoothing and run.task.spec.loss != "cross_entropy":
        raise UserError(f"--label_smoothing applies to classes, which task '{settings.run.task}' does not have")
    run.settings = settings.resolve_epochs(run.task)
    run.distribution.check_equal("options or data", compute_checksum(run.settings, run.data))


def build_model(run: Run) -> None:
    """Builds the model and the training session."""
    settings, task = run.settings, run.task
    check_run_fits(settings.model, settings.task, task)
    with run.distribution.scope():
        model = MODELS[settings.run.model](task.spec, settings.model)
    if message := initialize_weights(model, settings, task, run.directory.has_checkpoint()):
        run.logger.message(message)
    if model.crf is not None and settings.training.label_smoothing:
        raise UserError("--label_smoothing and --crf exclude each other: give one")
    run.directory.claim()
    with run.distribution.scope():
        trainer = Trainer(model, task, settings.training, run.distribution)
    run.session = Session(trainer, run.directory.run_dir, run.distribution.should_stop, run.logger.message)


def restore(run: Run) -> None:
    """Restores the checkpoint of a resumed run, and writes `config.json`."""
    engine, training = run.session.trainer.engine, run.settings.training
    run.logger.log(events.EngineChosen(describe_choice(engine)))
    if run.settings.run.resume:
        if note := check_engine(run.directory.resumed_config, engine, training.deterministic):
            run.logger.message(note)
        run.session.resume()
    run.directory.write_config(run.data, engine)
    run.seconds_before = run.session.progress.seconds
    run.logger.loggers += [JSONLinesLogger(run.directory.run_dir), TensorBoardLogger(run.directory.run_dir)]


def train(run: Run) -> None:
    """Trains, and leaves the model with its best weights."""
    session, steps = run.session, run.settings.training.steps
    config, spec = run.settings.to_json(), run.task.spec
    summary, num_weights = run.task.summary(), run.model.count_params()
    run.logger.log(events.TrainingStarted(config, summary, spec.metrics, num_weights, run.directory.run_dir))
    for event in session.run():
        if isinstance(event, StepResult):
            run.logger.log(events.StepFinished(event, steps, session.trainer.tokens_per_step))
        else:
            run.logger.log(events.EvaluationFinished(event))
    draw_loss_curve(run.directory.run_dir)
    run.best_step = session.best.restore()


def evaluate(run: Run) -> None:
    """Evaluates the best model on all splits."""
    trainer, spec = run.session.trainer, run.task.spec
    totals = {split: trainer.count_totals(split) for split in SPLITS}
    run.metrics = {split: compute_metrics(spec, part) for split, part in totals.items()}
    run.details = compute_details(spec, totals["test"])


def save_model(run: Run) -> None:
    """Draws outputs of the best model, and saves it as `model.keras`."""
    if run.distribution.strategy is not None:
        run.trained = MODELS[run.settings.run.model](run.task.spec, run.settings.model)
        run.trained.set_weights([np.asarray(weight) for weight in run.session.trainer.model.weights])
    draw_outputs(run.directory.run_dir, run.model, run.task)
    path = run.directory.run_dir / "model.keras"
    with name_file_in_errors(path):
        run.model.save(path)


def inspect_model(run: Run) -> None:
    """Writes the reports of `python -m rnnzoo.inspect`, if `--inspect` is given."""
    if not run.settings.run.inspect:
        return
    run_dir = run.directory.run_dir
    try:
        trained = inspect.TrainedModel(run_dir.name, run.model, run.task, run.settings.training.seed)
    except UserError as error:
        run.logger.message(f"inspect: {error}")
        return
    for line in inspect.write_report([trained], run_dir / "inspect"):
        run.logger.message(f"inspect: {line}")
    run.logger.log(events.ImagesWritten(run_dir / "inspect", run.session.trainer.step))


def export(run: Run) -> None:
    """Exports the model as a SavedModel."""
    if run.distribution.is_asked_to_stop():
        raise Interrupted("stopped before the export; all steps are done: export with --resume")
    directory = run.directory
    directory.check_export()
    run.logger.message(f"exporting to {directory.export_dir}")
    config = {**run.settings.to_json(with_paths=False), "metrics": run.metrics, "run_id": directory.run_id}
    export_saved_model(run.model, directory.export_dir, config=config, overwrite=True)


def write_result(run: Run) -> None:
    """Writes `result.json`, and shows the results with sample outputs."""
    run.result = {
        "model": run.settings.run.model,
        "task": run.settings.run.task,
        "steps": run.session.trainer.step,
        "parameters": run.model.count_params(),
        "selected_by": run.session.best.metric,
        "best_step": run.best_step,
        "metrics": run.metrics,
        "baselines": run.task.baselines(),
        "test_details": run.details,
        "weights_sha256": checkpoint.compute_digest(run.model.weights),
        "seconds": round(run.seconds_before + time.monotonic() - run.started, 1),
        "export_dir": str(run.directory.export_dir),
    }
    write_json(run.directory.run_dir / "result.json", run.result)
    samples = sample_outputs(run.directory.export_dir, run.model, run.task)
    warnings = tuple(compare_with_baselines(run.result))
    run.logger.log(events.RunFinished(run.result, run.directory.run_dir, samples, warnings))


STAGES: tuple[tuple[str, Callable[[Run], None]], ...] = (
    ("read data", read_data),
    ("build model", build_model),
    ("restore", restore),
    ("train", train),
    ("evaluate", evaluate),
    ("save model", save_model),
    ("inspect", inspect_model),
    ("export", export),
    ("write result", write_result),
)
CHIEF_STAGES = ("save model", "inspect", "export", "write result")  # run by the chief alone
