"""Pairs of sequences as ids, in arrays in files."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnzoo.data.bpe import PieceSplitter
from rnnzoo.data.bucketing import Example
from rnnzoo.data.lexicon import Lexicon
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.pair_files import SIDES, SideReader
from rnnzoo.data.splits import Part
from rnnzoo.data.stored import StoredExamples


class SequencePair(NamedTuple):
    """The tokens of a source and of its target; `alternatives` are further correct targets, `text` is the target's."""

    source: list[str]
    target: list[str]
    alternatives: tuple[list[str], ...] = ()
    text: str = ""


class EncodedPairs(NamedTuple):
    """The pairs of each split, their ids, and the lengths of their sources and targets."""

    pairs: dict[str, Sequence[SequencePair]]
    examples: dict[str, Sequence[Example]]
    source_lengths: dict[str, np.ndarray]
    target_lengths: dict[str, np.ndarray]


def open_pairs(
    parts: Mapping[str, Part],
    vocabularies: Sequence[tuple[str, ...]],
    splitters: Sequence[PieceSplitter | None] = (None, None),
) -> EncodedPairs:
    """Returns pairs that are read from arrays when they are needed.

    Args:
        parts: the pairs of each split, as `PairFormat.write` or `LexiconFormat.write` wrote them.
        vocabularies: the source and the target vocabulary.
        splitters: what divides source and target words into pieces, or None.
    """
    files = {id(part.arrays): part.arrays for part in parts.values()}
    readers = {
        key: [SideReader(arrays, *side) for side in zip(SIDES, vocabularies, splitters, strict=True)]
        for key, arrays in files.items()
    }
    encoded = EncodedPairs({}, {}, {}, {})
    lexicons = {key: Lexicon(arrays) for key, arrays in files.items() if "alternative" in arrays}
    for split, part in parts.items():
        source, target = readers[id(part.arrays)]
        encoded.target_lengths[split] = target.lengths[part.index]
        lengths = encoded.target_lengths[split] + 1
        read_pair = functools.partial(_read_pair, source, target, part.arrays, lexicons.get(id(part.arrays)))
        encoded.pairs[split] = StoredExamples(part.index, lengths, read_pair)
        encoded.examples[split] = StoredExamples(part.index, lengths, functools.partial(_read_ids, source, target))
        encoded.source_lengths[split] = source.lengths[part.index]
    return encoded


def _read_ids(source: SideReader, target: SideReader, i: int) -> Example:
    return Example(source.ids(i), target.ids(i))


def _read_pair(
    source: SideReader, target: SideReader, arrays: ArrayFolder, lexicon: Lexicon | None, i: int
) -> SequencePair:
    text = arrays.strings("texts")[i] if "texts" in arrays else ""
    alternatives = tuple(target.tokens(other) for other in lexicon.alternatives(i)) if lexicon else ()
    return SequencePair(source.tokens(i), target.tokens(i), alternatives, text)
