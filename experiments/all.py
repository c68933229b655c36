"""All experiments: `python -m experiments.all` runs them, draws docs/images and writes their part of docs/results.md.

With `--quick` small versions of all run, in less than five minutes, and nothing is written.
"""

import argparse
import importlib
import inspect
import sys
import time
from pathlib import Path

from experiments.common import IMAGES, execute, table

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
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m experiments.all")
    parser.add_argument("--quick", action="store_true", help="small versions; nothing is written")
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES, help="some of them")
    arguments = parser.parse_args()
    started = time.monotonic()
    for name in arguments.only:
        module = importlib.import_module(f"experiments.{name}")
        found, seconds = execute(name, module.run, arguments.quick, None if arguments.quick else IMAGES)
        if not arguments.quick:
            title = (inspect.getdoc(module) or "").partition("\n")[0]
            pictures = [f"![{picture}](images/{picture}.png)" for picture in found.draw]
            lines = [f"### {title}", "", f"    python -m experiments.{name}", "", *table(found), ""]
            lines += [f"{found.says} {seconds:.0f} s.".lstrip(), "", *(line for p in pictures for line in (p, ""))]
            write(name, lines)
    print(f"all: {time.monotonic() - started:.0f} s")


def write(name: str, lines: list[str]) -> None:
    """Puts the part of one experiment into docs/results.md, in place of what was there of it."""
    text = RESULTS.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        sys.exit(f"{RESULTS} has no place for the experiments: it lacks '{BEGIN}' or '{END}'")
    before, _, rest = text.partition(BEGIN)
    inner, _, after = rest.partition(END)
    parts = {part.partition(" ")[0]: part for part in inner.split("<!-- of ")[1:]}
    parts[name] = f"{name} -->\n\n" + "\n".join(lines).rstrip("\n") + "\n\n"
    inner = "".join(f"<!-- of {parts[n]}" for n in NAMES if n in parts)
    RESULTS.write_text(f"{before}{BEGIN}\n\n{inner}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
