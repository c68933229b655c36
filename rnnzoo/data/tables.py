"""Readers for text lines and for CSV and TSV tables."""

import csv
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from rnnzoo.data.compression import plain_suffix
from rnnzoo.data.files import decoding_error, open_text, refuse_surrogates
from rnnzoo.errors import UserError

csv.field_size_limit(2**31 - 1)  # a whole text may be in a cell
SEPARATORS = ",;\t"
BLOCK_CHARS = 1 << 19  # of the lines that are read at a time
BLOCK_ROWS = 4096  # of a table that are read at a time


def read_blocks(path: Path, encoding: str, newline: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """Yields the lines of a text file, with their line ends, many at a time, and the number of the first of them.

    Raises:
        UserError: the file is not text of that encoding, or cannot be read.
    """
    number = 1
    try:
        with open_text(path, encoding, newline) as file:
            while lines := file.readlines(BLOCK_CHARS):
                if not all(map(str.isascii, lines)):
                    for i, line in enumerate(lines):
                        refuse_surrogates(line, f"{path}, line {number + i}")
                yield number, lines
                number += len(lines)
    except UnicodeError as error:
        where = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        raise decoding_error(path, encoding, where) from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def read_lines(path: Path, encoding: str, newline: str | None = None) -> Iterator[tuple[int, str]]:
    """Yields the numbered lines of a text file, with their line ends if `newline` is ""; see `read_blocks`."""
    for first, lines in read_blocks(path, encoding, newline):
        for number, line in enumerate(lines, first):
            yield number, line if newline == "" else line.rstrip("\n")


class Table:
    """The rows of a CSV or TSV file, cells as text, read many at a time.

    The separator is the tab, semicolon or comma that is most frequent in the first line; `exclude` holds marks
    that are no separators if there is another one.

    Attributes:
        first: the first row.

    Raises:
        UserError: the file is empty.
    """

    def __init__(self, path: Path, encoding: str = "utf-8", exclude: str = ""):
        self._path, self._encoding = path, encoding
        first = next((line for _, line in read_lines(path, encoding) if line.strip()), "")
        if not first:
            raise UserError(f"{path} is empty")
        self._separator = (
            "\t"
            if plain_suffix(path) == ".tsv"
            else max(SEPARATORS, key=lambda mark: (mark not in exclude and mark in first, first.count(mark)))
        )
        self.first = next(self.blocks(1))[0]

    def blocks(self, size: int | None = None) -> Iterator[list[list[str]]]:
        """Yields rows, many or `size` at a time. Raises `UserError` if one has not as many cells as the first."""
        lines = (line for _, part in read_blocks(self._path, self._encoding, newline="") for line in part)
        reader = csv.reader(lines, delimiter=self._separator, strict=True)
        complete, width = filter(None, reader), 0
        try:
            while rows := list(itertools.islice(complete, size or BLOCK_ROWS)):
                width = width or len(rows[0])
                if set(map(len, rows)) != {width}:
                    raise self._find_error(width)
                yield rows
        except csv.Error as error:
            raise UserError(f"{self._path}, line {reader.line_num}: {error}") from None

    def _find_error(self, width: int) -> UserError:
        """Returns the error of the first row of another width; the file is read again to find its line."""
        lines = (line for _, line in read_lines(self._path, self._encoding, newline=""))
        reader = csv.reader(lines, delimiter=self._separator, strict=True)
        row = next(row for row in reader if row and len(row) != width)
        return UserError(
            f"{self._path}, line {reader.line_num}: {len(row)} cells, but {width} in the first line; "
            "quote cells that contain the separator"
        )


def is_column_number(name: str) -> bool:
    """Returns whether a column is named by its number."""
    return re.fullmatch("-?[0-9]{1,9}", name) is not None


def find_column(header: list[str], name: str, flag: str, path: Path) -> int:
    """Returns the index of a column named by its number (0 is the first) or its name. Raises `UserError`."""
    if is_column_number(name) and -len(header) <= int(name) < len(header):
        return int(name) % len(header)
    if name in header:
        return header.index(name)
    shown = ", ".join(header[:10]) + (" ..." if len(header) > 10 else "")
    raise UserError(f"--{flag}={name}: {path} has no such column; it has: {shown}")
