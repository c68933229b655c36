"""Vocabularies of tokens, and ids of tokens."""

import collections
from collections.abc import Iterable

import numpy as np

from rnnzoo.errors import UserError
from rnnzoo.spec import SPECIAL_TOKENS, UNKNOWN

MAX_CACHED_TABLES = 8


def build_vocabulary(texts: Iterable[Iterable[str]], size: int | None = None, min_count: int = 1) -> tuple[str, ...]:
    """Builds a vocabulary: the special tokens, then the most frequent tokens of the texts.

    Args:
        texts: texts as sequences of tokens.
        size: the number of tokens, special tokens not counted. None: all.
        min_count: the least number of occurrences of a token.
    """
    counts = collections.Counter(token for text in texts for token in text)
    known = sorted((t for t, c in counts.items() if c >= min_count), key=lambda t: (-counts[t], t))
    return (*SPECIAL_TOKENS, *known[:size])


def check_vocabulary(vocabulary: tuple[str, ...], min_count: int) -> None:
    """Raises `UserError` if a vocabulary holds special tokens only."""
    if len(vocabulary) == len(SPECIAL_TOKENS):
        raise UserError(f"--data: no token occurs {min_count} times in the training data; give --min_count=1")


def encode(tokens: Iterable[str], vocabulary: tuple[str, ...]) -> np.ndarray:
    """Converts tokens to ids, UNKNOWN for tokens that the vocabulary lacks."""
    table = _id_table(vocabulary)
    return np.array([table.get(token, UNKNOWN) for token in tokens], "int32")


_tables: dict[int, tuple[tuple[str, ...], dict[str, int]]] = {}  # by the identity of the vocabulary


def _id_table(vocabulary: tuple[str, ...]) -> dict[str, int]:
    """Returns the ids by token, cached, because hashing the vocabulary for each text takes most of the time."""
    cached, table = _tables.get(id(vocabulary), (None, {}))
    if cached is not vocabulary:
        if len(_tables) >= MAX_CACHED_TABLES:
            _tables.clear()
        table = {token: i for i, token in enumerate(vocabulary) if i >= len(SPECIAL_TOKENS)}
        _tables[id(vocabulary)] = vocabulary, table
    return table
