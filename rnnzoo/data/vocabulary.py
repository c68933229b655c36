"""Vocabularies of tokens, and ids of tokens."""

import array
import collections
from collections.abc import Iterable

import numpy as np

from rnnzoo.data.bpe import PieceSplitter
from rnnzoo.data.mapped import SequenceArray
from rnnzoo.errors import UserError
from rnnzoo.spec import SPECIAL_TOKENS, UNKNOWN, TaskSpec

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


def choose_vocabulary(
    counts: np.ndarray, symbols: Iterable[str], size: int | None = None, min_count: int = 1
) -> tuple[str, ...]:
    """Builds the vocabulary of `build_vocabulary` from the occurrences of symbols, `counts [symbols]`."""
    least = max(1, min_count)
    if size is not None and (counts >= least).sum() > size:
        least = np.partition(counts, -size)[-size]
    frequent = (counts >= least).tolist()
    known = [(-count, symbol) for count, symbol, kept in zip(counts.tolist(), symbols, frequent, strict=True) if kept]
    return (*SPECIAL_TOKENS, *(symbol for _, symbol in sorted(known)[:size]))


def check_vocabulary(vocabulary: tuple[str, ...], min_count: int) -> None:
    """Raises `UserError` if a vocabulary holds special tokens only."""
    if len(vocabulary) == len(SPECIAL_TOKENS):
        raise UserError(f"--data: no token occurs {min_count} times in the training data; give --min_count=1")


def encode(tokens: Iterable[str], vocabulary: tuple[str, ...]) -> np.ndarray:
    """Converts tokens to ids, UNKNOWN for tokens that the vocabulary lacks."""
    table = _id_table(vocabulary)
    return np.array([table.get(token, UNKNOWN) for token in tokens], "int32")


class TokenMap:
    """The ids in a vocabulary of numbered symbols, each of one token or of several (the pieces of a word).

    Args:
        ids: the ids of the tokens of all symbols, one symbol after another.
        sizes: the number of tokens of each symbol. None: one.
    """

    def __init__(self, ids: np.ndarray, sizes: np.ndarray | None = None):
        self._ids, self._sizes = ids, sizes
        self._begins = None if sizes is None else np.cumsum(sizes) - sizes

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Returns the ids of a sequence of symbols."""
        if self._sizes is None or self._begins is None:
            return self._ids[numbers]
        sizes = self._sizes[numbers]
        shifts = self._begins[numbers] - (np.cumsum(sizes) - sizes)
        return self._ids[np.repeat(shifts, sizes) + np.arange(sizes.sum())]

    def lengths(self, sequences: SequenceArray) -> np.ndarray:
        """Returns the number of tokens of each sequence of symbols."""
        if self._sizes is None:
            return sequences.lengths()
        lengths = np.empty(len(sequences), "int32")
        for first, numbers, part in sequences.blocks():
            total = np.concatenate([[0], np.cumsum(self._sizes[numbers])])
            ends = np.cumsum(part)
            lengths[first : first + len(part)] = total[ends] - total[ends - part]
        return lengths


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


def map_symbols(symbols: Iterable[str], vocabulary: tuple[str, ...], splitter: PieceSplitter | None = None) -> TokenMap:
    """Returns the ids of numbered symbols in a vocabulary, those of their pieces if there is a `splitter`."""
    table = _id_table(vocabulary)
    if splitter is None:
        return TokenMap(np.fromiter((table.get(symbol, UNKNOWN) for symbol in symbols), "int32"))
    ids, sizes = array.array("i"), array.array("i")
    for symbol in symbols:
        pieces = splitter.split([symbol])
        ids.extend([table.get(piece, UNKNOWN) for piece in pieces])
        sizes.append(len(pieces))
    return TokenMap(np.array(ids, "int32"), np.array(sizes, "int32"))


def sum_by_id(symbol_ids: TokenMap, counts: np.ndarray, size: int) -> np.ndarray:
    """Returns the occurrences of each id of a vocabulary, from those of numbered symbols; 0 for special tokens."""
    totals = np.bincount(symbol_ids(np.arange(len(counts))), counts, size).astype("int64")
    totals[: len(SPECIAL_TOKENS)] = 0
    return totals


def find_labels(labels: Iterable[str], spec: TaskSpec) -> np.ndarray:
    """Returns the ids of labels that a specification has."""
    ids = {label: i for i, label in enumerate(spec.labels)}
    return np.array([ids[label] for label in labels], "int32")
