"""Vocabularies of units that are counted in memory, and ids by them."""

import collections
from collections.abc import Iterable

import numpy as np

from rnnzoo.errors import UserError
from rnnzoo.spec import SPECIAL, UNKNOWN

MOST_TABLES = 8


def vocabulary(texts: Iterable[Iterable[str]], size: int | None = None, min_count: int = 1) -> tuple[str, ...]:
    """The special symbols and the commonest units."""
    counts = collections.Counter(unit for text in texts for unit in text)
    known = sorted((u for u, c in counts.items() if c >= min_count), key=lambda u: (-counts[u], u))
    return (*SPECIAL, *known[:size])


def check_known(symbols: tuple[str, ...], min_count: int) -> None:
    """Raises `UserError` if a vocabulary holds nothing but special symbols."""
    if len(symbols) == len(SPECIAL):
        raise UserError(f"--data: nothing is seen {min_count} times in training; give --min_count=1")


_tables: dict[int, tuple[tuple[str, ...], dict[str, int]]] = {}  # by the identity of the vocabulary, which they hold


def _table(symbols: tuple[str, ...]) -> dict[str, int]:
    """Ids by symbol, made once for a vocabulary: to hash all its symbols at every text would take most of the time."""
    held, table = _tables.get(id(symbols), (None, {}))
    if held is not symbols:
        if len(_tables) >= MOST_TABLES:
            _tables.clear()
        table = {symbol: i for i, symbol in enumerate(symbols) if i >= len(SPECIAL)}
        _tables[id(symbols)] = symbols, table
    return table


def ids_of(units: Iterable[str], symbols: tuple[str, ...]) -> np.ndarray:
    """Ids of units, UNKNOWN for those that the vocabulary lacks."""
    table = _table(symbols)
    return np.array([table.get(unit, UNKNOWN) for unit in units], "int32")
