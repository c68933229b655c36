"""Sorting of more lines than memory holds."""

import contextlib
import heapq
import itertools
import tempfile
from collections.abc import Iterable, Iterator
from typing import TextIO

MAX_LINES = 500_000  # that are sorted in memory


def sort_lines(lines: Iterable[str], max_lines: int = MAX_LINES) -> Iterator[str]:
    """Yields lines, each with its newline, in the order of their characters.

    Args:
        lines: the lines.
        max_lines: how many are sorted in memory; of more, parts are sorted in temporary files, and merged.
    """
    rest = iter(lines)
    with contextlib.ExitStack() as stack:
        files: list[TextIO] = []
        while part := sorted(itertools.islice(rest, max_lines)):
            if not files and len(part) < max_lines:
                yield from part
                return
            file = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n"))
            file.writelines(part)
            file.seek(0)
            files.append(file)
        yield from heapq.merge(*files)
