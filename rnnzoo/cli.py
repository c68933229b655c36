"""The command line: `python train.py`, or `rnnzoo-train`."""

import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from rnnzoo import catalogue, commands, startup
from rnnzoo.errors import UserError

USAGE = """Trains a recurrent network, shows what it learned, and exports it as a SavedModel.

  python train.py                                     an LSTM on the Python standard library's source
  python train.py --model=elman --data=book.txt       another model, on your own text
  python train.py --list                              all models, tasks and cells
  python train.py --model=jordan --task=copy --help   the options of another model and task
"""
SWITCHES = {"help": "this text", "list": "print the models, tasks and cells"}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad input, 1 for what went wrong, 130 for Ctrl-C."""
    argv = list(sys.argv if argv is None else argv)
    verbose = "--verbosity=2" in argv
    return commands.run_command(lambda: _main(argv, verbose), verbose)


def _main(argv: list[str], verbose: bool) -> int:
    with startup.suppress_notices(not verbose):
        found = catalogue.load()
    given, switches, rest = parse(argv, found)
    if rest:
        raise UserError(f"there is no argument '{rest[0]}'; options are written --name=value")
    if "help" in switches:
        print(usage(found, **{name: given[name] for name in ("model", "task") if name in given}))
    elif "list" in switches:
        print("\n".join(catalogue.list_lines(found)))
    else:
        return train(given, verbose)
    return 0


def parse(argv: Sequence[str], found: catalogue.Catalogue | None = None) -> tuple[dict[str, Any], set[str], list[str]]:
    """The options and switches of a command line, and its other arguments. Raises `flags.Error`."""
    return commands.parse(argv, catalogue.flags_of(found or catalogue.load()), SWITCHES)


def usage(found: catalogue.Catalogue, model: str | None = None, task: str | None = None) -> str:
    """The text of `--help`: options in groups, those of one model and one task, each with its default."""
    defaults = {option["name"]: option["default"] for option in found["run"]}
    model, task = model or defaults["model"], task or defaults["task"]
    return "\n".join([USAGE, *catalogue.help_lines(found, model, task)])


def train(given: dict[str, Any], verbose: bool = False) -> int:
    """Trains as the options say; returns the exit status. TensorFlow's notices are shown if `verbose`."""
    with startup.suppress_notices(not verbose):
        from rnnzoo import api, run  # noqa: F401  (everything is registered)
        from rnnzoo.report import Reporter
        from rnnzoo.training import Interrupted

    settings = run.configure(given)
    with Stop() as stop:
        try:
            run.execute(settings, Reporter(settings.run.verbosity), stop)
        except Interrupted as error:
            return commands.print_error(str(error), 128 + stop.signal)
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
            self._before = {number: signal.signal(number, self._ask) for number in self.signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: Any) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number


if __name__ == "__main__":
    sys.exit(main())
