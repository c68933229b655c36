"""The command line: `python train.py`, or `rnnzoo-train`."""

import dataclasses
import inspect
import io
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from absl import flags

from rnnzoo import config
from rnnzoo.errors import UserError
from rnnzoo.export import ExportError
from rnnzoo.registry import CELLS, MODELS, TASKS, Registry
from rnnzoo.report import Reporter
from rnnzoo.run import RunOptions, configure, execute
from rnnzoo.training import Interrupted, NotFinite, TrainingOptions

USAGE = """Trains a recurrent network, shows what it learned, and exports it as a SavedModel.

  python train.py                                     an LSTM on the Python standard library's source
  python train.py --model=elman --data=book.txt       another model, on your own text
  python train.py --list                              all models, tasks and cells
  python train.py --model=jordan --task=copy --help   the options of another model and task
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad input, 1 for what went wrong, 130 for Ctrl-C."""
    argv = list(sys.argv if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show must not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        values = parse(argv)
        if values["help"].value:
            print(usage(values["model"].value or RunOptions.model, values["task"].value or RunOptions.task))
        elif values["list"].value:
            print("\n".join(catalogue()))
        else:
            settings = configure(given_options(values))
            with Stop() as stop:
                execute(settings, Reporter(settings.run.verbosity), stop)
    except Interrupted as error:
        return _fail(str(error), 128 + stop.signal)
    except (UserError, flags.Error) as error:
        return _fail(str(error), 2)
    except (NotFinite, ExportError) as error:
        return _fail(str(error), 1)
    except OSError as error:
        return _fail(f"{error.filename or 'a file'}: {error.strerror or error}; what was saved before is intact", 1)
    except KeyboardInterrupt:
        return _fail("stopped at once", 130)
    return 0


class Stop:
    """Ctrl-C and SIGTERM ask the run to stop after the step it is at; a second one stops it at once."""

    signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        return bool(self.signal)

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self.signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number


def parse(argv: list[str]) -> flags.FlagValues:
    """The flags, defined from the options of everything that is registered. Raises `flags.Error`."""
    values = flags.FlagValues()
    flags.DEFINE_boolean("help", False, "this text", flag_values=values, short_name="h")
    flags.DEFINE_boolean("list", False, "print the models, tasks and cells", flag_values=values)
    config.define_flags([RunOptions, TrainingOptions, *_classes(MODELS), *_classes(TASKS)], values)
    rest = values(argv)[1:]
    if rest:
        raise UserError(f"unexpected argument '{rest[0]}'; options are written --name=value")
    return values


def given_options(values: flags.FlagValues) -> dict[str, Any]:
    """The options that were given on the command line."""
    flag_names = [name for name in values if name not in ("help", "h", "list")]
    return {name: values[name].value for name in flag_names if values[name].present}


def usage(model: str, task: str) -> str:
    """The text of `--help`: options in groups, those of one model and one task, each with its default."""
    groups = [("What and where", RunOptions), ("Training", TrainingOptions)]
    groups += [
        (f"Model {model}", config.options_class(MODELS[model])),
        (f"Task {task}", config.options_class(TASKS[task])),
    ]
    return "\n".join([USAGE, *(line for title, cls in groups for line in _group(title, cls))])


def catalogue() -> list[str]:
    """The lines of `--list`."""
    lines = []
    for title, registry in (("models", MODELS), ("tasks", TASKS), ("cells", CELLS)):
        lines += [f"{title}:", *(f"  {name:14s} {_summary(registry[name])}" for name in registry)]
    return lines


def _summary(entry: Any) -> str:
    return (inspect.getdoc(entry) or "").partition("\n")[0]


def _group(title: str, cls: type) -> list[str]:
    texts = [f"  --{f.name:20s} {f.metadata['help']}" + _default(f) for f in dataclasses.fields(cls)]
    return [f"{title}:", *texts, ""]


def _default(field: dataclasses.Field) -> str:
    return "" if field.default in (None, False) else f" [{field.default}]"


def _classes(registry: Registry) -> Iterator[type]:
    return (config.options_class(registry[name]) for name in registry)


def _fail(message: str, status: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
