"""The layout of files in the formats of CoNLL: columns, comments, sentences."""

import collections
import itertools
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnzoo.errors import UserError

CONLL_U = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
COLUMN_NAMES = {  # by the number of columns
    3: ("word", "pos", "chunk"),  # CoNLL-2000
    4: ("word", "pos", "chunk", "ner"),  # CoNLL-2003
    10: CONLL_U,
}
ANY_ID = re.compile(r"\d+([-.]\d+)?")  # of a word, a range of words (1-2) or an empty node (8.1)
SUBTOKEN_ID = re.compile(r"\d+[-.]\d+")
BLANK, WORD, SKIPPED = 1, 0, 2  # kinds of lines
COMMENT = re.compile(r"#\s*[\w:.-]+\s*=|#\s*new(doc|par)\b|# ")


class RegularLines(NamedTuple):
    """Lines of `width` columns: the cells of all of them, and after how many lines a sentence ends."""

    cells: list[str]
    width: int
    ends: np.ndarray


class Layout(NamedTuple):
    """What the lines of a file show of its format.

    Attributes:
        tabs: whether tabs separate its columns, or spaces.
        width: the number of columns of most lines.
        is_conll_u: whether it is in CoNLL-U.
    """

    tabs: bool
    width: int
    is_conll_u: bool

    @classmethod
    def find(cls, read: Callable[[], Iterable[list[str]]]) -> "Layout | None":
        """Finds the layout of lines, which are read twice or more; None if all are blank."""
        tabs = any("\t" in line.strip() for lines in read() for line in lines)
        layout = cls(tabs, 0, False)
        widths = collections.Counter(len(row) for lines in read() for row in layout._rows(lines))
        if not widths:
            return None
        layout = layout._replace(width=widths.most_common(1)[0][0])
        if layout.width != len(CONLL_U):
            return layout
        rows = (row for lines in read() for row in layout._rows(lines) if not layout._is_comment(row))
        return layout._replace(is_conll_u=all(ANY_ID.fullmatch(row[0]) for row in rows))

    def divide_regular(self, lines: list[str]) -> "RegularLines | None":
        """Divides lines that all have the same number of columns, and no comments; None if they are not such lines."""
        is_blank = np.fromiter(map(str.isspace, lines), bool, len(lines))
        text = "".join(itertools.compress(lines, ~is_blank))
        if self.is_conll_u or "#" in text or "-DOCSTART-" in text or not text:
            return None
        text += "" if text.endswith("\n") else "\n"
        separator = "\t" if self.tabs else " "
        if not self.tabs:
            count = text.count(" ") + text.count("\n")
            if any(part in text for part in ("\t", "  ", " \n", "\n ")) or len(text.split()) != count:
                return None
        signs = np.frombuffer(text.encode(), "uint8")
        signs = signs[(signs == ord(separator)) | (signs == ord("\n"))]
        width = int(np.argmax(signs == ord("\n"))) + 1
        if (
            width < 2
            or len(signs) % width
            or ((signs == ord("\n")) != (np.arange(len(signs)) % width == width - 1)).any()
        ):
            return None
        return RegularLines(text.replace("\n", separator).split(separator)[:-1], width, np.cumsum(~is_blank)[is_blank])

    def divide(self, path: Path, lines: list[str]) -> tuple[list[list[str]], np.ndarray]:
        """Divides lines into columns.

        Returns:
            The rows of the lines that are not blank, and the kind of each line: blank, of a word, or skipped.

        Raises:
            UserError: the layout is not that of the lines.
        """
        text, rows = "".join(lines), self._rows(lines)
        kept = np.ones(len(rows), bool)
        if "#" in text or "-DOCSTART-" in text:
            kept = np.array([not self._is_comment(row) for row in rows], bool)
        if self.is_conll_u:
            is_id = {cell: ANY_ID.fullmatch(cell) for cell in {row[0] for row in itertools.compress(rows, kept)}}
            if not all(is_id.values()):
                raise UserError(f"{path}: not all lines begin with the number of the word")
            kept &= np.array([not SUBTOKEN_ID.fullmatch(row[0]) for row in rows], bool)
        if not self.tabs and "\t" in text and any("\t" in line.strip() for line in lines):
            raise UserError(f"{path}: some lines have tabs, and others have not")
        kinds = np.fromiter(map(str.isspace, lines), "int8", len(lines))
        kinds[kinds != BLANK] = np.where(kept, WORD, SKIPPED)
        return rows, kinds

    def _rows(self, lines: list[str]) -> list[list[str]]:
        if self.tabs:
            return [line.split("\t") for line in lines if not line.isspace()]
        return [line.split() for line in lines if not line.isspace()]

    def _is_comment(self, cells: list[str]) -> bool:
        if cells[0] == "-DOCSTART-":
            return True
        if not cells[0].startswith("#"):
            return False
        if self.tabs:
            return len(cells) != self.width
        return len(cells) != self.width or (COMMENT.match(" ".join(cells)) is not None and "=" in cells)


def find_columns(text: str, names: tuple[str, ...], flag: str, path: Path) -> list[int]:
    """Returns the numbers of columns that are given by number or name. Raises `UserError`."""
    columns, missing = [], ""
    for part in filter(None, (part.strip().lower() for part in text.split(","))):
        if re.fullmatch(r"-?\d{1,6}", part):
            columns.append(int(part))
        elif part in names:
            columns.append(names.index(part))
        else:
            missing = part
    missing = missing or ("" if len(set(columns)) == len(columns) else "second column of the same number")
    if not columns or missing or (flag == "columns" and len(columns) != 2):
        what = (
            "two numbers, of the columns of the word and of its tag, such as 0,-1" if flag == "columns" else "numbers"
        )
        known = f", or names: {', '.join(names)}" if names else ""
        raise UserError(f"--{flag}={text} must be {what}{known}" + (f"; {path} has no '{missing}'" if missing else ""))
    return columns
