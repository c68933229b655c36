"""Evaluation of a trained model on labelled data: `python -m rnnzoo.evaluate EXPORT|RUN --data=labelled`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.run import catalogue
from rnnzoo.utils import command_line, startup

USAGE = """usage: python -m rnnzoo.evaluate EXPORT|RUN --data=FILE [--output=FOLDER] [options of the task]

Prints the metrics of the model's task on a file of the same format as its training data, and for classes precision,
recall and F1 of each. With --output the folder gets metrics.json and, for classes, confusion.png.
"""


def evaluate(path: str | Path, given: dict[str, Any]) -> dict[str, Any]:
    """Evaluates a trained model on a labelled file.

    Args:
        path: the name of a pretrained model, or the folder of an export or of a run.
        given: options of the task, `data` among them; those of the training are the defaults.

    Returns:
        The summary of the data, the metrics, and details where the task has them: `{"data": text, "metrics": {name:
        value}, "classes": ..., "confusion": ..., "spans": ..., "columns": ...}`.

    Raises:
        UserError: bad input, or a task that generates its own data.
    """
    from rnnzoo.inference.trained_model import load_trained_model
    from rnnzoo.inference.trained_task import create_trained_task
    from rnnzoo.training import Trainer, TrainingOptions, compute_details, compute_metrics

    model, stored = load_trained_model(path)
    task = create_trained_task(model, stored, path, given)
    totals = Trainer(model, task, TrainingOptions()).count_totals("test")
    metrics, details = compute_metrics(model.spec, totals), compute_details(model.spec, totals)
    return {"data": task.summary(), "metrics": metrics, **details}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad input, 1 for a failure."""
    argv = list(sys.argv if argv is None else argv)
    return command_line.run_command(lambda: _main(argv))


def _main(argv: list[str]) -> int:
    with startup.suppress_import_messages():
        entries = catalogue.load()
    options = [*catalogue.flags_of(entries), ("output", "str", "folder for metrics.json and confusion.png")]
    given, switches, paths = command_line.parse(argv, options, {"help": "print this text"})
    if "help" in switches:
        print(USAGE)
        return 0
    if len(paths) != 1 or not given.get("data"):
        raise UserError(USAGE.partition("\n")[0])
    folder = given.pop("output", None)
    with startup.suppress_import_messages():
        from rnnzoo import api  # noqa: F401  (registers everything)

    result = evaluate(paths[0], given)
    _show(result)
    if folder:
        _write(result, Path(folder))
    return 0


def _show(result: dict[str, Any]) -> None:
    from rnnzoo.run.console import format_table

    print(result["data"] + "\n")
    print("\n".join(format_table(["metric", ""], ([name, value] for name, value in result["metrics"].items()))))
    for kind in ("classes", "spans", "columns"):
        if rows := result.get(kind):
            names = list(next(iter(rows.values())))
            print("\n" + "\n".join(format_table([kind, *names], ([row, *v.values()] for row, v in rows.items()))))


def _write(result: dict[str, Any], folder: Path) -> None:
    from rnnzoo.inference.confusion_plot import draw_confusion
    from rnnzoo.utils import figures
    from rnnzoo.utils.json_files import write_json

    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "metrics.json", result)
    if "confusion" in result and figures.has_matplotlib():
        draw_confusion(list(result["classes"]), result["confusion"], folder / "confusion.png")


if __name__ == "__main__":
    sys.exit(main())
