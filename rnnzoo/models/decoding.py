"""Decoding in one graph call: greedy, sampled and beam search.

A model is represented by `step(ids, state)`: ids `[..., batch]` of any leading shape to logits `[..., batch, symbols]`
and the new state, a list of tensors `[..., batch, size]`. A sequence begins with BOS, which is not part of the
output, and ends with EOS; PAD and UNKNOWN are never generated. Scores are the log-probabilities of the output in
nats, EOS included.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
from keras import tree

from rnnzoo.cells.noise import sample_rows
from rnnzoo.models.sampling import Sampler, forbidden_mask
from rnnzoo.spec import BOS, EOS, PAD

Step = Callable[[tf.Tensor, list], tuple[tf.Tensor, list]]
SelectToken = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def decode_greedily(step: Step, state: list, batch: Any, max_length: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Generates the most probable token at each step.

    Returns:
        Ids `[batch, max_length]`, padded after EOS, and scores `[batch]`.
    """
    return decode(step, state, batch, max_length, lambda logits, t: tf.argmax(_forbid(logits), -1, tf.int32))


def decode_sampled(
    step: Step, state: list, batch: Any, max_length: Any, seed: Any, sampler: Sampler
) -> tuple[tf.Tensor, tf.Tensor]:
    """Generates sampled tokens.

    Returns:
        Ids `[batch, max_length]`, padded after EOS, and scores `[batch]`, which are those at temperature 1.
    """

    def select_token(logits: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        return sampler(logits, tf.random.stateless_uniform([batch], tf.stack([seed, t])))

    return decode(step, state, batch, max_length, select_token)


def decode(
    step: Step, state: list, batch: Any, max_length: Any, select_token: SelectToken
) -> tuple[tf.Tensor, tf.Tensor]:
    """Generates the tokens that `select_token(logits [batch, symbols], t)` returns, until all sequences have ended."""

    def body(t: Any, last: Any, state: list, ended: Any, scores: Any, output: Any) -> tuple:
        logits, state = step(last, state)
        token = tf.where(ended, PAD, select_token(logits, t))
        log_probability = tf.gather(tf.nn.log_softmax(logits), token, batch_dims=1)
        scores += tf.where(ended, tf.zeros_like(log_probability), log_probability)
        visible = tf.where(token == EOS, PAD, token)
        output = tf.tensor_scatter_nd_update(output, [[t]], visible[None])
        return t + 1, token, state, ended | (token == EOS), scores, output

    def condition(t: Any, last: Any, state: list, ended: Any, *_: Any) -> tf.Tensor:
        return (t < max_length) & ~tf.reduce_all(ended)

    loop_vars = (
        tf.constant(0),
        tf.fill([batch], BOS),
        list(state),
        tf.zeros([batch], tf.bool),
        tf.zeros([batch]),
        tf.fill([max_length, batch], PAD),
    )
    *_, scores, output = _while_loop(condition, body, loop_vars)
    return tf.transpose(output), scores


class _Beams(NamedTuple):
    """The hypotheses of a beam search, `[width, batch, ...]`; `output` is `[max_length, width, batch]`."""

    last: Any
    state: list
    ended: Any
    scores: Any
    lengths: Any
    output: Any


def beam_search(
    step: Step, state: list, batch: Any, max_length: Any, width: Any, length_penalty: Any = 0.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Searches for the sequences of highest score.

    Hypotheses are ranked by `score / ((5 + length) / 6) ** length_penalty` (Wu et al. 2016, arXiv 1609.08144). The
    search ends when all beams have ended.

    Args:
        step: the model.
        state: its initial state.
        batch: the batch size.
        max_length: the length of the longest output.
        width: the number of beams, at least 1.
        length_penalty: one value, or one for each row.

    Returns:
        Ids `[width, batch, max_length]` and scores `[width, batch]`, best first; -inf for beams without a result.
    """
    width = tf.maximum(width, 1) if tf.is_tensor(width) else max(width, 1)

    def body(t: Any, beams: _Beams) -> tuple:
        return t + 1, _extend_beams(step, t, beams, width, batch, length_penalty)

    def condition(t: Any, beams: _Beams) -> tf.Tensor:
        return (t < max_length) & ~tf.reduce_all(beams.ended | tf.math.is_inf(beams.scores))

    beams = _Beams(
        tf.fill([width, batch], BOS),
        [tf.repeat(s[None], width, 0) for s in state],
        tf.zeros([width, batch], tf.bool),
        tf.where(tf.range(width)[:, None] == 0, 0.0, -math.inf) + tf.zeros([width, batch]),
        tf.zeros([width, batch], tf.int32),
        tf.fill([max_length, width, batch], PAD),
    )
    _, beams = _while_loop(condition, body, (tf.constant(0), beams))
    return tf.transpose(beams.output, [1, 2, 0]), beams.scores


def _extend_beams(step: Step, t: Any, beams: _Beams, width: Any, batch: Any, length_penalty: Any) -> _Beams:
    """Extends all hypotheses by one token and keeps the best `width`."""
    logits, state = step(beams.last, beams.state)  # [width, batch, symbols]
    symbols = logits.shape[-1]
    log_probabilities = tf.nn.log_softmax(logits) + forbidden_mask(symbols)
    only_pad = tf.where(tf.range(symbols) == PAD, 0.0, -math.inf)
    scores = beams.scores[..., None] + tf.where(beams.ended[..., None], only_pad, log_probabilities)
    lengths = beams.lengths + tf.cast(~beams.ended, tf.int32)
    penalty = ((5.0 + tf.cast(lengths, tf.float32)) / 6.0) ** length_penalty
    ranks = tf.where(tf.math.is_inf(scores), scores, scores / penalty[..., None])
    ranks = tf.reshape(tf.transpose(ranks, [1, 0, 2]), [batch, width * symbols])
    best = tf.transpose(tf.math.top_k(ranks, width).indices)  # [width, batch]
    parent, token = best // symbols, best % symbols
    row = parent * batch + tf.range(batch)  # in [width * batch]

    def of_parent(tensor: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.reshape(tensor, tf.concat([[width * batch], tf.shape(tensor)[2:]], 0)), row)

    ended = of_parent(beams.ended)
    visible = tf.where(ended | (token == EOS), PAD, token)
    max_length = tf.shape(beams.output)[0]
    output = tf.gather(tf.reshape(beams.output, [max_length, width * batch]), row, axis=1)
    output = tf.tensor_scatter_nd_update(output, [[t]], visible[None])
    scores = tf.gather(tf.reshape(scores, [-1]), row * symbols + token)
    return _Beams(token, [of_parent(s) for s in state], ended | (token == EOS), scores, of_parent(lengths), output)


def mix_samples(
    step: Step, state: list, previous: tf.Tensor, replace: tf.Tensor, seed: tf.Tensor, sampler: Sampler
) -> tf.Tensor:
    """Replaces tokens of `previous [batch, time]` by sampled ones where `replace` is True; no gradient."""
    columns, time = tf.transpose(previous), tf.shape(previous)[1]

    def body(t: Any, state: list, mixed: tf.Tensor) -> tuple:
        logits, state = step(mixed[t], state)
        uniform = sample_rows(
            lambda rows: tf.random.stateless_uniform(rows, seed + tf.stack([t, 0])), tf.shape(previous)[:1]
        )
        token = tf.where(replace[:, t + 1], sampler(logits, uniform), columns[t + 1])
        return t + 1, state, tf.tensor_scatter_nd_update(mixed, [[t + 1]], token[None])

    *_, mixed = _while_loop(lambda t, *_: t < time - 1, body, (tf.constant(0), list(state), columns))
    return tf.stop_gradient(tf.ensure_shape(tf.transpose(mixed), previous.shape))


def _while_loop(condition: Callable[..., tf.Tensor], body: Callable[..., tuple], loop_vars: tuple) -> tuple:
    """Calls `tf.while_loop` with variables that keep their static shapes."""

    def with_shapes(*before: Any) -> tuple:
        return tree.map_structure(lambda b, a: tf.ensure_shape(a, b.shape), before, tuple(body(*before)))

    return tf.while_loop(condition, with_shapes, loop_vars)


def _forbid(logits: tf.Tensor) -> tf.Tensor:
    return logits + forbidden_mask(logits.shape[-1])
