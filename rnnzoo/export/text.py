"""Text in and out of a graph: strings to ids and back, with the vocabulary inside."""

import tensorflow as tf

from rnnzoo.spec import BOUNDARY, PAD, SPECIAL, UNKNOWN


class Codec(tf.Module):
    """Characters to ids and back, by graph operations only.

    Args:
        vocabulary: symbols by id, the special ones first.
    """

    def __init__(self, vocabulary: tuple[str, ...]):
        super().__init__()
        ids = tf.range(len(SPECIAL), len(vocabulary), dtype=tf.int32)
        initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(vocabulary[len(SPECIAL) :]), ids)
        self._table = tf.lookup.StaticHashTable(initializer, UNKNOWN)
        self._symbols = vocabulary

    def encode(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Strings `[batch]` to ids `[batch, 1 + longest]`, a boundary first, and their lengths without it."""
        characters = tf.strings.unicode_split(text, "UTF-8", errors="replace")
        lengths = tf.cast(characters.row_lengths(), tf.int32)
        ids = self._table.lookup(characters.to_tensor(""))
        ids = tf.where(tf.sequence_mask(lengths, tf.shape(ids)[1]), ids, PAD)
        start = tf.fill([tf.shape(ids)[0], 1], BOUNDARY)
        return tf.concat([start, ids], 1), lengths

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Ids `[batch, time]` to strings `[batch]`."""
        return tf.strings.reduce_join(tf.gather(tf.constant(self._symbols), ids), 1)
