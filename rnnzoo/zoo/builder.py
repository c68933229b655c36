"""Building of a pretrained model: training, export, measurement, card."""

import os
import platform
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rnnzoo.errors import RunError, UserError
from rnnzoo.inference.model_names import VARIABLE
from rnnzoo.training.metrics import HIGHER_IS_BETTER
from rnnzoo.utils.json_files import read_json, write_json
from rnnzoo.zoo.cards import CardContents, example_code, write_card
from rnnzoo.zoo.installation import IMAGES, check_target, install_model
from rnnzoo.zoo.measurement import measure, run_example
from rnnzoo.zoo.recipes import Recipe
from rnnzoo.zoo.sources import prepare_data

TRAINING = "recipe.json"  # in the folder of a run: the flags, and the machine that trained
TRAINING_SCHEMA = {"flags": str, "processor": str, "cores": int}
SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPED = {*(128 + number for number in SIGNALS), *(-number for number in SIGNALS)}  # exit statuses
RESULT = {"metrics": dict, "baselines": dict, "parameters": int, "steps": int, "best_step": int, "seconds": object}


def build(recipe: Recipe, data_dir: Path | None, work_dir: Path, models_dir: Path) -> Path:
    """Builds a pretrained model, or resumes a build that was stopped.

    Args:
        recipe: the recipe.
        data_dir: folder of downloaded data, or None.
        work_dir: folder of runs; the run of the recipe is in a folder with its name.
        models_dir: folder of models.

    Returns:
        The folder of the model, which is replaced if it exists.

    Raises:
        UserError: the data are missing or of another version, the folder of the model holds something else, or an
            unfinished run is that of other flags.
        RunError: the training failed, or a metric is beyond its limit; the previous model is left as it was.
    """
    data_folder, run_dir = work_dir / "data", work_dir / recipe.name
    check_target(models_dir / recipe.name)
    models_dir.mkdir(parents=True, exist_ok=True)
    prepare_data(recipe.source, data_dir, data_folder)
    for name, flags in recipe.runs():
        _train(name, flags, work_dir)
    export, result = work_dir / "exports" / recipe.name, read_json(run_dir / "result.json", RESULT)
    earlier = [read_json(work_dir / name / "result.json", RESULT) for name, _ in recipe.runs()[:-1]]
    result["seconds"] += sum(part["seconds"] for part in earlier)
    measured = measure(export, data_folder)
    result["metrics"]["test"] = measured["metrics"]
    check_limits(recipe, measured["metrics"])
    images = [run_dir / name for name in IMAGES if (run_dir / name).is_file() and not recipe.sample][:1]
    contents = CardContents(
        result=result,
        data=measured["data"],
        answer=run_example(export, example_code(recipe)),
        sample=_run_sample(recipe, export) if recipe.sample else "",
        figure=images[0].name if images else "",
        machine=_describe_machine(read_json(run_dir / TRAINING, TRAINING_SCHEMA)),
    )
    install_model(export, models_dir / recipe.name, recipe.max_mib, write_card(recipe, contents), images)
    return models_dir / recipe.name


def check_limits(recipe: Recipe, metrics: dict[str, float]) -> None:
    """Raises `RunError` if a metric of the test is beyond the limit of the recipe."""
    for name, limit in recipe.limits.items():
        if name not in metrics:
            raise RunError(f"{recipe.name}: limits name the metric {name}, and the task has {', '.join(metrics)}")
        value = metrics[name]
        if not (value >= limit if name in HIGHER_IS_BETTER else value <= limit):
            bound = "at least" if name in HIGHER_IS_BETTER else "at most"
            raise RunError(f"{recipe.name}: {name} is {value:.5g}, and the recipe asks for {bound} {limit}")


def _train(name: str, flags: str, work_dir: Path) -> None:
    """Trains in a process of its own, whose working folder holds the data, so that no path of them is recorded."""
    run_dir, exports = work_dir / name, work_dir / "exports"
    if (run_dir / TRAINING).is_file():
        if read_json(run_dir / TRAINING, TRAINING_SCHEMA)["flags"] != flags:
            raise UserError(f"the run in {run_dir} has other flags than the recipe: delete that folder to train again")
        if (run_dir / "result.json").is_file() and (exports / name / "saved_model.pb").is_file():
            return
    run_dir.mkdir(parents=True, exist_ok=True)
    write_json(run_dir / TRAINING, {"flags": flags, "processor": processor_name(), "cores": num_cores()})
    folders = [f"--run_dir={run_dir.resolve()}", f"--export_dir={(exports / name).resolve()}"]
    command = [sys.executable, "-m", "rnnzoo.run.cli", *shlex.split(flags), *folders]
    command.append("--resume" if (run_dir / "config.json").is_file() else "--overwrite")
    status = run_with_signals(command, cwd=work_dir / "data", env=_environment(exports))
    if status in STOPPED:
        raise RunError(f"{name}: the training was stopped; build it again to resume it")
    if status:
        raise RunError(f"{name}: the training failed with status {status}")


def run_with_signals(command: list[str], **options: Any) -> int:
    """Runs a command and passes Ctrl-C and SIGTERM on to it, so that it can write a checkpoint; returns its status."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    before = {number: signal.signal(number, lambda n, _: process.send_signal(n)) for number in SIGNALS}
    try:
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _environment(models: Path) -> dict[str, str]:
    """Returns the environment of a process that finds this package and, before others, the models of a folder."""
    folders = {"PYTHONPATH": (str(Path.cwd()), *sys.path), VARIABLE: (str(models.resolve()), os.environ.get(VARIABLE))}
    return {**os.environ, **{name: os.pathsep.join(p for p in paths if p) for name, paths in folders.items()}}


def processor_name() -> str:
    """Returns the name of the processor."""
    try:
        names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        names = []
    return names[0].strip() if names else platform.processor() or platform.machine()


def num_cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _describe_machine(machine: dict[str, Any]) -> str:
    cores = machine["cores"]
    return f"{cores} core{'s' if cores > 1 else ''} of an {machine['processor']}"


def _run_sample(recipe: Recipe, export: Path) -> str:
    """Runs the command of the sample with the export in the place of the model; returns what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", f"rnnzoo.{recipe.sample[0]}", *recipe.sample[1:]]
        environment, given = _environment(export.parent), recipe.sample_input
        done = subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RunError(f"{recipe.name}: the sample failed: {(done.stderr.strip().splitlines() or [''])[-1]}")
    return done.stdout.rstrip()
