"""Sorting of more lines than memory holds."""

import contextlib
import heapq
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

MAX_LINES = 500_000  # that are sorted in memory


def sort_lines(
    lines: Iterable[str], key: Callable[[str], str], folder: Path, max_lines: int = MAX_LINES
) -> Iterator[str]:
    """Yields lines, each with its newline, in the order of their keys; lines of equal keys stay in order.

    Args:
        lines: the lines.
        key: returns the key of a line.
        folder: where parts are sorted in temporary files, if there are more than `max_lines`.
        max_lines: how many are sorted in memory.
    """
    rest = iter(lines)
    with contextlib.ExitStack() as stack:
        files: list[TextIO] = []
        while part := sorted(itertools.islice(rest, max_lines), key=key):
            if not files and len(part) < max_lines:
                yield from part
                return
            file = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=folder))
            file.writelines(part)
            file.seek(0)
            files.append(file)
        yield from heapq.merge(*files, key=key)
