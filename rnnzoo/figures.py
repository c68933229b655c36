"""Figures as files, with fonts for the characters of all scripts that are installed."""

import contextlib
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError, name_file

# a character of each script for which another font may be needed than matplotlib's own
PROBES = "日あ한กकবതதకಕമසខမລກაהعދአᎠᏣ😀𝄞"


def has_matplotlib() -> bool:
    """Whether matplotlib, the extra `plot`, is installed."""
    return importlib.util.find_spec("matplotlib") is not None


@contextlib.contextmanager
def figure_file(path: Path, dpi: int = 120, **options: Any) -> Iterator[Any]:
    """A new matplotlib figure, written to `path` as a PNG (or what its name says) when the `with` statement ends.

    Raises:
        UserError: matplotlib (extra `plot`) is not installed.
    """
    if not has_matplotlib():
        raise UserError("a picture needs matplotlib: pip install 'rnnzoo[plot]'")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.family": ["sans-serif", *_fonts()[0]]}), name_file(path):
        figure = Figure(layout="constrained", **options)
        yield figure
        beside = path.with_name(path.name + ".part")
        figure.savefig(beside, dpi=dpi, format=path.suffix.removeprefix(".") or "png")
        beside.replace(path)


def label_text(text: str) -> str:
    """Text as it can stand in a picture: no formula, and code points for characters that no font here has.

    >>> label_text("$x")
    '\\\\$x'
    """
    known = _fonts()[1] if has_matplotlib() else frozenset()
    shown = (c if c.isprintable() and (ord(c) < 128 or ord(c) in known) else f"U+{ord(c):04X}" for c in text)
    return "".join(shown).replace("$", r"\$")


@functools.cache
def _fonts() -> tuple[list[str], frozenset[int]]:
    """Families besides matplotlib's own that are needed for the scripts of `PROBES`, and the characters of them all."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    manager = font_manager.fontManager
    known = set(FT2Font(font_manager.findfont(font_manager.FontProperties(family=["sans-serif"]))).get_charmap())
    families: list[str] = []
    wanted = {ord(c) for c in PROBES} - known
    for entry in sorted(manager.ttflist, key=lambda e: (e.weight != 400, e.style != "normal", e.name)):
        if not wanted:
            break
        if entry.name.lstrip(".").replace(" ", "").startswith("LastResort"):
            continue  # has a box for every character
        try:
            characters = set(FT2Font(entry.fname).get_charmap())
        except (OSError, RuntimeError):
            continue  # a font that is broken, or only of bitmaps
        if wanted & characters:
            families.append(entry.name)
            known |= characters
            wanted -= characters
    return families, frozenset(known)
