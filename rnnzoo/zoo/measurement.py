"""Measurement of an export in fresh processes: the metrics of its test data and the answer of its example.

`python -m rnnzoo.zoo.measurement EXPORT`, run in the folder of the data, prints the metrics of the test as JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rnnzoo.errors import RunError

PREFIX = "measurement: "  # before the JSON line on standard output


def measure(path: Path, data_folder: Path) -> dict[str, Any]:
    """Measures an export on its test data in a fresh process.

    Args:
        path: the folder of the export.
        data_folder: the folder of the files that the options of its task name.

    Returns:
        `metrics` of the test data, and the digest of the `data`.

    Raises:
        RunError: the process failed.
    """
    printed = _run(["-m", "rnnzoo.zoo.measurement", str(path.resolve())], data_folder, path.name)
    line = next(line for line in printed.splitlines() if line.startswith(PREFIX))
    return json.loads(line.removeprefix(PREFIX))


def run_example(path: Path, example: str) -> str:
    """Runs an example in a fresh process, in a folder where `saved_models/NAME` is the export.

    Returns:
        What the example prints.

    Raises:
        RunError: the process failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "saved_models").mkdir()
        (Path(folder) / "saved_models" / path.name).symlink_to(path.resolve())
        return _run(["-c", example], Path(folder), path.name).rstrip()


def _run(arguments: list[str], folder: Path, name: str) -> str:
    """Runs Python in a folder, and returns what it prints."""
    paths = os.pathsep.join(str(Path(p).resolve()) for p in sys.path)
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=folder, env=environment)
    if done.returncode:
        raise RunError(f"{name} could not be measured: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return done.stdout


def _measure(path: Path) -> dict[str, Any]:
    from rnnzoo import api  # noqa: F401  (registers everything)
    from rnnzoo.data.file_recorder import record_files
    from rnnzoo.inference.trained_model import load_export
    from rnnzoo.inference.trained_task import create_own_task
    from rnnzoo.training import Trainer, TrainingOptions

    model, _, config = load_export(path)
    with record_files() as recorder:
        task = create_own_task(model, config, path)
    digest = recorder.describe(task.spec)["digest"]
    return {"metrics": Trainer(model, task, TrainingOptions()).evaluate("test"), "data": digest}


if __name__ == "__main__":
    print(PREFIX + json.dumps(_measure(Path(sys.argv[1]))))
