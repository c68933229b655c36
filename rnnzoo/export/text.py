"""Text in and out of a graph: strings to ids and back, with the vocabulary inside."""

import tensorflow as tf

from rnnzoo.spec import BOUNDARY, PAD, SPECIAL, UNKNOWN


class Codec(tf.Module):
    """Characters or words to ids and back, by graph operations only.

    Args:
        vocabulary: symbols by id, the special ones first.
        level: "char", or "word": what spaces separate, and each newline.
    """

    def __init__(self, vocabulary: tuple[str, ...], level: str):
        super().__init__()
        ids = tf.range(len(SPECIAL), len(vocabulary), dtype=tf.int32)
        initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(vocabulary[len(SPECIAL) :]), ids)
        self._table = tf.lookup.StaticHashTable(initializer, UNKNOWN)
        self._symbols = vocabulary
        self._words = level == "word"

    def encode(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Strings `[batch]` to ids `[batch, 1 + longest]`, a boundary first, and their lengths without it."""
        units = _split_words(text) if self._words else tf.strings.unicode_split(text, "UTF-8", errors="replace")
        lengths = tf.cast(units.row_lengths(), tf.int32)
        ids = self._table.lookup(units.to_tensor(""))
        ids = tf.where(tf.sequence_mask(lengths, tf.shape(ids)[1]), ids, PAD)
        start = tf.fill([tf.shape(ids)[0], 1], BOUNDARY)
        return tf.concat([start, ids], 1), lengths

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Ids `[batch, time]` to strings `[batch]`."""
        symbols = tf.gather(tf.constant(self._symbols), ids)
        if not self._words:
            return tf.strings.reduce_join(symbols, 1)
        return tf.strings.regex_replace(tf.strings.reduce_join(symbols, 1, separator=" "), " *\n *", "\n")

    def join(self, prompt: tf.Tensor, continuation: tf.Tensor) -> tf.Tensor:
        """A prompt and what goes on from it."""
        if not self._words:
            return tf.strings.join([prompt, continuation])
        between = tf.where((prompt == "") | tf.strings.regex_full_match(prompt, r"(?s).*\s"), "", " ")
        return tf.strings.join([prompt, between, continuation])


def _split_words(text: tf.Tensor) -> tf.RaggedTensor:
    spaced = tf.strings.regex_replace(tf.strings.regex_replace(text, r"[ \t\r\f\v]+", " "), "\n", " \n ")
    words = tf.strings.split(spaced, " ")
    return tf.ragged.boolean_mask(words, words != "")
