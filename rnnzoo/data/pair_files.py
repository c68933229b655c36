"""Files of text pairs, encoded: the tokens of sources and targets as numbers."""

import collections
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.bpe import PieceSplitter
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.tables import read_blocks
from rnnzoo.data.token_ids import Symbols, TokenEncoder
from rnnzoo.data.vocabulary import map_symbols
from rnnzoo.errors import UserError
from rnnzoo.spec import UNKNOWN

MAX_LENGTH = 2**31 - 1
SIDES = ("source", "target")


class PairFormat(NamedTuple):
    """How pairs are encoded; the cache keeps the result for each format.

    Attributes:
        levels: the kinds of source and target tokens.
        lowercase: whether the text is converted to lower case.
        max_lengths: pairs with more source or target tokens are dropped.
        keep_texts: whether the texts of the targets are kept.
    """

    levels: tuple[str, str]
    lowercase: bool = False
    max_lengths: tuple[int, int] = (MAX_LENGTH, MAX_LENGTH)
    keep_texts: bool = False

    def write(self, blocks: Iterable[tuple[list[str], list[str]]], origin: Any, writer: ArrayWriter) -> dict[str, Any]:
        """Writes sources and targets, many at a time, as arrays of these names, and returns facts about them.

        Raises:
            UserError: there is no pair.
        """
        symbols = Symbols()
        encoders = [TokenEncoder(level, symbols) for level in self.levels]
        count = dropped = 0
        for sides in blocks:
            texts = [list(map(str.lower, side)) if self.lowercase else side for side in sides]
            encoded = [encoder.encode(side) for encoder, side in zip(encoders, texts, strict=True)]
            lengths = np.stack([part for _, part in encoded])
            kept = np.all(lengths <= np.array(self.max_lengths)[:, None], axis=0)
            for side, (ids, part) in zip(SIDES, encoded, strict=True):
                writer.extend_sequences(side, ids[np.repeat(kept, part)], part[kept])
            if self.keep_texts:
                writer.extend_strings("texts", itertools.compress(texts[1], kept.tolist()))
            count += int(kept.sum())
            dropped += int((~kept).sum())
        if not count:
            limits = "--max_source_length, --max_target_length"
            reason = f"all {dropped} are longer than {limits}" if dropped else "it is empty"
            raise UserError(f"{origin} holds no pair to train on: {reason}")
        writer.extend_strings("symbols", symbols)
        return {"count": count, "dropped": dropped}


def read_tsv(path: Path, encoding: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yields the sources and the targets of lines, many at a time; blank lines are skipped. Raises `UserError`."""
    for number, lines in read_blocks(path, encoding):
        rows = [line.split("\t", 2) for line in lines if not line.isspace()]
        sources = [row[0].strip() for row in rows]
        targets = [row[1].strip() for row in rows if len(row) > 1]
        if len(targets) < len(rows) or not (all(sources) and all(targets)):
            for i, line in enumerate(lines, number):
                source, _, rest = line.partition("\t")
                if line.strip() and not (source.strip() and rest.partition("\t")[0].strip()):
                    raise UserError(f"{path}, line {i}: expected a source, a tab and a target")
        yield sources, targets


class SideReader:
    """The tokens of one side of a file of pairs, in a vocabulary.

    Args:
        arrays: the arrays of the file.
        side: "source" or "target".
        vocabulary: the vocabulary.
        splitter: divides words into pieces. None: words are tokens.

    Attributes:
        lengths: the number of tokens of every sequence of the file.
    """

    def __init__(self, arrays: ArrayFolder, side: str, vocabulary: tuple[str, ...], splitter: PieceSplitter | None):
        self._numbers, self._symbols = arrays.sequences(side), arrays.strings("symbols")
        self._vocabulary, self._splitter = vocabulary, splitter
        self._map = map_symbols(self._symbols, vocabulary, splitter)
        self.lengths = self._map.lengths(self._numbers)

    def ids(self, i: int) -> np.ndarray:
        """Returns the ids of a sequence."""
        return self._map(self._numbers[i])

    def tokens(self, i: int) -> list[str]:
        """Returns the tokens of a sequence, also those that the vocabulary lacks."""
        numbers = self._numbers[i]
        if self._splitter is not None:
            return self._splitter.split([self._symbols[n] for n in numbers])
        ids = self._map(numbers)
        return [self._symbols[n] if i == UNKNOWN else self._vocabulary[i] for n, i in zip(numbers, ids, strict=True)]


Counts = tuple[np.ndarray, Sequence[str]]  # occurrences of tokens, and the tokens


def count_pieces(symbols: Sequence[str], counts: np.ndarray, merges: Sequence[str]) -> Counts:
    """Returns the occurrences of pieces from those of words."""
    splitter, totals = PieceSplitter(merges), collections.Counter[str]()
    for symbol, count in zip(symbols, counts.tolist(), strict=True):
        for piece in splitter.split([symbol]) if count else ():
            totals[piece] += count
    return np.array(list(totals.values()), "int64"), list(totals)


def add_counts(first: Counts, second: Counts) -> Counts:
    """Adds the occurrences of the tokens of two sides."""
    if first[1] is second[1]:
        return first[0] + second[0], first[1]
    totals = collections.Counter[str]()
    for counts, tokens in (first, second):
        totals.update(dict(zip(tokens, counts.tolist(), strict=True)))
    return np.array(list(totals.values()), "int64"), list(totals)
