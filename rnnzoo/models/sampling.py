"""Sampling of tokens from logits, with temperature, top-k and top-p."""

import math
from typing import Any

import tensorflow as tf

from rnnzoo.spec import EOS, SPECIAL_TOKENS

NEVER_GENERATED = tuple(i for i in range(len(SPECIAL_TOKENS)) if i != EOS)


def sample_token(
    logits: tf.Tensor,
    uniform: tf.Tensor,
    temperature: Any = 1.0,
    top_k: Any = 0,
    top_p: Any = 1.0,
    forbidden: tuple[int, ...] = (0, 1, 2),
) -> tf.Tensor:
    """Samples a token `[batch]` from logits `[batch, symbols]`; at temperature 0 the most probable one.

    Args:
        logits: `[batch, symbols]`.
        uniform: `[batch]`, random numbers in [0, 1).
        temperature: divisor of the logits; one value or one for each row, as the following arguments.
        top_k: sample from the `top_k` most probable tokens; 0: all.
        top_p: sample from the fewest most probable tokens whose probabilities sum to `top_p`.
        forbidden: ids that are never generated.
    """
    symbols = logits.shape[-1]
    temperature, top_k, top_p = (
        tf.reshape(tf.cast(value, dtype), [-1, 1])
        for value, dtype in ((temperature, logits.dtype), (top_k, tf.int32), (top_p, logits.dtype))
    )
    ordered, index = tf.math.top_k(logits + forbidden_mask(symbols, forbidden), symbols)  # the most probable first
    p = tf.nn.softmax(ordered / tf.maximum(temperature, 1e-6))
    rank = tf.range(symbols)
    kept = (top_k <= 0) | (rank < top_k)
    kept &= (tf.cumsum(p, 1, exclusive=True) < top_p) | (rank == 0)
    p = tf.where(kept, p, 0.0)
    total = tf.cumsum(p, 1)
    chosen = tf.math.count_nonzero(total <= tf.cast(uniform, p.dtype)[:, None] * total[:, -1:], 1, dtype=tf.int32)
    chosen = tf.minimum(chosen, tf.math.count_nonzero(p > 0, 1, dtype=tf.int32) - 1)  # against rounding
    chosen = tf.where(temperature[:, 0] > 0, chosen, 0)
    return tf.gather(index, chosen, batch_dims=1)


def forbidden_mask(symbols: int, forbidden: tuple[int, ...] = NEVER_GENERATED) -> tf.Tensor:
    """Returns -inf for tokens that are never generated, 0 for others."""
    return tf.constant([-math.inf if i in forbidden else 0.0 for i in range(symbols)])
