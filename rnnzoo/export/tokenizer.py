"""Tokenization in a graph: strings to ids and back, with the vocabulary inside."""

from typing import Any

import tensorflow as tf

from rnnzoo.data.joiner import JOINED, STEPS
from rnnzoo.export.bpe import GraphPieceSplitter
from rnnzoo.spec import BOS, JOINED_LEVELS, PAD, SPECIAL_TOKENS, UNKNOWN, Level

# the spaces of Python's str.strip
SPACES = r"[\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
SPACE_AROUND = f"^{SPACES}|{SPACES}$"
LOCALE_DEPENDENT = "IJÌÍĨĮİ"  # letters with another lower case in Turkish, Azeri or Lithuanian locales


class Tokenizer(tf.Module):
    """Converts strings to ids and back by graph operations: characters, words, words and punctuation, or lines.

    Args:
        vocabulary: the tokens by id.
        level: "char"; "word": separated by spaces, newlines are words; "token": words and punctuation; "joiner": words
            and punctuation with joiner marks; "bpe": pieces of words; "line": a text is one token.
        char_vocabulary: the characters, for words that come with `word_length` characters.
        word_length: characters of a word that are read.
        lowercase: whether texts are converted to lower case.
        merges: for pieces of words, see `rnnzoo.data.bpe`.
    """

    def __init__(
        self,
        vocabulary: tuple[str, ...],
        level: Level = "char",
        char_vocabulary: tuple[str, ...] = (),
        word_length: int = 0,
        lowercase: bool = False,
        merges: tuple[str, ...] = (),
    ):
        super().__init__()
        self._table = TokenTable(vocabulary)
        self._vocabulary, self._level, self._lowercase = vocabulary, level, lowercase
        self._letters = TokenTable(char_vocabulary) if char_vocabulary else None
        self._word_length = word_length
        self._pieces = GraphPieceSplitter(merges) if level == "bpe" else None

    def encode(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Converts strings `[batch]` to ids `[batch, 1 + max_length, ...]` beginning with BOS, and their lengths."""
        tokens = self._split(to_lower(text) if self._lowercase else text)
        lengths = tf.cast(tokens.row_lengths(), tf.int32)
        tokens = tokens.to_tensor("")
        ids = tf.where(tf.sequence_mask(lengths, tf.shape(tokens)[1]), self._table.lookup(tokens), PAD)
        ids = tf.concat([tf.fill([tf.shape(ids)[0], 1], BOS), ids], 1)
        if self._letters is None:
            return ids, lengths
        char_ids = self._letters.lookup(tf.strings.unicode_split(tf.reshape(tokens, [-1]), "UTF-8", errors="replace"))
        char_ids = char_ids.to_tensor(PAD, shape=[None, self._word_length])
        char_ids = tf.reshape(char_ids, tf.concat([tf.shape(tokens), [self._word_length]], 0))
        return tf.concat([ids[..., None], tf.pad(char_ids, [[0, 0], [1, 0], [0, 0]])], 2), lengths

    def ids(self, tokens: tf.Tensor) -> tf.Tensor:
        """Converts tokens of any shape to ids."""
        return self._table.lookup(to_lower(tokens) if self._lowercase else tokens)

    def _split(self, text: tf.Tensor) -> tf.RaggedTensor:
        if self._level == "char":
            return tf.strings.unicode_split(text, "UTF-8", errors="replace")
        if self._level == "line":
            return tf.RaggedTensor.from_tensor(text[:, None])
        if self._level in JOINED_LEVELS:
            tokens = _split_with_joiners(text)
            return tokens if self._pieces is None else self._pieces.split(tokens)
        return _split_words(text) if self._level == "word" else _split_words_and_punctuation(text)

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Converts ids `[batch, time]`, padded at the end, to strings `[batch]`."""
        text = self.join_tokens(ids)
        return text if self._level == "char" else tf.strings.regex_replace(text, " *\n *", "\n")

    def encode_source(self, text: tf.Tensor) -> tf.Tensor:
        """Converts strings `[batch]`, stripped, to ids `[batch, source_time]` without BOS.

        A text without tokens is one step of padding.
        """
        ids, _ = self.encode(tf.strings.regex_replace(text, SPACE_AROUND, ""))
        return tf.cond(tf.shape(ids)[1] > 1, lambda: ids[:, 1:], lambda: tf.fill(tf.shape(ids), PAD))

    def tokens(self, ids: tf.Tensor) -> tf.Tensor:
        """Converts ids to tokens as strings of the same shape, empty at padding."""
        return tf.gather(tf.constant(("", *self._vocabulary[1:])), ids)

    def join_tokens(self, ids: tf.Tensor) -> tf.Tensor:
        """Converts ids `[..., time]`, padded at the end, to strings `[...]`."""
        shape = tf.shape(ids)
        flat = tf.reshape(ids, [tf.reduce_prod(shape[:-1]), shape[-1]])
        tokens = tf.ragged.boolean_mask(self.tokens(flat), flat != PAD)
        joined = tf.strings.reduce_join(tokens, 1, separator="" if self._level == "char" else " ")
        if self._level in JOINED_LEVELS:
            joined = tf.strings.regex_replace(joined, JOINED, "")
        return tf.ensure_shape(tf.reshape(joined, shape[:-1]), ids.shape[:-1])

    def join(self, prompt: tf.Tensor, continuation: tf.Tensor) -> tf.Tensor:
        """Joins a prompt and its continuation."""
        if self._level == "char":
            return tf.strings.join([prompt, continuation])
        no_space = (prompt == "") | (continuation == "") | tf.strings.regex_full_match(prompt, r"(?s).*\s")
        between = tf.where(no_space, "", " ")
        return tf.strings.join([prompt, between, continuation])


def to_lower(text: tf.Tensor) -> tf.Tensor:
    """Converts strings to lower case as Python's `str.lower` does, independent of the locale."""
    for letter in LOCALE_DEPENDENT:
        text = tf.strings.regex_replace(text, letter, letter.lower())
    return tf.strings.lower(text, "utf-8")


def _split_words(text: tf.Tensor) -> tf.RaggedTensor:
    spaced = tf.strings.regex_replace(tf.strings.regex_replace(text, r"[ \t\r\f\v]+", " "), "\n", " \n ")
    words = tf.strings.split(spaced, " ")
    return tf.ragged.boolean_mask(words, words != "")


def _split_with_joiners(text: tf.Tensor) -> tf.RaggedTensor:
    for pattern, replacement in STEPS:
        text = tf.strings.regex_replace(text, pattern, replacement)
    words = tf.strings.split(text, " ")
    return tf.ragged.boolean_mask(words, words != "")


def _split_words_and_punctuation(text: tf.Tensor) -> tf.RaggedTensor:
    punctuation = r"[^A-Za-z0-9_ \t\n\r\f\v\x{80}-\x{10ffff}]"
    return tf.strings.split(tf.strings.regex_replace(text, f"({punctuation})", r" \1 "))


class TokenTable(tf.Module):
    """Lookup table from tokens to ids; UNKNOWN for tokens that the vocabulary lacks.

    The values of the table are int64, which LiteRT and ONNX convert, unlike int32.
    """

    def __init__(self, vocabulary: tuple[str, ...]):
        super().__init__()
        ids = tf.range(len(SPECIAL_TOKENS), len(vocabulary), dtype=tf.int64)
        initializer = tf.lookup.KeyValueTensorInitializer(
            tf.constant(vocabulary[len(SPECIAL_TOKENS) :], tf.string), ids
        )
        self._table = tf.lookup.StaticHashTable(initializer, UNKNOWN)

    def lookup(self, tokens: Any) -> Any:
        """Returns the ids of a tensor, or a ragged tensor, of tokens."""
        return tf.cast(self._table.lookup(tokens), tf.int32)
