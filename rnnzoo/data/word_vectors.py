"""Pretrained word vectors from text files in the format of GloVe, fastText and word2vec."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnzoo.data.files import check_file
from rnnzoo.data.tables import read_lines
from rnnzoo.errors import UserError
from rnnzoo.spec import SPECIAL_TOKENS

VECTORS_HELP = "file of pretrained word vectors (GloVe, word2vec, fastText as text)"


class WordVectors(NamedTuple):
    """Vectors of the tokens of a vocabulary: their ids `[words]` and values `[words, size]`."""

    ids: np.ndarray
    values: np.ndarray


def read_word_vectors(name: str, vocabulary: tuple[str, ...]) -> WordVectors:
    """Reads the vectors of the words in a vocabulary; the rest of the file is skipped.

    A word without a vector gets that of its lower-case form, if there is one.

    The file has a word and its numbers on each line, separated by spaces. A header line of two numbers (word count and
    vector size) is skipped, and so are words with spaces.

    Raises:
        UserError: the file does not exist, a line has a different number of values or a value that is not a number, or
            the file has no word of the vocabulary.
    """
    path = check_file(name, "vectors")
    token_ids = {token: i for i, token in enumerate(vocabulary) if i >= len(SPECIAL_TOKENS)}
    lower_ids: dict[str, list[int]] = {}
    for token, i in token_ids.items():
        lower_ids.setdefault(token.lower(), []).append(i)
    size = 0
    vectors: dict[int, np.ndarray] = {}
    substitutes: dict[int, np.ndarray] = {}
    for number, line in _read_lines(path):
        word, _, rest = line.rstrip().partition(" ")
        count = rest.count(" ") + 1 if rest else 0
        if number == 1 and count == 1 and word.isdigit():
            continue
        size = size or count
        if count < size or not count:
            raise UserError(
                f"{path}, line {number}: expected {size or 'some'} numbers separated by spaces, got {count}"
            )
        if count == size and (word in token_ids or word in lower_ids):
            vector = _parse_vector(rest, path, number)
            substitutes |= {i: vector for i in lower_ids.get(word, ()) if i not in substitutes}
            if word in token_ids:
                vectors.setdefault(token_ids[word], vector)
    vectors = substitutes | vectors
    if not vectors:
        raise UserError(f"--vectors: {path} has no word of the data; if its words are in lower case, try --lowercase")
    return WordVectors(np.array(list(vectors), "int32"), np.stack(list(vectors.values())))


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        yield from read_lines(path, "utf-8")
    except UserError as error:
        if "--encoding" in str(error):  # --encoding applies to the data, not to this file
            raise UserError(f"--vectors: {path} is not utf-8 text; convert it") from None
        raise


def _parse_vector(text: str, path: Path, number: int) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):
            values = np.array(text.split(" "), "float32")
    except ValueError as error:
        raise UserError(f"{path}, line {number}: {str(error).rpartition(': ')[2]} is not a number") from None
    if not np.isfinite(values).all():
        raise UserError(f"{path}, line {number}: a number is not finite")
    return values
