"""`python -m rnnzoo.inspect RUN_DIR [RUN_DIR ...] [--what=gradients,gates --out=DIR --text=TEXT]`."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from rnnzoo import commands
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.inspect import WHAT
from rnnzoo.inspect.report import write
from rnnzoo.inspect.subject import open_run

USAGE = "usage: python -m rnnzoo.inspect RUN_DIR [RUN_DIR ...] [--what=WHAT,... --out=DIR --text=TEXT]; WHAT is of: "
USAGE += ", ".join(WHAT)


@dataclasses.dataclass(frozen=True)
class InspectOptions:
    """What to look at, and where the pictures go."""

    what: str = option("", f"some of {', '.join(WHAT)}; default: all that apply")
    out: str | None = option(None, "folder for WHAT.png and WHAT.json; default: inspect in the first run's folder")
    text: str | None = option(
        None, "text to read, for a model that writes a sentence a line; default: the first of the test"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, 2 for bad input, 1 for what went wrong."""
    return commands.run_tool(sys.argv if argv is None else argv, InspectOptions, USAGE, _main)


def _main(options: InspectOptions, runs: list[str]) -> None:
    wanted = [name.strip() for name in options.what.split(",") if name.strip()]
    for name in wanted:
        if name not in WHAT:
            raise UserError(f"--what={name}: there is no such thing to look at; there are {', '.join(WHAT)}")
    subjects = [open_run(run) for run in runs]
    out = Path(options.out) if options.out else Path(runs[0]) / "inspect"
    for line in write(subjects, out, wanted, options.text):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
