"""Sequence in, sequence out: an encoder, its context, a decoder that writes from it."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.ops import dot, weight
from rnnzoo.errors import UserError
from rnnzoo.layers import Bridge, Decoder
from rnnzoo.layers.rows import by_parts
from rnnzoo.models import decoding
from rnnzoo.models.base import ZooModel
from rnnzoo.models.embedding import embed, table
from rnnzoo.models.one_call import OneCall
from rnnzoo.spec import BOUNDARY, PAD, TaskSpec


@keras.saving.register_keras_serializable(package="rnnzoo")
class EncoderDecoder(ZooModel):
    """An encoder reads the source; from its final state, the context, a decoder writes symbol after symbol.

    Call it with `(source, previous)` as `TaskSpec` has them for a pair: it returns logits
    `[batch, time, symbols]` (or vectors) of what is written at each step, `previous` being what was written
    before. Padding of the source, PAD, is passed over by encoder and attention. `greedy`, `sample` and
    `beam_search` write by themselves; `encode` and `decode_step` are for callers who own the loop.

    Args:
        encoder: a layer with the interface of `rnnzoo.layers.Stack`, or None: the source is one vector or label,
            and the context an affine map of it.
        decoder: a `rnnzoo.layers.Decoder`.
        spec: what goes in and what comes out.
        embedding: size of the embeddings of symbols.
        recipe: registered name and options, from which the model is made again when it is loaded.
        context_units: size of the context that every step of the decoder is fed, 0: it only begins from it.
        tied: "none"; "output": the last layer multiplies by the embedding of what is written; "all": the
            source is embedded by it too.
        sampling: probability that a step of the decoder is fed in training what the model would have written
            (Bengio et al. 2015), which rises to this over the first `sampling_steps` steps.
        dropout: fraction of what enters encoder, decoder and the last layer that is hidden in training.

    Raises:
        UserError: a task without sources, a source of several places without an encoder, or tied embeddings of
            different vocabularies.

    Sutskever, Vinyals & Le (2014), arXiv 1409.3215; Cho et al. (2014), arXiv 1406.1078.
    """

    def __init__(
        self,
        encoder: Any,
        decoder: Decoder,
        spec: TaskSpec,
        embedding: int,
        recipe: tuple[str, dict[str, Any]],
        *,
        context_units: int = 0,
        tied: str = "none",
        sampling: float = 0.0,
        sampling_steps: int = 0,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(spec, recipe, **kwargs)
        _check(spec, recipe[0], encoder is not None, tied, sampling)
        self.encoder, self.decoder = encoder, decoder
        if encoder is not None:
            encoder.return_sequences = encoder.return_state = True
        tokens = spec.outputs == "token"
        self.target_embedding: Any = table(spec.output_size, embedding, name="target_embedding") if tokens else None
        self.source_embedding: Any = None
        if spec.source == "tokens":
            shared = tied == "all"
            self.source_embedding = (
                self.target_embedding if shared else table(spec.input_size, embedding, name="source_embedding")
            )
        self.bridge = Bridge(decoder.heights, name="bridge")
        self.context = keras.layers.Dense(context_units, "tanh", name="context") if context_units else None
        self.tied = tied
        # logits and predictions in float32, whatever the policy
        width = embedding if tied != "none" else spec.output_size
        self.head = keras.layers.Dense(width, use_bias=tied == "none", dtype="float32", name="head")
        if tied != "none":
            self.head_bias = self.add_weight(shape=(spec.output_size,), initializer="zeros", name="head_bias")
        self.dropout = keras.layers.Dropout(dropout) if dropout else None
        self.sampling, self.sampling_steps = sampling, sampling_steps
        if sampling:
            self.seed_generator = keras.random.SeedGenerator()
            self.trained = self.add_weight(
                shape=(), dtype="int64", initializer="zeros", trainable=False, name="trained", autocast=False
            )
        self._calls = OneCall()
        self(self.example())

    def example(self, batch_size: int = 1, places: int = 2, time: int = 2) -> tuple[tf.Tensor, tf.Tensor]:
        """Inputs of the right kind, with nothing in them."""
        places = self.spec.source_length or places
        if self.spec.source == "tokens":
            source = tf.zeros([batch_size, places], tf.int32)
        else:
            source = tf.zeros([batch_size, places, self.spec.input_size])
        if self.spec.outputs == "token":
            return source, tf.fill([batch_size, time], BOUNDARY)
        return source, tf.zeros([batch_size, time, 0])

    def run(self, inputs: Any, state: Any, mask: Any = None, training: Any = False) -> tuple[Any, list]:
        source, previous = inputs
        if training and self.sampling:
            previous = self._mix(source, previous)
        first, fixed = self.encode(source, training)
        hidden, _ = self.decoder.run(self._enter_all(previous, fixed, training), fixed["memory"], first, training)
        return self._leave(hidden, training), []

    def encode(self, source: Any, training: Any = False) -> tuple[list, dict[str, Any]]:
        """The decoder's first states, and what stays the same at all steps: `memory` and `context`."""
        embedded, mask = source, None
        if self.source_embedding is not None:
            embedded, mask = embed(self.source_embedding, source), source != PAD
        if self.encoder is None:
            states, outputs, ends = [[embedded[:, 0]]], embedded, [embedded[:, 0]]
        else:
            outputs, *final = self.encoder(self._drop(embedded, training), mask=mask, training=training)
            outputs = tf.reverse(outputs, [1]) if self.encoder.go_backwards else outputs
            states = self.encoder.deal(final)
            ends = states[-1]
        if not self.decoder.built:
            size = 0 if self.target_embedding is None else self.target_embedding.output_dim
            size += 0 if self.context is None else self.context.units
            self.decoder.build((None, None, size), outputs.shape)
        memory = self.decoder.prepare(outputs, mask)
        context = () if self.context is None else self.context(tf.concat([self._cast(s) for s in ends], -1))
        state = self.bridge(states)
        if self.decoder.fed:
            state = [*state, self.decoder.get_initial_state(tf.shape(outputs)[0])[-1]]
        return state, {"memory": memory, "context": context}

    def decode_step(self, ids: Any, state: list, fixed: dict[str, Any]) -> tuple[tf.Tensor, list]:
        """Logits of the next symbol `[batch, symbols]` after `ids [batch]`, and the new state; or for n guesses."""
        hidden, state = self.decoder.step(self._enter(ids, fixed), state, fixed["memory"])
        return self._leave(hidden, False), state

    def greedy(self, source: Any, limit: Any = None, encoded: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """The likeliest symbol at each step: ids `[batch, limit]` and their log-probabilities `[batch]`.

        In a graph, `encoded` may be what `encode` gave for the source.
        """

        def search(source: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            step, state, batch = self._begin(source, encoded)
            return decoding.greedy(step, state, batch, self._limit(limit))

        if encoded is not None:
            return search(source)
        return self._calls(("greedy", limit), lambda source: by_parts(search, source, 0), source)

    def sample(self, source: Any, seed: Any, limit: Any = None, **how: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Drawn symbols, as `decoding.sample` draws them: ids `[batch, limit]` and log-probabilities `[batch]`."""

        def search(source: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            step, state, batch = self._begin(source)
            return decoding.sample(step, state, batch, self._limit(limit), seed, **how)

        key = ("sample", limit, *(part for pair in sorted(how.items()) for part in pair))
        return self._calls(key, search, source, tf.convert_to_tensor(seed))

    def beam_search(
        self, source: Any, width: Any, length_penalty: Any = 0.0, limit: Any = None, encoded: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The best of several beams: ids `[width, batch, limit]` and log-probabilities `[width, batch]`, best first.

        In a graph, `encoded` may be what `encode` gave for the source, and the penalty a value for each row.
        """

        def search(source: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            step, state, batch = self._begin(source, encoded)
            return decoding.beam_search(step, state, batch, self._limit(limit), width, length_penalty)

        if encoded is not None:
            return search(source)
        key = ("beam", width, length_penalty, limit)
        return self._calls(key, lambda source: by_parts(search, source, 1), source)

    def align(self, source: Any, previous: Any, encoded: Any = None) -> tf.Tensor:
        """Where the attention looks at each step `[batch, time, places]`. Raises `ValueError` without attention."""
        state, fixed = self.encode(source) if encoded is None else encoded
        return self.decoder.looks(self._enter_all(previous, fixed), fixed["memory"], state)

    def unroll(self, source: Any, limit: Any = None) -> tf.Tensor:
        """For a task of vectors: all that is written from a source, `[batch, limit, size]`."""
        return self((source, tf.zeros([tf.shape(source)[0], self._limit(limit), 0])))

    def _begin(self, source: Any, encoded: Any = None) -> tuple[decoding.Step, list, tf.Tensor]:
        if self.spec.outputs != "token":
            raise UserError("this model writes vectors, all at once: call unroll(source)")
        state, fixed = self.encode(source) if encoded is None else encoded
        return (lambda ids, state: self.decode_step(ids, state, fixed)), state, tf.shape(source)[0]

    def _limit(self, limit: Any) -> Any:
        return self.spec.output_length if limit is None else limit

    def _enter_all(self, previous: Any, fixed: dict[str, Any], training: Any = False) -> tf.Tensor:
        """What all steps of the decoder are fed, `[batch, time, size]`."""
        spread = {"context": fixed["context"][:, None]} if self.context is not None else fixed
        return self._enter(previous, spread, training)

    def _enter(self, previous: Any, fixed: dict[str, Any], training: Any = False) -> tf.Tensor:
        """What a step of the decoder is fed: what was written before it, and the context if it goes to every step."""
        entered = previous if self.target_embedding is None else embed(self.target_embedding, previous)
        entered = self._drop(self._cast(entered), training)
        if self.context is None:
            return entered
        shape = tf.concat([tf.shape(entered)[:-1], [self.context.units]], 0)
        return tf.concat([entered, tf.broadcast_to(fixed["context"], shape)], -1)

    def _leave(self, hidden: tf.Tensor, training: Any) -> tf.Tensor:
        y = self.head(self._drop(hidden, training))
        if self.tied == "none":
            return y
        weights = tf.cast(self.target_embedding.embeddings, y.dtype) * self.head.units**-0.5  # of unit size itself
        return dot(y, tf.transpose(weights)) + weight(self.head_bias, y.dtype)

    def _mix(self, source: tf.Tensor, previous: tf.Tensor) -> tf.Tensor:
        """What the decoder is fed with scheduled sampling: at each step, by a coin, a symbol of its own drawing.

        The symbols fed are drawn step by step in a loop of their own, without noise and without gradient;
        training then runs over them as over any others: no gradient goes through a drawn symbol.
        """
        self.trained.assign_add(1)
        risen = tf.minimum(1.0, tf.cast(self.trained, tf.float32) / max(1, self.sampling_steps))
        coins = keras.random.uniform(tf.shape(previous), seed=self.seed_generator) < self.sampling * risen
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        step, state, _ = self._begin(source)
        return decoding.mix(step, state, previous, coins, seed)

    def _cast(self, values: tf.Tensor) -> tf.Tensor:
        return tf.cast(values, self.compute_dtype)

    def _drop(self, values: tf.Tensor, training: Any) -> tf.Tensor:
        return values if self.dropout is None else self.dropout(values, training=training)


def _check(spec: TaskSpec, name: str, encoder: bool, tied: str, sampling: float) -> None:
    if spec.inputs != "pair":
        raise UserError(
            f"model '{name}' writes something for each source, and this task has no sources: choose a task of pairs "
            "(pairs, reverse, dates, scan, g2p, waveform) or another model"
        )
    if not encoder and spec.source_length != 1:
        raise UserError(
            f"model '{name}' writes from one label or vector, and the sources of this task are sequences: "
            "--model=seq2seq reads those; in a file of labels, give --source_level=line"
        )
    if sampling and spec.outputs != "token":
        raise UserError("--scheduled_sampling: this task writes vectors, none of which is fed to the next step")
    if tied != "none" and spec.outputs != "token":
        raise UserError("--tied_embeddings: this task writes vectors, which are not embedded")
    if tied == "all" and spec.source_vocabulary != spec.vocabulary:
        raise UserError(
            "--tied_embeddings=all needs one vocabulary for sources and what is written: --task=pairs has it with "
            "--shared_vocabulary"
        )
