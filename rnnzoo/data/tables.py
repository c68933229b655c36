"""Readers for text lines and for CSV and TSV tables."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from rnnzoo.data.compression import plain_suffix
from rnnzoo.data.files import decoding_error, open_text, refuse_surrogates
from rnnzoo.errors import UserError

csv.field_size_limit(2**31 - 1)  # a whole text may be in a cell
SEPARATORS = ",;\t"


def read_lines(path: Path, encoding: str, newline: str | None = None) -> Iterator[tuple[int, str]]:
    """Yields the numbered lines of a text file, with their line ends if `newline` is "".

    Raises:
        UserError: the file is not text of that encoding, or cannot be read.
    """
    try:
        with open_text(path, encoding, newline) as file:
            for number, line in enumerate(file, 1):
                refuse_surrogates(line, f"{path}, line {number}")
                yield number, line if newline == "" else line.rstrip("\n")
    except UnicodeError as error:
        where = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        raise decoding_error(path, encoding, where) from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def read_table(path: Path, encoding: str = "utf-8", exclude: str = "") -> list[list[str]]:
    """Reads the rows of a CSV or TSV file, cells as text.

    The separator is the tab, semicolon or comma that is most frequent in the first line; `exclude` holds marks
    that are no separators if there is another one.

    Raises:
        UserError: the file is empty, or a row has another number of cells than the first.
    """
    first = next((line for _, line in read_lines(path, encoding) if line.strip()), "")
    if not first:
        raise UserError(f"{path} is empty")
    separator = (
        "\t"
        if plain_suffix(path) == ".tsv"
        else max(SEPARATORS, key=lambda mark: (mark not in exclude and mark in first, first.count(mark)))
    )
    rows: list[list[str]] = []
    try:
        reader = csv.reader(
            (line for _, line in read_lines(path, encoding, newline="")), delimiter=separator, strict=True
        )
        for row in reader:
            if not row:
                continue
            if rows and len(row) != len(rows[0]):
                raise UserError(
                    f"{path}, line {reader.line_num}: {len(row)} cells, but {len(rows[0])} in the first line; "
                    "quote cells that contain the separator"
                )
            rows.append(row)
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}") from None
    return rows


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
