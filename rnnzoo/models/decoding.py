"""Writing symbol after symbol in one graph call: the likeliest, drawn ones, or the best of several beams.

`step(ids, state)` stands for a model: ids of any leading shape `[..., batch]` to logits `[..., batch, symbols]`
and the new state, a list of tensors `[..., batch, size]`. A sequence begins with BOUNDARY, which is not
written, and ends with BOUNDARY; PAD and UNKNOWN are never written. Scores are the model's log-probabilities
in nats of what is written, the end included.
"""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import tree

from rnnzoo.spec import BOUNDARY, PAD, SPECIAL

Step = Callable[[tf.Tensor, list], tuple[tf.Tensor, list]]
NEVER = tuple(i for i in range(len(SPECIAL)) if i != BOUNDARY)


def greedy(step: Step, state: list, batch: Any, limit: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """The likeliest symbol at each step: ids `[batch, limit]`, padded behind their ends, and scores `[batch]`."""
    return write(step, state, batch, limit, lambda logits, t: tf.argmax(_allowed(logits), -1, tf.int32))


def sample(
    step: Step, state: list, batch: Any, limit: Any, seed: Any, temperature: Any = 1.0, top_k: Any = 0, top_p: Any = 1.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Symbols drawn by `choose`: ids `[batch, limit]` and scores `[batch]`, which are the model's at temperature 1."""
    return write(
        step,
        state,
        batch,
        limit,
        lambda logits, t: choose(
            logits, tf.random.stateless_uniform([batch], tf.stack([seed, t])), temperature, top_k, top_p, NEVER
        ),
    )


def write(
    step: Step, state: list, batch: Any, limit: Any, pick: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Symbols that `pick(logits [batch, symbols], t)` chooses, until all sequences have ended."""

    def body(t: Any, last: Any, state: list, ended: Any, scores: Any, written: Any) -> tuple:
        logits, state = step(last, state)
        symbol = tf.where(ended, PAD, pick(logits, t))
        logs = tf.gather(tf.nn.log_softmax(logits), symbol, batch_dims=1)
        scores += tf.where(ended, tf.zeros_like(logs), logs)
        shown = tf.where(symbol == BOUNDARY, PAD, symbol)
        written = tf.tensor_scatter_nd_update(written, [[t]], shown[None])
        return t + 1, symbol, state, ended | (symbol == BOUNDARY), scores, written

    def going(t: Any, last: Any, state: list, ended: Any, *rest: Any) -> tf.Tensor:
        return (t < limit) & ~tf.reduce_all(ended)

    loop = (
        tf.constant(0),
        tf.fill([batch], BOUNDARY),
        list(state),
        tf.zeros([batch], tf.bool),
        tf.zeros([batch]),
        tf.fill([limit, batch], PAD),
    )
    *_, scores, written = _loop(going, body, loop)
    return tf.transpose(written), scores


def beam_search(
    step: Step, state: list, batch: Any, limit: Any, width: Any, length_penalty: Any = 0.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """The best sequences that `width` beams find: ids `[width, batch, limit]` and scores `[width, batch]`, best first.

    Sequences are ranked by `score / ((5 + length) / 6) ** length_penalty` (Wu et al. 2016, arXiv 1609.08144),
    the penalty being one value or one for each row of the batch; the scores returned are the log-probabilities
    themselves, -inf for beams that found nothing. The search ends when all beams have ended; of less than one beam it
    makes one.
    """
    width = tf.maximum(width, 1) if tf.is_tensor(width) else max(width, 1)

    def body(t: Any, last: Any, state: list, ended: Any, scores: Any, lengths: Any, written: Any) -> tuple:
        logits, state = step(last, state)  # [width, batch, symbols]
        symbols = logits.shape[-1]
        going_on = tf.nn.log_softmax(logits) + _forbidden(symbols)
        at_end = tf.where(tf.range(symbols) == PAD, 0.0, -math.inf)
        total = scores[..., None] + tf.where(ended[..., None], at_end, going_on)
        longer = lengths + tf.cast(~ended, tf.int32)
        ranked = tf.where(tf.math.is_inf(total), total, total / _divisor(longer, length_penalty)[..., None])
        rows = tf.reshape(tf.transpose(ranked, [1, 0, 2]), [batch, width * symbols])
        best = tf.transpose(tf.math.top_k(rows, width).indices)  # [width, batch]
        parent, symbol = best // symbols, best % symbols
        place = parent * batch + tf.range(batch)  # of [width, batch] as one dimension

        def follow(tensor: tf.Tensor) -> tf.Tensor:
            flat = tf.reshape(tensor, tf.concat([[width * batch], tf.shape(tensor)[2:]], 0))
            return tf.gather(flat, place)

        scores = tf.gather(tf.reshape(total, [-1]), place * symbols + symbol)
        lengths, ended = follow(longer), follow(ended)
        shown = tf.where(ended | (symbol == BOUNDARY), PAD, symbol)
        written = tf.gather(tf.reshape(written, [limit, width * batch]), place, axis=1)
        written = tf.tensor_scatter_nd_update(written, [[t]], shown[None])
        return t + 1, symbol, [follow(s) for s in state], ended | (symbol == BOUNDARY), scores, lengths, written

    def going(t: Any, last: Any, state: list, ended: Any, scores: Any, *rest: Any) -> tf.Tensor:
        return (t < limit) & ~tf.reduce_all(ended | tf.math.is_inf(scores))

    first = tf.fill([width, batch], BOUNDARY)
    loop = (
        tf.constant(0),
        first,
        [tf.repeat(s[None], width, 0) for s in state],
        tf.zeros([width, batch], tf.bool),
        tf.where(tf.range(width)[:, None] == 0, 0.0, -math.inf) + tf.zeros([width, batch]),
        tf.zeros([width, batch], tf.int32),
        tf.fill([limit, width, batch], PAD),
    )
    *_, scores, _, written = _loop(going, body, loop)
    return tf.transpose(written, [1, 2, 0]), scores


def mix(step: Step, state: list, previous: tf.Tensor, coins: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """`previous [batch, time]` with what the model draws, step by step, in the places of the `coins`; no gradient."""
    columns, time = tf.transpose(previous), tf.shape(previous)[1]

    def body(t: Any, state: list, mixed: tf.Tensor) -> tuple:
        logits, state = step(mixed[t], state)
        uniform = tf.random.stateless_uniform(tf.shape(previous)[:1], seed + tf.stack([t, 0]))
        drawn = choose(logits, uniform, never=NEVER)
        fed = tf.where(coins[:, t + 1], drawn, columns[t + 1])
        return t + 1, state, tf.tensor_scatter_nd_update(mixed, [[t + 1]], fed[None])

    *_, mixed = _loop(lambda t, *_: t < time - 1, body, (tf.constant(0), list(state), columns))
    return tf.stop_gradient(tf.ensure_shape(tf.transpose(mixed), previous.shape))


def choose(
    logits: tf.Tensor,
    uniform: tf.Tensor,
    temperature: Any = 1.0,
    top_k: Any = 0,
    top_p: Any = 1.0,
    never: tuple[int, ...] = (0, 1, 2),
) -> tf.Tensor:
    """A symbol `[batch]` from logits `[batch, symbols]`: at temperature 0 the likeliest one, else a sampled one.

    Sampled from the `top_k` likeliest if that is above 0, and from the fewest likeliest whose probabilities together
    reach `top_p`. `uniform [batch]`, at least 0 and below 1, decides which: the symbol at whose probability the sum
    over the likelier ones passes it. Temperature, `top_k` and `top_p` are one value or one for each row.
    """
    symbols = logits.shape[-1]
    temperature, top_k, top_p = (
        tf.reshape(tf.cast(value, dtype), [-1, 1])
        for value, dtype in ((temperature, logits.dtype), (top_k, tf.int32), (top_p, logits.dtype))
    )
    ordered, index = tf.math.top_k(logits + _forbidden(symbols, never), symbols)  # the likeliest first
    p = tf.nn.softmax(ordered / tf.maximum(temperature, 1e-6))
    rank = tf.range(symbols)
    kept = (top_k <= 0) | (rank < top_k)
    kept &= (tf.cumsum(p, 1, exclusive=True) < top_p) | (rank == 0)
    p = tf.where(kept, p, 0.0)
    total = tf.cumsum(p, 1)
    place = tf.math.count_nonzero(total <= tf.cast(uniform, p.dtype)[:, None] * total[:, -1:], 1, dtype=tf.int32)
    place = tf.minimum(place, tf.math.count_nonzero(p > 0, 1, dtype=tf.int32) - 1)  # where rounding goes past the last
    place = tf.where(temperature[:, 0] > 0, place, 0)
    return tf.gather(index, place, batch_dims=1)


def _loop(going: Callable[..., tf.Tensor], body: Callable[..., tuple], first: tuple) -> tuple:
    """`tf.while_loop`, each variable keeping the shape that is known of it."""

    def steady(*before: Any) -> tuple:
        return tree.map_structure(lambda b, a: tf.ensure_shape(a, b.shape), before, tuple(body(*before)))

    return tf.while_loop(going, steady, first)


def _allowed(logits: tf.Tensor) -> tf.Tensor:
    return logits + _forbidden(logits.shape[-1])


def _forbidden(symbols: int, never: tuple[int, ...] = NEVER) -> tf.Tensor:
    """-inf for the symbols that are never written, 0 for others."""
    return tf.constant([-math.inf if i in never else 0.0 for i in range(symbols)])


def _divisor(lengths: tf.Tensor, penalty: Any) -> tf.Tensor:
    return ((5.0 + tf.cast(lengths, tf.float32)) / 6.0) ** penalty
