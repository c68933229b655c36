"""Tokens of many texts as numbers, in the order of their first occurrence."""

import itertools
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rnnzoo.data.joiner import SPACES, split_with_joiners
from rnnzoo.data.tokens import CODE_POINTS, code_points, split_words, split_words_and_punctuation

MAX_CHUNKS = 500_000  # whose numbers are remembered
MAX_CHUNK_CHARS = 1 << 23  # of chunks whose tokens are remembered
# what str.split() takes for spaces, and not every level
NOT_SPACES = re.compile("[\n\x1c-\x1f\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
END = -1


class Symbols(dict[str, int]):
    """Numbers of symbols: `symbols[symbol]` is a new number for a symbol that is new."""

    def __missing__(self, symbol: str) -> int:
        self[symbol] = number = len(self)
        return number

    def encode(self, symbols: Sequence[str]) -> np.ndarray:
        """Returns the numbers of symbols."""
        return np.fromiter(map(self.__getitem__, symbols), "int32", len(symbols))


class Level(NamedTuple):
    """A kind of tokens: texts are divided at `spaces`, and what is between them by `split`."""

    split: Callable[[str], list[str]]
    spaces: str


LEVELS = {
    "word": Level(split_words, "[ \t\r\f\v]+"),
    "token": Level(split_words_and_punctuation, "[ \t\n\r\f\v]+"),
    "joiner": Level(split_with_joiners, SPACES),
    "bpe": Level(split_with_joiners, SPACES),  # before words are divided
}


class _Chunks(dict[str, tuple[int, ...]]):
    """The numbers of the tokens of each chunk between spaces."""

    def __init__(self, split: Callable[[str], list[str]], symbols: Symbols):
        self._split, self._symbols = split, symbols
        self.size = 0

    def __missing__(self, chunk: str) -> tuple[int, ...]:
        self.size += len(chunk)
        ids = self[chunk] = tuple(map(self._symbols.__getitem__, self._split(chunk)))
        return ids

    def clear(self) -> None:
        super().clear()
        self.size = 0


class TokenEncoder:
    """Converts texts to the numbers of their tokens.

    Args:
        level: kind of tokens: char, word, token, joiner, bpe (as joiner), or line (a text is one token).
        symbols: the numbers of tokens, which grow.
    """

    def __init__(self, level: str, symbols: Symbols):
        self._level, self._symbols = level, symbols
        if level == "char":
            self._numbers = np.full(CODE_POINTS, -1, "int32")
        elif level != "line":
            self._spaces = re.compile(LEVELS[level].spaces)
            self._chunks = _Chunks(LEVELS[level].split, symbols)

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the numbers of the tokens of all texts, and the number of tokens of each text."""
        if self._level == "line":
            return self._symbols.encode(texts), np.ones(len(texts), "int64")
        if self._level == "char":
            return self._encode_chars(texts)
        is_plain = not any(map(NOT_SPACES.search, texts))
        if self._level == "word":
            return self._encode_tokens(list(map(str.split if is_plain else split_words, texts)))
        return self._encode_chunks(texts, is_plain)

    def _encode_chars(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        points = code_points("".join(texts))
        ids = self._numbers[points]
        if new := sorted(set(points[ids < 0].tolist())):
            self._numbers[new] = self._symbols.encode(list(map(chr, new)))
            ids = self._numbers[points]
        return ids, np.fromiter(map(len, texts), "int64", len(texts))

    def _encode_tokens(self, tokens: Sequence[list[str]]) -> tuple[np.ndarray, np.ndarray]:
        lengths = np.fromiter(map(len, tokens), "int64", len(tokens))
        return self._symbols.encode(list(itertools.chain.from_iterable(tokens))), lengths

    def _encode_chunks(self, texts: Sequence[str], is_plain: bool) -> tuple[np.ndarray, np.ndarray]:
        """Encodes texts by what is between spaces, whose tokens are remembered."""
        end = "\0"  # a chunk of its own, which no text has
        if any("\0" in text for text in texts):
            end += max((run for text in texts for run in re.findall("\0+", text)), key=len)
        text = f" {end} ".join([*texts, ""])
        chunks = text.split() if is_plain else self._spaces.split(text)
        if self._chunks.size > MAX_CHUNK_CHARS:
            self._chunks.clear()
        self._chunks[end] = (END,)
        ids = np.fromiter(itertools.chain.from_iterable(map(self._chunks.__getitem__, chunks)), "int32")
        del self._chunks[end]
        is_end = ids == END
        return ids[~is_end], np.diff(np.flatnonzero(is_end), prepend=-1) - 1
