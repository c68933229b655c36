"""Files of tagged sentences in the formats of CoNLL, CoNLL-U included, encoded."""

import collections
import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.cache import Write
from rnnzoo.data.conll_layout import BLANK, COLUMN_NAMES, CONLL_U, WORD, Layout, find_columns
from rnnzoo.data.sentences import SentenceWriter
from rnnzoo.data.tables import read_blocks
from rnnzoo.errors import UserError


class ConllFormat(NamedTuple):
    """How a file in the format of the CoNLL shared tasks is read; the cache keeps the result for each format.

    A word and its annotations are on each line, in columns separated by tabs (or, if no line has a tab, by spaces), and
    an empty line follows each sentence. A file of ten columns that begin with the number of the word is in CoNLL-U:
    ranges of words (1-2) and empty nodes (8.1) are skipped. Comments and `-DOCSTART-` are skipped. Spaces inside a word
    become no-break spaces.

    Attributes:
        encoding: the encoding of the file.
        columns: the columns of the word and of its tag, as numbers (0: the first, -1: the last) or names, separated by
            a comma; empty: the first and the last, in CoNLL-U form and upos.
        features: further columns. Files of 3, 4 and 10 columns have the names of CoNLL-2000, CoNLL-2003 and CoNLL-U.
    """

    encoding: str = "utf-8"
    columns: str = ""
    features: str = ""

    def writer(self, path: Path) -> Write:
        """Returns the function that encodes a file: `words`, `tags`, `feature_0` ... of each sentence.

        It raises `UserError` if a line has too few columns, or the file has no sentence.
        """
        return lambda writer: self._write(path, writer)

    def _write(self, path: Path, writer: ArrayWriter) -> dict[str, Any]:
        first = [lines for _, lines in itertools.islice(read_blocks(path, self.encoding), 1)]
        layout = Layout.find(lambda: first)
        try:
            return self._write_with(path, layout, writer)
        except UserError:  # perhaps because the first lines are not like most
            other = Layout.find(lambda: (lines for _, lines in read_blocks(path, self.encoding)))
            if other == layout:
                raise
        writer.clear()
        return self._write_with(path, other, writer)

    def _write_with(self, path: Path, layout: "Layout | None", writer: ArrayWriter) -> dict[str, Any]:
        if layout is None:
            raise UserError(f"{path} holds no sentence")
        names = COLUMN_NAMES.get(layout.width, ()) if layout.width != len(CONLL_U) or layout.is_conll_u else ()
        columns = find_columns(self.columns or ("form,upos" if layout.is_conll_u else "0,-1"), names, "columns", path)
        columns += find_columns(self.features, names, "features", path) if self.features else []
        sentences = SentenceWriter(writer, len(columns) - 2)
        widths: collections.Counter[int] = collections.Counter()
        for number, lines in read_blocks(path, self.encoding):
            regular = layout.divide_regular(lines)
            if regular is not None and all(-regular.width <= column < regular.width for column in columns):
                cells = [regular.cells[column % regular.width :: regular.width] for column in columns]
                if sentences.extend(cells, regular.ends):
                    widths[regular.width] += len(cells[0])
                    continue
            rows, kinds = layout.divide(path, lines)
            widths.update(map(len, rows))
            rows = list(itertools.compress(rows, kinds[kinds != BLANK] == WORD))
            try:
                cells = [[row[column] for row in rows] for column in columns]
                ends = np.cumsum(kinds == WORD)[kinds == BLANK]
                if min(map(len, rows), default=2) < 2 or not sentences.extend(cells, ends):
                    raise IndexError
            except IndexError:
                raise _find_error(path, np.flatnonzero(kinds == WORD) + number, rows, columns) from None
        if layout.width != widths.most_common(1)[0][0]:
            raise UserError(f"{path}: most lines have another number of columns than the first")
        facts = sentences.close()
        if not facts["count"]:
            raise UserError(f"{path} holds no sentence")
        return facts


def _find_error(path: Path, numbers: np.ndarray, rows: list[list[str]], columns: list[int]) -> UserError:
    """Returns the error of the first row that lacks a column, a word or a tag; the rows are on lines `numbers`."""
    needed = max(2, *(max(column + 1, -column) for column in columns))
    for number, row in zip(numbers, rows, strict=True):
        if len(row) < needed:
            return UserError(f"{path}, line {number}: {len(row)} columns, but --columns and --features need more")
        if not (row[columns[0]].strip() and row[columns[1]].strip()):
            return UserError(f"{path}, line {number}: the word or its tag is empty")
    raise AssertionError(f"{path}: no error found")
