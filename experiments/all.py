"""Command `python -m experiments.all`: runs all experiments, draws docs/images and updates docs/results.md.

With `--quick`, small versions of all experiments run in less than five minutes, and nothing is written.
"""

import argparse
import importlib
import inspect
import sys
import time
from pathlib import Path

from experiments.common import IMAGES, execute, format_table

NAMES = (
    "elman_xor",
    "elman_letters",
    "elman_words",
    "elman_classes",
    "reber",
    "adding",
    "temporal_order",
    "dampened",
    "vanishing",
    "shakespeare",
)
RESULTS = Path(__file__).parents[1] / "docs" / "results.md"
BEGIN, END = "<!-- experiments: written by python -m experiments.all -->", "<!-- end of experiments -->"


def main() -> None:
    """Command line of all experiments."""
    parser = argparse.ArgumentParser(prog="python -m experiments.all")
    parser.add_argument("--quick", action="store_true", help="small versions; nothing is written")
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES, help="names of the experiments to run")
    arguments = parser.parse_args()
    started = time.monotonic()
    for name in arguments.only:
        module = importlib.import_module(f"experiments.{name}")
        result, seconds = execute(name, module.run, arguments.quick, None if arguments.quick else IMAGES)
        if not arguments.quick:
            title = (inspect.getdoc(module) or "").partition("\n")[0]
            figures = [f"![{figure}](images/{figure}.png)" for figure in result.figures]
            lines = [f"### {title}", "", f"    python -m experiments.{name}", "", *format_table(result), ""]
            lines += [f"{result.summary} {seconds:.0f} s.".lstrip(), "", *(line for f in figures for line in (f, ""))]
            write_section(name, lines)
    print(f"all: {time.monotonic() - started:.0f} s")


def write_section(name: str, lines: list[str]) -> None:
    """Replaces the section of one experiment in docs/results.md."""
    text = RESULTS.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        sys.exit(f"{RESULTS} lacks '{BEGIN}' or '{END}'; add both lines around the experiments")
    before, _, rest = text.partition(BEGIN)
    inner, _, after = rest.partition(END)
    parts = {part.partition(" ")[0]: part for part in inner.split("<!-- of ")[1:]}
    parts[name] = f"{name} -->\n\n" + "\n".join(lines).rstrip("\n") + "\n\n"
    inner = "".join(f"<!-- of {parts[n]}" for n in NAMES if n in parts)
    RESULTS.write_text(f"{before}{BEGIN}\n\n{inner}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
