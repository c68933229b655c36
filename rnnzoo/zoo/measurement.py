"""Measurement of an export in a fresh process: the metrics of its test data and the answer of its example.

`python -m rnnzoo.zoo.measurement EXPORT` reads a JSON object from standard input and prints one.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rnnzoo.errors import RunError

PREFIX = "measurement: "  # before the JSON line on standard output


def measure(path: Path, data_folder: Path | None, example: str) -> dict[str, Any]:
    """Measures an export in a fresh process.

    Args:
        path: the folder of the export.
        data_folder: the folder of the files that the options of its task name; None: the metrics are not measured.
        example: Python code that loads `saved_models/NAME` with TensorFlow and prints an answer.

    Returns:
        `metrics` of the test data, the `data` digest, and the `answer` of the example.

    Raises:
        RunError: the process failed.
    """
    request = {"data_folder": None if data_folder is None else str(data_folder.resolve()), "example": example}
    command = [sys.executable, "-m", "rnnzoo.zoo.measurement", str(path.resolve())]
    paths = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, env=environment)
    for line in done.stdout.splitlines():
        if line.startswith(PREFIX):
            return json.loads(line.removeprefix(PREFIX))
    reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
    raise RunError(f"{path.name} could not be measured: {reason}")


def run_example(path: Path, example: str) -> str:
    """Runs an example in a folder where `saved_models/NAME` is the export; returns what it prints."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "saved_models").mkdir()
        (Path(folder) / "saved_models" / path.name).symlink_to(path.resolve())
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(example, "<example>", "exec"), {"__name__": "__main__"})
        finally:
            os.chdir(before)
    return printed.getvalue().rstrip()


def _measure(path: Path, data_folder: str | None, example: str) -> dict[str, Any]:
    result: dict[str, Any] = {"answer": run_example(path, example)}
    if data_folder is None:
        return result
    from rnnzoo import api  # noqa: F401  (registers everything)
    from rnnzoo.data.file_recorder import record_files
    from rnnzoo.inference.trained_model import load_export
    from rnnzoo.inference.trained_task import create_own_task
    from rnnzoo.training import Trainer, TrainingOptions

    os.chdir(data_folder)
    model, _, config = load_export(path)
    with record_files() as recorder:
        task = create_own_task(model, config, path)
    digest = recorder.describe(task.spec)["digest"]
    return {**result, "metrics": Trainer(model, task, TrainingOptions()).evaluate("test"), "data": digest}


if __name__ == "__main__":
    request = json.loads(sys.stdin.read())
    print(PREFIX + json.dumps(_measure(Path(sys.argv[1]), request["data_folder"], request["example"])))
