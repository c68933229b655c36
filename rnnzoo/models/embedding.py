"""Embeddings of tokens, and of words with their characters."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.ops import EmbeddingLookup, as_lookup, weight
from rnnzoo.errors import UserError
from rnnzoo.layers import LSTM, Bidirectional
from rnnzoo.spec import PAD, TaskSpec


def make_embedding(spec: TaskSpec, size: int, feature_size: int, char_units: int) -> keras.layers.Layer | None:
    """Creates the embedding for the inputs of a task; None for features."""
    if spec.inputs != "tokens":
        return None
    if len(spec.id_sizes) > 1:
        return WordEmbedding(spec, size, feature_size, char_units, name="embedding")
    return make_table(spec.input_size, size, name="embedding")


def make_table(symbols: int, size: int, deviation: float = 1.0, **kwargs: Any) -> keras.layers.Embedding:
    """Creates an embedding table with values of this standard deviation."""
    # with Keras's small default values the first layer learns nothing for hundreds of steps
    return keras.layers.Embedding(symbols, size, keras.initializers.RandomNormal(stddev=deviation), **kwargs)


def embed(embedding: keras.layers.Layer, ids: Any) -> tf.Tensor:
    """Embeds ids and marks the vectors with their lookup, see `rnnzoo.cells.ops.EmbeddingLookup`.

    Where a layer multiplies the table instead of the vectors, no gradient reaches the vectors: differentiate with
    respect to the table.
    """
    vectors, ids = embedding(ids), tf.convert_to_tensor(ids)
    if type(embedding) is not keras.layers.Embedding or embedding.quantization_mode is not None:
        return vectors  # the vectors may not be rows of the table
    ids = ids if ids.dtype in (tf.int32, tf.int64) else tf.cast(ids, tf.int32)
    ids = tf.where(ids < 0, ids + embedding.input_dim, ids)  # negative ids count from the end, as in the layer
    return as_lookup(vectors, EmbeddingLookup(weight(embedding.embeddings, vectors.dtype), ids))


def initialize_embedding(embedding: Any, ids: Any, values: Any) -> None:
    """Sets rows of an embedding to pretrained vectors, and scales the other rows to the same standard deviation.

    Args:
        embedding: an embedding table, or a `WordEmbedding`.
        ids: the rows.
        values: their vectors, `[rows, size]`.

    Raises:
        UserError: the vectors have another size than the embedding.
    """
    embedding = embedding.words if isinstance(embedding, WordEmbedding) else embedding
    if values.shape[1] != embedding.output_dim:
        raise UserError(
            f"--vectors: the vectors have {values.shape[1]} numbers and the embedding {embedding.output_dim}: give "
            f"--embedding={values.shape[1]}, or --units={values.shape[1]} for compositions whose leaves are embeddings"
        )
    rows = embedding.embeddings.numpy() * values.std()
    rows[ids] = values
    embedding.embeddings.assign(rows)


class WordEmbedding(keras.layers.Layer):
    """Embedding of words by their id, and by the ids of their features and characters.

        e_t = [E[word_t]; F_1[feature_t1]; ...; f(chars_t); b(chars_t)]

    f and b are the final states of a bidirectional LSTM over the characters, so that unknown words have different
    embeddings. Call it with ids `[..., 1 + features + length]`, those of characters padded with 0; it returns
    `[..., size + features * feature_size + 2 units]`.

    Args:
        spec: the specification of the task.
        size: size of the embedding of a word.
        feature_size: size of the embedding of each feature.
        char_units: units of the LSTM over the characters in each direction.

    Lample, Ballesteros, Subramanian, Kawakami & Dyer (2016), Neural architectures for named entity recognition, NAACL.
    """

    def __init__(self, spec: TaskSpec, size: int, feature_size: int, char_units: int, **kwargs):
        super().__init__(**kwargs)
        self.words = make_table(spec.input_size, size, name="words")
        self.features = [
            make_table(len(vocabulary), feature_size, name=f"feature_{i}")
            for i, vocabulary in enumerate(spec.feature_vocabularies)
        ]
        self.characters: Any = None
        self.reader: Any = None
        if spec.char_vocabulary:
            self.characters = make_table(len(spec.char_vocabulary), char_units, name="characters")
            self.reader = Bidirectional(LSTM(char_units), name="reader")

    def build(self, input_shape: Any) -> None:
        for table in (self.words, *self.features):
            table.build(None)
        if self.characters is not None:
            self.characters.build(None)
            self.reader.build((None, None, self.characters.output_dim))

    def call(self, ids: Any) -> Any:
        count = 1 + len(self.features)
        vectors = [table(ids[..., i]) for i, table in enumerate((self.words, *self.features))]
        if self.characters is not None:
            vectors.append(self._read_characters(ids[..., count:]))
        return tf.concat(vectors, -1)

    def _read_characters(self, chars: Any) -> tf.Tensor:
        rows = tf.reshape(chars, [-1, chars.shape[-1]])
        spelling = self.reader(self.characters(rows), mask=rows != PAD)
        spelling = tf.reshape(spelling, tf.concat([tf.shape(chars)[:-1], [spelling.shape[-1]]], 0))
        return tf.ensure_shape(spelling, [*chars.shape[:-1], spelling.shape[-1]])
