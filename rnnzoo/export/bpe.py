"""Byte-pair encoding by graph operations."""

import tensorflow as tf

from rnnzoo.data.joiner import JOINER

NO_RANK = 2**31 - 1


class GraphPieceSplitter(tf.Module):
    """Divides words into pieces, as `rnnzoo.data.bpe.PieceSplitter` does, by core TensorFlow operations.

    Args:
        merges: two pieces separated by a space, in the order of their application.
    """

    def __init__(self, merges: tuple[str, ...]):
        super().__init__()
        merges = merges or ("",)  # a table must not be empty; no pair of pieces has this name
        ranks = tf.range(len(merges), dtype=tf.int64)
        initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(merges, tf.string), ranks)
        self._ranks = tf.lookup.StaticHashTable(initializer, NO_RANK)

    def split(self, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
        """Divides tokens `[batch, (tokens)]` into pieces `[batch, (pieces)]`."""
        words, index = tf.unique(tokens.flat_values)
        characters = tf.strings.unicode_split(words, "UTF-8", errors="replace").to_tensor("")
        later = tf.pad(characters[:, 1:], [[0, 0], [1, 0]])
        inner = tf.strings.join([tf.where(later == "", "", JOINER), later])
        pieces = tf.where(tf.range(tf.shape(characters)[1]) == 0, characters, inner)
        whole = tf.strings.regex_full_match(words, f".*{JOINER}.*")[:, None]
        first = tf.range(tf.shape(pieces)[1]) == 0
        pieces = tf.where(whole, tf.where(first, words[:, None], ""), pieces)
        ragged = tf.RaggedTensor.from_tensor(self._merge_all(pieces), padding="")
        by_token = tf.gather(ragged, index)  # [tokens, (pieces)]
        return tokens.with_flat_values(by_token).merge_dims(1, 2)

    def _merge_all(self, pieces: tf.Tensor) -> tf.Tensor:
        """Merges pieces `[words, length]`, empty at the end, until no pair of neighbours has a rank."""

        def ranks(pieces: tf.Tensor) -> tf.Tensor:
            pairs = tf.strings.join([pieces[:, :-1], pieces[:, 1:]], " ")
            return self._ranks.lookup(pairs)

        def condition(pieces: tf.Tensor, rank: tf.Tensor) -> tf.Tensor:
            return tf.reduce_any(rank < NO_RANK)

        def merge(pieces: tf.Tensor, rank: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            best = tf.argmin(rank, 1, tf.int32)[:, None]  # the first of the lowest
            merges = tf.reduce_any(rank < NO_RANK, 1, keepdims=True)
            position = tf.range(tf.shape(pieces)[1])
            following = tf.pad(pieces[:, 1:], [[0, 0], [0, 1]])
            suffix = tf.strings.regex_replace(following, f"^{JOINER}", "")
            merged = tf.where(position < best, pieces, tf.where(position == best, pieces + suffix, following))
            pieces = tf.where(merges, merged, pieces)
            return pieces, ranks(pieces)

        shapes = (tf.TensorShape([None, None]), tf.TensorShape([None, None]))
        padded = tf.pad(pieces, [[0, 0], [0, 1]])  # so that there is a pair
        return tf.while_loop(condition, merge, (padded, ranks(padded)), shape_invariants=shapes)[0]
