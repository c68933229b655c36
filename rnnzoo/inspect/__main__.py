"""Command `python -m rnnzoo.inspect RUN_DIR [RUN_DIR ...] [--what=gradients,gates --out=DIR --text=TEXT]`."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.inspect import REPORTS
from rnnzoo.inspect.report import write_report
from rnnzoo.inspect.trained_model import open_run
from rnnzoo.utils import command_line

USAGE = "usage: python -m rnnzoo.inspect RUN_DIR [RUN_DIR ...] [--what=WHAT,... --out=DIR --text=TEXT]; WHAT is of: "
USAGE += ", ".join(REPORTS)
RENAMED_REPORTS = {"reach": "effective_context"}


@dataclasses.dataclass(frozen=True)
class InspectOptions:
    """Options of the inspection."""

    what: str = option("", f"reports, comma-separated: {', '.join(REPORTS)}; default: all that apply")
    out: str | None = option(None, "folder for WHAT.png and WHAT.json; default: inspect in the first run's folder")
    text: str | None = option(
        None, "text to read (for seq2seq models one source on each line); default: the first test sequences"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad input, 1 for a failure."""
    return command_line.run_tool(sys.argv if argv is None else argv, InspectOptions, USAGE, _main)


def _main(options: InspectOptions, runs: list[str]) -> None:
    reports = [name.strip() for name in options.what.split(",") if name.strip()]
    for name in reports:
        if name in RENAMED_REPORTS:
            raise UserError(f"--what={name} was renamed to --what={RENAMED_REPORTS[name]}")
        if name not in REPORTS:
            raise UserError(f"--what={name} is unknown; choose from {', '.join(REPORTS)}")
    trained_models = [open_run(run) for run in runs]
    out = Path(options.out) if options.out else Path(runs[0]) / "inspect"
    for line in write_report(trained_models, out, reports, options.text):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
