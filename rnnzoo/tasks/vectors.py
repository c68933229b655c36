"""Word vectors from a text file: a word and its numbers a line, as GloVe, fastText and word2vec write them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnzoo.errors import UserError
from rnnzoo.spec import SPECIAL
from rnnzoo.tasks import table
from rnnzoo.tasks.files import check_file


class Vectors(NamedTuple):
    """`values [words, size]` of the symbols whose ids are `ids [words]`."""

    ids: np.ndarray
    values: np.ndarray


def read(name: str, symbols: tuple[str, ...]) -> Vectors:
    """The vectors of those symbols that the file knows; the rest of the file, however large, is passed over.

    A first line of two numbers (how many words, of what size) is no word. Words with spaces are passed over.

    Raises:
        UserError: there is no such file, a line of another length or with something else than numbers, or no
            symbol in it.
    """
    path = check_file(name, "vectors")
    wanted = {symbol: i for i, symbol in enumerate(symbols) if i >= len(SPECIAL)}
    size = 0
    found: dict[int, np.ndarray] = {}
    for number, line in _lines(path):
        word, _, rest = line.rstrip().partition(" ")
        numbers = rest.count(" ") + 1 if rest else 0
        if number == 1 and numbers == 1 and word.isdigit():
            continue
        size = size or numbers
        if numbers < size or not numbers:
            raise UserError(f"{path}, line {number}: {numbers} numbers, {size or 'some'} expected, with spaces between")
        if numbers == size and word in wanted:
            found.setdefault(wanted[word], _numbers(rest, path, number))
    if not found:
        raise UserError(f"--vectors: {path} has none of the words of the data; try --lower if its words are so")
    return Vectors(np.array(list(found), "int32"), np.stack(list(found.values())))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        yield from table.lines(path, "utf-8")
    except UserError as error:
        if "--encoding" in str(error):  # which is that of the data
            raise UserError(f"--vectors: {path} is not utf-8 text; convert it") from None
        raise


def _numbers(text: str, path: Path, number: int) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):
            values = np.array(text.split(" "), "float32")
    except ValueError as error:
        raise UserError(f"{path}, line {number}: {str(error).rpartition(': ')[2]} is no number") from None
    if not np.isfinite(values).all():
        raise UserError(f"{path}, line {number}: a number is not finite")
    return values
