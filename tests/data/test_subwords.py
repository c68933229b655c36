"""Words and punctuation with joiner marks, byte-pair encoding, and their equality with graphs and with the library."""

import collections
import random

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnzoo.data.bpe import PieceSplitter, all_pieces, learn_merges
from rnnzoo.data.joiner import JOINER, join_with_joiners, split_with_joiners
from rnnzoo.export.tokenizer import Tokenizer

TEXTS = [
    "L'homme, (a)...  x",
    "",
    "  ",
    "￭a b￭",
    "a\x01b",
    "«Bonjour» — ça va?",
    "...",
    "a_b-c",
    "日本語、はい。",
    "😀 :) :-)",
    "a\u00a0b\u202f!",
    "'",
    "''a''",
    "1,234.5 % $x^2$ [y]",
]


def graph_tokens(tokenizer, texts):
    rows = tokenizer._split(tf.constant(texts)).to_list()
    return [[token.decode() for token in row] for row in rows]


@pytest.fixture(scope="module")
def words():
    """Ten thousand different words, with the statistics of syllables."""
    rng = random.Random(0)
    syllables = ["".join(rng.choice(s) for s in ("bcdfgé", "aeiouö", "nrst")) for _ in range(60)] + ["日", "本", "x"]
    return sorted({"".join(rng.choices(syllables, k=rng.randint(1, 5))) for _ in range(12_000)})[:10_000]


@pytest.mark.parametrize("text", TEXTS)
def test_joining_restores_the_text_up_to_spaces(text):
    clean = " ".join(text.replace(JOINER, "■").replace("\x01", " ").split())
    assert join_with_joiners(" ".join(split_with_joiners(text))) == clean


def test_graph_splits_and_joins_as_python():
    tokenizer = Tokenizer(("<pad>", "<unk>", "<s>", *{t for text in TEXTS for t in split_with_joiners(text)}), "joiner")
    assert graph_tokens(tokenizer, TEXTS) == [split_with_joiners(text) for text in TEXTS]
    ids, _ = tokenizer.encode(tf.constant(TEXTS))
    joined = [text.decode() for text in tokenizer.join_tokens(ids[:, 1:]).numpy()]
    assert joined == [join_with_joiners(" ".join(split_with_joiners(text))) for text in TEXTS]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0x2FFF), max_size=12), min_size=1))
def test_graph_splits_any_text_as_python(texts):
    tokenizer = Tokenizer(("<pad>", "<unk>", "<s>", "a"), "joiner")
    texts = [text.replace("\0", "") for text in texts]
    assert graph_tokens(tokenizer, texts) == [split_with_joiners(text) for text in texts]


def test_pieces_equal_the_library_and_the_graph_on_ten_thousand_words(words):
    tokenizers = pytest.importorskip("tokenizers")
    counts = collections.Counter(words)
    merges = learn_merges(list(counts), list(counts.values()), 1500)
    assert merges == learn_merges(list(counts)[::-1], list(counts.values())[::-1], 1500)
    assert len(merges) > 1000
    symbols = dict.fromkeys(all_pieces(merges))
    symbols |= dict.fromkeys(c for word in words for c in (word[0], *(JOINER + c for c in word[1:])))
    pairs = [tuple(merge.split(" ")) for merge in merges]
    vocabulary = {piece: i for i, piece in enumerate(symbols)}
    library = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, pairs, continuing_subword_prefix=JOINER))
    library.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    splitter = PieceSplitter(merges)
    expected = [library.encode(word).tokens for word in words]
    assert [splitter.split([word]) for word in words] == expected
    graph = Tokenizer(("<pad>", "<unk>", "<s>", *symbols), "bpe", merges=merges)
    assert graph_tokens(graph, words) == expected
    ids, _ = graph.encode(tf.constant(words))
    assert (ids.numpy() != 1).all()
    assert [text.decode() for text in graph.join_tokens(ids[:, 1:]).numpy()] == words


def test_punctuation_is_not_divided_and_unknown_characters_become_single_pieces():
    splitter = PieceSplitter(("l ￭o", "lo ￭w"))
    assert splitter.split(split_with_joiners("low, slow!")) == ["low", "￭,", "s", "￭l", "￭o", "￭w", "￭!"]
    graph = Tokenizer(("<pad>", "<unk>", "<s>", "low", "￭,"), "bpe", merges=("l ￭o", "lo ￭w"))
    ids, lengths = graph.encode(tf.constant(["low, z", ""]))
    np.testing.assert_array_equal(ids, [[2, 3, 4, 1], [2, 0, 0, 0]])
    np.testing.assert_array_equal(lengths, [3, 0])
