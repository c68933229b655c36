"""Text in and out of a graph: strings to ids and back, with the vocabulary inside."""

from typing import Any

import tensorflow as tf

from rnnzoo.spec import BOUNDARY, PAD, SPECIAL, UNKNOWN, Level

# as Python's str.strip sees them
SPACES = r"[\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
SPACE_AROUND = f"^{SPACES}|{SPACES}$"
LOCAL = "IJÌÍĨĮİ"  # whose lower case is another where the machine is set to Turkish, Azeri or Lithuanian


class Codec(tf.Module):
    """Characters, words, tokens or lines to ids and back, by graph operations only.

    Args:
        symbols: the vocabulary.
        level: "char"; "word": what spaces separate, and each newline; "token": words and single signs; "line": a whole
            text is one unit.
        characters: those of words, where a word comes with its spelling of `word_length`.
        lowercase: whether texts are read in lower case.
    """

    def __init__(
        self,
        symbols: tuple[str, ...],
        level: Level = "char",
        characters: tuple[str, ...] = (),
        word_length: int = 0,
        lowercase: bool = False,
    ):
        super().__init__()
        self._table = Table(symbols)
        self._symbols, self._level, self._lowercase = symbols, level, lowercase
        self._letters = Table(characters) if characters else None
        self._word_length = word_length

    def encode(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Strings `[batch]` to ids `[batch, 1 + longest, ...]`, a boundary first, and their lengths without it."""
        units = self._split(lower(text) if self._lowercase else text)
        lengths = tf.cast(units.row_lengths(), tf.int32)
        units = units.to_tensor("")
        ids = tf.where(tf.sequence_mask(lengths, tf.shape(units)[1]), self._table.lookup(units), PAD)
        ids = tf.concat([tf.fill([tf.shape(ids)[0], 1], BOUNDARY), ids], 1)
        if self._letters is None:
            return ids, lengths
        spelled = self._letters.lookup(tf.strings.unicode_split(tf.reshape(units, [-1]), "UTF-8", errors="replace"))
        spelled = spelled.to_tensor(PAD, shape=[None, self._word_length])
        spelled = tf.reshape(spelled, tf.concat([tf.shape(units), [self._word_length]], 0))
        return tf.concat([ids[..., None], tf.pad(spelled, [[0, 0], [1, 0], [0, 0]])], 2), lengths

    def ids(self, units: tf.Tensor) -> tf.Tensor:
        """The ids of units, whatever their shape."""
        return self._table.lookup(lower(units) if self._lowercase else units)

    def _split(self, text: tf.Tensor) -> tf.RaggedTensor:
        if self._level == "char":
            return tf.strings.unicode_split(text, "UTF-8", errors="replace")
        if self._level == "line":
            return tf.RaggedTensor.from_tensor(text[:, None])
        return _split_words(text) if self._level == "word" else _split_tokens(text)

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Ids `[batch, time]`, padded at the end, to strings `[batch]`."""
        text = self.written(ids)
        return text if self._level == "char" else tf.strings.regex_replace(text, " *\n *", "\n")

    def source(self, text: tf.Tensor) -> tf.Tensor:
        """Strings `[batch]`, spaces around them left out, to ids `[batch, places]` without a boundary.

        A text of no unit is one place of padding.
        """
        ids, _ = self.encode(tf.strings.regex_replace(text, SPACE_AROUND, ""))
        return tf.cond(tf.shape(ids)[1] > 1, lambda: ids[:, 1:], lambda: tf.fill(tf.shape(ids), PAD))

    def units(self, ids: tf.Tensor) -> tf.Tensor:
        """Ids to symbols as strings of the same shape, empty at padding."""
        return tf.gather(tf.constant(("", *self._symbols[1:])), ids)

    def written(self, ids: tf.Tensor) -> tf.Tensor:
        """Ids `[..., time]`, padded behind, to strings `[...]`."""
        shape = tf.shape(ids)
        flat = tf.reshape(ids, [tf.reduce_prod(shape[:-1]), shape[-1]])
        units = tf.ragged.boolean_mask(self.units(flat), flat != PAD)
        joined = tf.strings.reduce_join(units, 1, separator="" if self._level == "char" else " ")
        return tf.ensure_shape(tf.reshape(joined, shape[:-1]), ids.shape[:-1])

    def join(self, prompt: tf.Tensor, continuation: tf.Tensor) -> tf.Tensor:
        """A prompt and what goes on from it."""
        if self._level == "char":
            return tf.strings.join([prompt, continuation])
        together = (prompt == "") | (continuation == "") | tf.strings.regex_full_match(prompt, r"(?s).*\s")
        between = tf.where(together, "", " ")
        return tf.strings.join([prompt, between, continuation])


def lower(text: tf.Tensor) -> tf.Tensor:
    """Strings in lower case as Python's `str.lower` has them, whatever language the machine is set to."""
    for letter in LOCAL:
        text = tf.strings.regex_replace(text, letter, letter.lower())
    return tf.strings.lower(text, "utf-8")


def _split_words(text: tf.Tensor) -> tf.RaggedTensor:
    spaced = tf.strings.regex_replace(tf.strings.regex_replace(text, r"[ \t\r\f\v]+", " "), "\n", " \n ")
    words = tf.strings.split(spaced, " ")
    return tf.ragged.boolean_mask(words, words != "")


def _split_tokens(text: tf.Tensor) -> tf.RaggedTensor:
    sign = r"[^A-Za-z0-9_ \t\n\r\f\v\x{80}-\x{10ffff}]"
    return tf.strings.split(tf.strings.regex_replace(text, f"({sign})", r" \1 "))


class Table(tf.Module):
    """Ids of symbols, whatever their shape; UNKNOWN for those that are not there.

    The table's own values are int64, which LiteRT and ONNX convert, as they do not int32.
    """

    def __init__(self, symbols: tuple[str, ...]):
        super().__init__()
        ids = tf.range(len(SPECIAL), len(symbols), dtype=tf.int64)
        initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(symbols[len(SPECIAL) :], tf.string), ids)
        self._table = tf.lookup.StaticHashTable(initializer, UNKNOWN)

    def lookup(self, symbols: Any) -> Any:
        """The ids of a tensor, or a ragged tensor, of symbols."""
        return tf.cast(self._table.lookup(symbols), tf.int32)
