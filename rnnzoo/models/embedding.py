"""From ids to vectors: of tokens, and of words with their spelling."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.ops import Lookup, looked_up, weight
from rnnzoo.errors import UserError
from rnnzoo.layers import LSTM, Bidirectional
from rnnzoo.spec import PAD, TaskSpec


def make_embedding(spec: TaskSpec, size: int, character_units: int) -> keras.layers.Layer | None:
    """The embedding that a task's inputs need; None for features."""
    if spec.inputs != "tokens":
        return None
    if spec.characters:
        return SpelledEmbedding(spec.input_size, len(spec.characters), size, character_units, name="embedding")
    return table(spec.input_size, size, name="embedding")


def table(symbols: int, size: int, **kwargs: Any) -> keras.layers.Embedding:
    # of unit size: Keras's small default leaves the first layer all but blind for hundreds of steps
    return keras.layers.Embedding(symbols, size, keras.initializers.RandomNormal(stddev=1.0), **kwargs)


def embed(embedding: keras.layers.Layer, ids: Any) -> tf.Tensor:
    """The vectors of ids, which tell the layers behind what table they are from.

    Where the layers multiply the table instead, no gradient passes the vectors: ask for that of the table.
    """
    vectors, ids = embedding(ids), tf.convert_to_tensor(ids)
    if type(embedding) is not keras.layers.Embedding or embedding.quantization_mode is not None:
        return vectors  # which may be something else than rows of the table
    ids = ids if ids.dtype in (tf.int32, tf.int64) else tf.cast(ids, tf.int32)
    ids = tf.where(ids < 0, ids + embedding.input_dim, ids)  # counted from the end, as the layer takes them
    return looked_up(vectors, Lookup(weight(embedding.embeddings, vectors.dtype), ids))


def begin_at(embedding: keras.layers.Embedding, ids: Any, values: Any) -> None:
    """Puts vectors from elsewhere into the rows `ids` of an embedding, and makes the other rows as large as they are.

    Raises:
        UserError: the vectors are of another size than the embedding's.
    """
    if values.shape[1] != embedding.output_dim:
        raise UserError(
            f"--vectors: {values.shape[1]} numbers a word, and the embedding has {embedding.output_dim}: give "
            f"--embedding={values.shape[1]}, or as many --units where leaves are their embeddings"
        )
    rows = embedding.embeddings.numpy() * values.std()
    rows[ids] = values
    embedding.embeddings.assign(rows)


class SpelledEmbedding(keras.layers.Layer):
    """A word's vector, and beside it what a bidirectional LSTM has read over its characters.

        e_t = [E[word_t]; f(characters_t); b(characters_t)]

    Call it with ids `[..., 1 + length]`, the word's first, its characters' padded with 0; it returns
    `[..., size + 2 units]`. So words never seen before have a vector of their own.

    Lample, Ballesteros, Subramanian, Kawakami & Dyer (2016), Neural architectures for named entity
    recognition, NAACL.
    """

    def __init__(self, words: int, characters: int, size: int, units: int, **kwargs):
        super().__init__(**kwargs)
        self.words = table(words, size, name="words")
        self.characters = table(characters, units, name="characters")
        self.reader = Bidirectional(LSTM(units), name="reader")

    def build(self, input_shape: Any) -> None:
        self.words.build(None)
        self.characters.build(None)
        self.reader.build((None, None, self.characters.output_dim))

    def call(self, ids: Any) -> Any:
        word, letters = self.words(ids[..., 0]), ids[..., 1:]
        rows = tf.reshape(letters, [-1, letters.shape[-1]])
        read = self.reader(self.characters(rows), mask=rows != PAD)
        read = tf.reshape(read, tf.concat([tf.shape(word)[:-1], [read.shape[-1]]], 0))
        return tf.concat([word, tf.ensure_shape(read, [*word.shape[:-1], read.shape[-1]])], -1)
