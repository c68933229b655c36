"""Readers for tagged sentences in CoNLL files, CoNLL-U included."""

import collections
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rnnzoo.data.tables import read_lines
from rnnzoo.errors import UserError

CONLL_U = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
COLUMN_NAMES = {  # by the number of columns
    3: ("word", "pos", "chunk"),  # CoNLL-2000
    4: ("word", "pos", "chunk", "ner"),  # CoNLL-2003
    10: CONLL_U,
}
NO_BREAK_SPACE = "\u00a0"  # stands for spaces inside a word, as exports divide texts at spaces
WORD_ID = re.compile(r"\d+")
SUBTOKEN_ID = re.compile(r"\d+[-.]\d+")  # a range of words (1-2) or an empty node (8.1)
COMMENT = re.compile(r"#\s*[\w:.-]+\s*=|#\s*new(doc|par)\b|# ")


class Sentence(NamedTuple):
    """A tagged sentence: its words, their tags, and for each feature its value at each word."""

    words: list[str]
    tags: list[str]
    features: tuple[list[str], ...] = ()


def read_conll(path: Path, encoding: str, columns: str = "", features: str = "") -> list[Sentence]:
    """Reads the sentences of a file in the format of the CoNLL shared tasks.

    A word and its annotations are on each line, in columns separated by tabs (or, if no line has a tab, by spaces), and
    an empty line follows each sentence. A file of ten columns that begin with the number of the word is in CoNLL-U:
    ranges of words (1-2) and empty nodes (8.1) are skipped. Comments and `-DOCSTART-` are skipped. Spaces inside a word
    become no-break spaces.

    Args:
        path: the file.
        encoding: its encoding.
        columns: the columns of the word and of its tag, as numbers (0: the first, -1: the last) or names, separated by
            a comma; empty: the first and the last, in CoNLL-U form and upos.
        features: further columns. Files of 3, 4 and 10 columns have the names of CoNLL-2000, CoNLL-2003 and CoNLL-U.

    Raises:
        UserError: a line has too few columns, or the file has no sentence.
    """
    lines = [(number, line) for number, line in read_lines(path, encoding)]
    tabs = any("\t" in line.strip() for _, line in lines)
    rows = [(number, line.split("\t") if tabs else line.split()) for number, line in lines]
    rows = [(n, cells if any(c.strip() for c in cells) else []) for n, cells in rows]
    counts = collections.Counter(len(cells) for (_, line), (_, cells) in zip(lines, rows, strict=True) if cells)
    if not counts:
        raise UserError(f"{path} holds no sentence")
    width = counts.most_common(1)[0][0]
    rows = [(n, cells) for n, cells in rows if not (cells and _is_comment(cells, tabs, width))]
    is_conll_u = width == len(CONLL_U) and all(
        WORD_ID.fullmatch(cells[0]) or SUBTOKEN_ID.fullmatch(cells[0]) for _, cells in rows if cells
    )
    names = COLUMN_NAMES.get(width, ()) if width != len(CONLL_U) or is_conll_u else ()
    word, tag = find_columns(columns or ("form,upos" if is_conll_u else "0,-1"), names, "columns", path)
    others = find_columns(features, names, "features", path) if features else []
    sentences = list(_split(path, rows, (word, tag, *others), is_conll_u))
    if not sentences:
        raise UserError(f"{path} holds no sentence")
    return sentences


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


def _is_comment(cells: list[str], tabs: bool, width: int) -> bool:
    if cells[0] == "-DOCSTART-":
        return True
    if not cells[0].startswith("#"):
        return False
    if tabs:
        return len(cells) != width
    return len(cells) != width or (COMMENT.match(" ".join(cells)) is not None and "=" in cells)


def _split(
    path: Path, rows: list[tuple[int, list[str]]], columns: tuple[int, ...], is_conll_u: bool
) -> Iterator[Sentence]:
    """Yields the sentences; an empty row ends one."""
    sentence: list[tuple[str, ...]] = []
    for number, cells in [*rows, (0, [])]:
        if not cells:
            if sentence:
                words, tags, *features = map(list, zip(*sentence, strict=True))
                yield Sentence(words, tags, tuple(features))
            sentence = []
            continue
        if is_conll_u and SUBTOKEN_ID.fullmatch(cells[0]):
            continue
        if max(max(c, -c - 1) for c in columns) >= len(cells) or len(cells) < 2:
            raise UserError(f"{path}, line {number}: {len(cells)} columns, but --columns and --features need more")
        values = tuple(re.sub(r"\s+", NO_BREAK_SPACE, cells[column].strip()) for column in columns)
        if not (values[0].strip() and values[1].strip()):
            raise UserError(f"{path}, line {number}: the word or its tag is empty")
        sentence.append(values)
