"""Sampling of tokens from logits, with temperature, top-k and top-p."""

import math
from typing import Any

import tensorflow as tf

from rnnzoo.spec import EOS, SPECIAL_TOKENS

BELOW_ONE = 1 - 2.0**-23  # its product with any float32 number is smaller than the number
NEVER_GENERATED = tuple(i for i in range(len(SPECIAL_TOKENS)) if i != EOS)


class Sampler:
    """Samples tokens from logits, with temperature, top-k and top-p; at temperature 0 the most probable one.

    Whatever does not depend on the logits is computed once, outside of the loop of a decoder.

    Args:
        size: size of the vocabulary.
        temperature: divisor of the logits; one value or one for each row, as the following arguments.
        top_k: sample from the `top_k` most probable tokens; 0: all.
        top_p: sample from the fewest most probable tokens whose probabilities sum to `top_p`; None: from all.
        forbidden: ids that are never generated.

    >>> sampler = Sampler(5, temperature=0.0)
    >>> sampler(tf.constant([[9.0, 9.0, 9.0, 1.0, 2.0]]), tf.constant([0.5])).numpy().tolist()
    [4]
    """

    def __init__(
        self,
        size: int,
        temperature: Any = 1.0,
        top_k: Any = 0,
        top_p: Any = None,
        forbidden: tuple[int, ...] = (0, 1, 2),
    ):
        self.size, self.mask, self.rank = size, forbidden_mask(size, forbidden), tf.range(size)
        temperature, top_k = _column(temperature, tf.float32), _column(top_k, tf.int32)
        self.temperature = tf.maximum(temperature, 1e-6)
        self.kept = (top_k <= 0) | (self.rank < top_k)
        self.kept &= (temperature > 0) | (self.rank == 0)
        self.top_p = None if top_p is None else _column(top_p, tf.float32)

    def __call__(self, logits: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        """Returns tokens `[batch]` for logits `[batch, size]` and random numbers `[batch]` in [0, 1)."""
        ordered, index = tf.math.top_k(logits + self.mask, self.size)  # the most probable first
        p = tf.nn.softmax(ordered / self.temperature)
        kept = self.kept
        if self.top_p is not None:
            kept &= (tf.cumsum(p, 1, exclusive=True) < self.top_p) | (self.rank == 0)
        total = tf.cumsum(tf.where(kept, p, 0.0), 1)
        uniform = tf.minimum(uniform, BELOW_ONE)[:, None]
        chosen = tf.reduce_sum(tf.cast(total <= uniform * total[:, -1:], tf.int32), 1)
        return tf.gather(index, chosen, batch_dims=1)


def _column(values: Any, dtype: tf.DType) -> tf.Tensor:
    return tf.reshape(tf.cast(values, dtype), [-1, 1])


def forbidden_mask(symbols: int, forbidden: tuple[int, ...] = NEVER_GENERATED) -> tf.Tensor:
    """Returns -inf for tokens that are never generated, 0 for others."""
    return tf.constant([-math.inf if i in forbidden else 0.0 for i in range(symbols)])
