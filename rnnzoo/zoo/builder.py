"""Building of a pretrained model: training, export, measurement, card."""

import os
import platform
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rnnzoo.errors import RunError
from rnnzoo.training.metrics import HIGHER_IS_BETTER
from rnnzoo.utils.json_files import read_json, write_json
from rnnzoo.zoo.cards import Facts, example_code, write_card
from rnnzoo.zoo.installation import install
from rnnzoo.zoo.measurement import measure
from rnnzoo.zoo.recipes import Recipe
from rnnzoo.zoo.sources import prepare_data

FIGURES = ("forecast.png", "attention.png", "curve.png")  # of a run, the most telling one first
TRAINING = "recipe.json"  # in the folder of a run: the flags, and the machine that trained
TRAINING_SCHEMA = {"flags": str, "processor": str, "cores": int}
RESULT = {"metrics": dict, "baselines": dict, "parameters": int, "steps": int, "best_step": int, "seconds": object}


def build(recipe: Recipe, data_dir: Path | None, work_dir: Path, models_dir: Path) -> Path:
    """Builds a pretrained model, or goes on where an earlier call was stopped.

    Args:
        recipe: the recipe.
        data_dir: folder of downloaded data, or None.
        work_dir: folder of runs; the run of the recipe is in a folder with its name.
        models_dir: folder of models.

    Returns:
        The folder of the model, which is replaced if it exists.

    Raises:
        UserError: the data are missing or of another version.
        RunError: the training failed, or a figure is beyond its limit; the model of before is left as it was.
    """
    data_folder, run_dir = work_dir / "data", work_dir / recipe.name
    prepare_data(recipe.source, data_dir, data_folder)
    export = work_dir / "exports" / recipe.name
    _train(recipe, data_folder, run_dir, export)
    result = read_json(run_dir / "result.json", RESULT)
    code = example_code(recipe)
    measured = measure(export, data_folder, code)
    result["metrics"]["test"] = measured["metrics"]
    check_limits(recipe, measured["metrics"])
    figure = next((run_dir / name for name in FIGURES if (run_dir / name).is_file()), None)
    facts = Facts(
        model=result["model"],
        task=result["task"],
        result=result,
        data=measured["data"],
        answer=measured["answer"],
        sample=_run_sample(recipe, export) if recipe.sample else "",
        figure="" if figure is None else figure.name,
        machine=_describe_machine(read_json(run_dir / TRAINING, TRAINING_SCHEMA)),
        versions=f"Python {platform.python_version()}, TensorFlow {version('tensorflow')}, Keras {version('keras')}",
    )
    images = [] if recipe.sample or figure is None else [figure]
    install(export, write_card(recipe, facts), images, models_dir / recipe.name, recipe.max_mib)
    return models_dir / recipe.name


def check_limits(recipe: Recipe, metrics: dict[str, float]) -> None:
    """Raises `RunError` if a metric of the test is beyond the limit of the recipe."""
    for name, limit in recipe.limits.items():
        value = metrics[name]
        if not (value >= limit if name in HIGHER_IS_BETTER else value <= limit):
            bound = "at least" if name in HIGHER_IS_BETTER else "at most"
            raise RunError(f"{recipe.name}: {name} is {value:.5g}, and the recipe asks for {bound} {limit}")


def _train(recipe: Recipe, data_folder: Path, run_dir: Path, export: Path) -> None:
    """Trains in a process of its own, whose working folder holds the data, so that no path of them is recorded."""
    flags = f"{recipe.flags} --seed={recipe.seed}"
    is_exported = (run_dir / TRAINING).is_file() and (export / "saved_model.pb").is_file()
    if is_exported and read_json(run_dir / TRAINING, TRAINING_SCHEMA)["flags"] == flags:
        return
    folders = [f"--run_dir={run_dir.resolve()}", f"--export_dir={export.resolve()}"]
    command = [sys.executable, "-m", "rnnzoo.run.cli", *flags.split(), *folders]
    command += ["--resume"] if (run_dir / "config.json").is_file() else []
    run_dir.mkdir(parents=True, exist_ok=True)
    paths = os.pathsep.join(p for p in (str(Path.cwd()), *sys.path) if p)
    status = subprocess.run(command, cwd=data_folder, env={**os.environ, "PYTHONPATH": paths}).returncode
    if status:
        raise RunError(f"{recipe.name}: the training ended with status {status}; build it again to go on")
    machine = {"processor": processor_name(), "cores": len(os.sched_getaffinity(0))}
    write_json(run_dir / TRAINING, {"flags": flags, **machine})


def processor_name() -> str:
    """Returns the name of the processor."""
    try:
        names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        names = []
    return names[0].strip() if names else platform.processor() or platform.machine()


def _describe_machine(machine: dict[str, Any]) -> str:
    cores = machine["cores"]
    return f"{cores} core{'s' if cores > 1 else ''} of an {machine['processor']}"


def _run_sample(recipe: Recipe, export: Path) -> str:
    """Runs the command of the sample with the export in the place of the model; returns what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", f"rnnzoo.{recipe.sample[0]}", *recipe.sample[1:]]
        environment = {**os.environ, "RNNZOO_MODELS": str(export.parent.resolve())}
        environment["PYTHONPATH"] = os.pathsep.join(p for p in (str(Path.cwd()), *sys.path) if p)
        done = subprocess.run(
            command, cwd=folder, input=recipe.sample_input, capture_output=True, text=True, env=environment
        )
    if done.returncode:
        raise RunError(f"{recipe.name}: the sample failed: {(done.stderr.strip().splitlines() or [''])[-1]}")
    return done.stdout.rstrip()
