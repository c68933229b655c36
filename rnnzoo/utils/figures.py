"""Figures as files, with fonts for all installed scripts."""

import contextlib
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError, name_file_in_errors

# one character of each script that may need another font than matplotlib's default
SCRIPT_SAMPLES = "日あ한กकবതதకಕമසខမລກაהعދአᎠᏣ😀𝄞"


def has_matplotlib() -> bool:
    """Returns whether matplotlib (extra `plot`) is installed."""
    return importlib.util.find_spec("matplotlib") is not None


@contextlib.contextmanager
def figure_file(path: Path, dpi: int = 120, **options: Any) -> Iterator[Any]:
    """Context manager of a new matplotlib figure, which is written to `path` at its end.

    Raises:
        UserError: matplotlib (extra `plot`) is not installed.
    """
    if not has_matplotlib():
        raise UserError("a figure needs matplotlib: pip install 'rnnzoo[plot]'")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.family": ["sans-serif", *_fonts()[0]]}), name_file_in_errors(path):
        figure = Figure(layout="constrained", **options)
        yield figure
        temporary = path.with_name(path.name + ".part")
        figure.savefig(temporary, dpi=dpi, format=path.suffix.removeprefix(".") or "png")
        temporary.replace(path)


def label_text(text: str) -> str:
    r"""Returns text for a figure: without formulas, and with code points for characters that no font has.

    >>> label_text("$x")
    '\\$x'
    """
    known = _fonts()[1] if has_matplotlib() else frozenset()
    shown = (c if c.isprintable() and (ord(c) < 128 or ord(c) in known) else f"U+{ord(c):04X}" for c in text)
    return "".join(shown).replace("$", r"\$")


@functools.cache
def _fonts() -> tuple[list[str], frozenset[int]]:
    """Returns the font families needed besides matplotlib's default, and the characters that they cover together."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    manager = font_manager.fontManager
    known = set(FT2Font(font_manager.findfont(font_manager.FontProperties(family=["sans-serif"]))).get_charmap())
    families: list[str] = []
    missing = {ord(c) for c in SCRIPT_SAMPLES} - known
    for entry in sorted(manager.ttflist, key=lambda e: (e.weight != 400, e.style != "normal", e.name)):
        if not missing:
            break
        if entry.name.lstrip(".").replace(" ", "").startswith("LastResort"):
            continue  # has a box for every character
        try:
            characters = set(FT2Font(entry.fname).get_charmap())
        except (OSError, RuntimeError):
            continue  # a damaged font, or a bitmap font
        if missing & characters:
            families.append(entry.name)
            known |= characters
            missing -= characters
    return families, frozenset(known)
