"""The command line `python train.py`, also installed as `rnnzoo-train`."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.run import catalogue
from rnnzoo.utils import command_line, startup

USAGE = """Trains a recurrent network, evaluates it, and exports it as a SavedModel.

  python train.py                                     an LSTM on the Python standard library's source
  python train.py --model=elman --data=book.txt       another model, on your own text
  python train.py --list                              all models, tasks and cells
  python train.py --model=jordan --task=copy --help   the options of another model and task
"""
SWITCHES = {"help": "print this text", "list": "print the models, tasks and cells"}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad input, 1 for a failure, 130 for Ctrl-C."""
    argv = list(sys.argv if argv is None else argv)
    verbose = "--verbosity=2" in argv
    status = command_line.run_command(lambda: _main(argv, verbose), verbose)
    if status and "rnnzoo.run.devices" in sys.modules and sys.modules["rnnzoo.run.devices"].is_joined():
        sys.stdout.flush()
        os._exit(status)  # the other processes of the run notice an end without a farewell
    return status


def _main(argv: list[str], verbose: bool) -> int:
    with startup.suppress_import_messages(not verbose):
        entries = catalogue.load()
    options, switches, rest = parse(argv, entries)
    if rest:
        raise UserError(f"there is no argument '{rest[0]}'; options have the form --name=value")
    if "help" in switches:
        print(usage(entries, **{name: options[name] for name in ("model", "task") if name in options}))
    elif "list" in switches:
        print("\n".join(catalogue.list_lines(entries)))
    else:
        return train(options, verbose)
    return 0


def parse(
    argv: Sequence[str], entries: catalogue.Catalogue | None = None
) -> tuple[dict[str, Any], set[str], list[str]]:
    """Parses a command line into options, switches and other arguments. Raises `flags.Error`."""
    return command_line.parse(argv, catalogue.flags_of(entries or catalogue.load()), SWITCHES)


def usage(entries: catalogue.Catalogue, model: str | None = None, task: str | None = None) -> str:
    """Returns the text of `--help`: the options of one model and one task in groups, with their defaults."""
    defaults = {option["name"]: option["default"] for option in entries["run"]}
    model, task = model or defaults["model"], task or defaults["task"]
    return "\n".join([USAGE, *catalogue.help_lines(entries, model, task)])


def train(options: dict[str, Any], verbose: bool = False) -> int:
    """Trains a model with these options and returns the exit status; shows TensorFlow's notices if `verbose`."""
    with startup.suppress_import_messages(not verbose):
        from rnnzoo import api  # noqa: F401  (registers everything)
        from rnnzoo.run.console import ConsoleLogger
        from rnnzoo.run.execution import execute
        from rnnzoo.run.settings import make_settings
        from rnnzoo.training import Interrupted

    settings = make_settings(options)
    with StopSignal() as stop:
        try:
            execute(settings, ConsoleLogger(settings.run.verbosity), stop)
        except Interrupted as error:
            return command_line.print_error(str(error), 128 + stop.signal)
    return 0


class StopSignal:
    """Handler of Ctrl-C and SIGTERM: the first stops the run after the current step, a second one at once."""

    signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signal = 0
        self._previous_handlers: dict[int, Any] = {}

    def __call__(self) -> bool:
        return bool(self.signal)

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():
            self._previous_handlers = {number: signal.signal(number, self._request_stop) for number in self.signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _request_stop(self, number: int, frame: Any) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number


if __name__ == "__main__":
    sys.exit(main())
