"""Byte-pair encoding: words as sequences of frequent pieces.

A piece that does not begin a word has a joiner mark before it: `going` is `go ￭ing`. Tokens with a joiner mark of their
own (punctuation) are not divided.

Sennrich, Haddow & Birch (2016), Neural machine translation of rare words with subword units, ACL.
"""

import importlib.util
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence

from rnnzoo.data.joiner import JOINER
from rnnzoo.errors import UserError

MIN_COUNT = 2  # of a pair that is merged
MAX_COPIES = 10_000  # of a word that are counted at a time
MAX_CACHED_WORDS = 1_000_000


def learn_merges(words: Sequence[str], counts: Sequence[int], size: int) -> tuple[str, ...]:
    """Learns the merges of a vocabulary of pieces with the package tokenizers; the same for the same words.

    Args:
        words: different words; those with a joiner mark are left out.
        counts: how often each of them occurs.
        size: number of pieces, single characters included.

    Returns:
        The merges in the order of their application, as two pieces separated by a space.

    Raises:
        UserError: the package tokenizers (extra `bpe`) is not installed.
    """
    if importlib.util.find_spec("tokenizers") is None:
        raise UserError("--level=bpe needs the package tokenizers: pip install 'rnnzoo[bpe]'")
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(continuing_subword_prefix=JOINER))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    first, later = set[str](), set[str]()
    for word, _ in _present(words, counts):
        first.add(word[0])
        later.update(word[1:])
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=MIN_COUNT,
        continuing_subword_prefix=JOINER,
        show_progress=False,
        # in this order: it decides between pairs that are equally frequent, and would else be another one each time
        special_tokens=[*sorted(first | later), *(JOINER + char for char in sorted(later))],
    )
    copies = (
        " ".join([word] * min(MAX_COPIES, count - done))
        for word, count in _present(words, counts)
        for done in range(0, count, MAX_COPIES)
    )
    tokenizer.train_from_iterator(copies, trainer)
    return tuple(" ".join(pair) for pair in _read_merges(tokenizer.to_str()))


def _present(words: Iterable[str], counts: Iterable[int]) -> Iterator[tuple[str, int]]:
    return ((word, count) for word, count in zip(words, counts, strict=True) if count and JOINER not in word)


def _read_merges(text: str) -> list[list[str]]:
    merges = json.loads(text)["model"]["merges"]
    return [pair.split(" ") if isinstance(pair, str) else pair for pair in merges]


class PieceSplitter:
    """Divides words into pieces: the pair of pieces that was merged first is merged first, from left to right.

    Args:
        merges: the result of `learn_merges`.

    >>> PieceSplitter(("l \uffedo", "lo \uffedw")).split(["low", "slow", "\uffed."])
    ['low', 's', '\uffedl', '\uffedo', '\uffedw', '\uffed.']
    """

    def __init__(self, merges: Sequence[str]):
        self._ranks = {(a, b): rank for rank, (a, b) in enumerate(merge.split(" ") for merge in merges)}
        self._cache: dict[str, list[str]] = {}

    def split(self, tokens: Iterable[str]) -> list[str]:
        """Returns the pieces of tokens."""
        return [piece for token in tokens for piece in self._split_token(token)]

    def _split_token(self, token: str) -> list[str]:
        if JOINER in token:
            return [token]
        if token not in self._cache:
            if len(self._cache) >= MAX_CACHED_WORDS:
                self._cache.clear()
            self._cache[token] = self._merge(token)
        return self._cache[token]

    def _merge(self, word: str) -> list[str]:
        pieces = [word[0], *(JOINER + c for c in word[1:])]
        while len(pieces) > 1:
            pairs = itertools.pairwise(pieces)
            rank, first = min((self._ranks.get(pair, len(self._ranks)), i) for i, pair in enumerate(pairs))
            if rank == len(self._ranks):
                break
            pieces[first : first + 2] = [merge_pieces(*pieces[first : first + 2])]
        return pieces


def merge_pieces(a: str, b: str) -> str:
    """Merges two neighbouring pieces of a word."""
    return a + b.removeprefix(JOINER)


def all_pieces(merges: Sequence[str]) -> list[str]:
    """Returns the pieces that merges consist of and yield."""
    pieces: dict[str, None] = {}
    for merge in merges:
        a, b = merge.split(" ")
        pieces |= dict.fromkeys((a, b, merge_pieces(a, b)))
    return list(pieces)
