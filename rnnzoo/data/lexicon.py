"""Pronunciation dictionaries, encoded: words and their pronunciations as pairs, sorted by word."""

import functools
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.pair_files import PairFormat
from rnnzoo.data.sorting import sort_lines
from rnnzoo.data.tables import read_lines
from rnnzoo.errors import UserError

STRESSED = re.compile("^(AA|AE|AH|AO|AW|AY|EH|ER|EY|IH|IY|OW|OY|UH|UW)[012]$")  # a vowel of ARPAbet
COMMENT = re.compile(r"\s#.*|^#(\s.*)?$")
NUMBER = re.compile(r"\(\d+\)$")  # of another pronunciation
PLAIN_WORD = re.compile("[a-z][a-z']*")
BLOCK_WORDS = 4096


class LexiconFormat(NamedTuple):
    """How a pronunciation dictionary is read; the cache keeps the result for each format.

    A line has the form `word PH ON EMES # comment`; `word(2)` is another pronunciation of `word`.

    Attributes:
        encoding: the encoding of the file.
        stress: whether vowels of ARPAbet keep their stress.
        plain_words: whether only words of letters and apostrophes are kept.
    """

    encoding: str = "utf-8"
    stress: bool = False
    plain_words: bool = False

    def write(self, path: Path, writer: ArrayWriter) -> dict[str, Any]:
        """Writes a pair for each pronunciation, and in `alternative` whether its word is that of the pair before.

        Raises:
            UserError: a line is not of the form, or there is no word.
        """
        return PairFormat(("char", "word")).write(self._read(path, writer), path, writer)

    def _read(self, path: Path, writer: ArrayWriter) -> Iterator[tuple[list[str], list[str]]]:
        lines = sort_lines(self._parse(path), _word, writer.folder)
        words = ((word, [_phonemes(line) for line in group]) for word, group in itertools.groupby(lines, _word))
        found = False
        while block := [(word, list(dict.fromkeys(ways))) for word, ways in itertools.islice(words, BLOCK_WORDS)]:
            found = True
            alternative = [i > 0 for _, ways in block for i in range(len(ways))]
            writer.extend("alternative", np.array(alternative, bool))
            yield [word for word, ways in block for _ in ways], [way for _, ways in block for way in ways]
        if not found:
            raise UserError(f"{path} holds no word with phonemes")

    def _parse(self, path: Path) -> Iterator[str]:
        """Yields lines of a word, a tab and its phonemes."""
        for number, line in read_lines(path, self.encoding):
            text = COMMENT.sub("", line) if "#" in line else line
            if text.startswith(";;;") or text.isspace() or not text:
                continue
            word, *phonemes = text.split()
            word = (NUMBER.sub("", word) if word[-1] == ")" else word).lower()
            if not word or all(map(str.isdigit, phonemes)):
                raise UserError(f"{path}, line {number}: expected a word and its phonemes, such as: hello HH AH0 L OW1")
            if self.plain_words and not PLAIN_WORD.fullmatch(word):
                continue
            phonemes = phonemes if self.stress else list(map(_remove_stress, phonemes))
            yield f"{word}\t{' '.join(phonemes)}\n"


def _word(line: str) -> str:
    return line[: line.index("\t")]


def _phonemes(line: str) -> str:
    return line[line.index("\t") + 1 : -1]


@functools.lru_cache(10_000)
def _remove_stress(phoneme: str) -> str:
    return STRESSED.sub(r"\1", phoneme)


class Lexicon:
    """The words of a file that `LexiconFormat` encoded.

    Attributes:
        arrays: the arrays of the file.
        words: the number of words.
    """

    def __init__(self, arrays: ArrayFolder):
        self.arrays = arrays
        is_first = np.append(~arrays.array("alternative")[:], True)
        self._begins = np.flatnonzero(is_first).astype("int32")
        self.words = len(self._begins) - 1

    def first_pairs(self, words: np.ndarray) -> np.ndarray:
        """Returns the number of the first pair of each word."""
        return self._begins[words]

    def all_pairs(self, words: np.ndarray) -> np.ndarray:
        """Returns the numbers of all pairs of words."""
        begins, counts = self._begins[words], self._begins[words + 1] - self._begins[words]
        shifts = begins - (np.cumsum(counts, dtype="int32") - counts)
        return np.repeat(shifts, counts) + np.arange(counts.sum(), dtype="int32")

    def alternatives(self, pair: int) -> list[int]:
        """Returns the numbers of the other pairs of the same word."""
        word = int(np.searchsorted(self._begins, np.int32(pair), "right")) - 1  # another type would copy the array
        return [i for i in range(*self._begins[word : word + 2].tolist()) if i != pair]
