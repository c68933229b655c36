"""The encoder-decoder model: a source sequence to an output sequence."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.noise import Dropout, sample_rows
from rnnzoo.cells.ops import dot, weight
from rnnzoo.layers import Bridge, Decoder
from rnnzoo.models import decoding
from rnnzoo.models.base import ZooModel
from rnnzoo.models.cached_functions import CachedFunctions
from rnnzoo.models.embedding import embed, make_table
from rnnzoo.models.generation import GenerationMixin
from rnnzoo.models.sampling import NEVER_GENERATED, Sampler
from rnnzoo.models.seq2seq_checks import check_seq2seq_spec
from rnnzoo.spec import BOS, PAD, TaskSpec


@keras.saving.register_keras_serializable(package="rnnzoo")
class EncoderDecoder(GenerationMixin, ZooModel):
    """Encoder-decoder: from the encoder's final state, the context, a decoder generates the output token by token.

    Called with `(source, previous)`, the inputs of a "pair" in `TaskSpec`, it returns the logits `[batch, time,
    symbols]` (or vectors) of all time steps. Encoder and attention skip the padding of the source. `greedy`, `sample`
    and `beam_search` generate outputs; `encode` and `decode_step` are for loops of your own.

    Args:
        encoder: a layer with the interface of `rnnzoo.layers.Stack`; None: the source is one vector or label, and the
            context an affine map of it.
        decoder: a `rnnzoo.layers.Decoder`.
        spec: the specification of the task.
        embedding: size of the token embeddings.
        recipe: registered name and options, from which the model is created again when it is loaded.
        context_units: size of the context that is an input of every decoder step; 0: the context is only the initial
            state.
        tied_embeddings: "none"; "output": the output layer shares the target embedding; "all": the source one too.
        scheduled_sampling: probability that an input token of the decoder is sampled from the model in training
            (Bengio et al. 2015).
        scheduled_sampling_steps: training steps over which the probability rises from 0.
        dropout: fraction of the inputs of encoder, decoder and output layer that is dropped in training.

    Raises:
        UserError: a task without sources, sources of several time steps without an encoder, or tied embeddings of
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
        tied_embeddings: str = "none",
        scheduled_sampling: float = 0.0,
        scheduled_sampling_steps: int = 0,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(spec, recipe, **kwargs)
        check_seq2seq_spec(spec, recipe[0], encoder is not None, tied_embeddings, scheduled_sampling)
        self.encoder, self.decoder, self.tied_embeddings = encoder, decoder, tied_embeddings
        if encoder is not None:
            encoder.return_sequences = encoder.return_state = True
        self._make_embeddings(embedding)
        self.bridge = Bridge(decoder.state_sizes, name="bridge")
        self.context = keras.layers.Dense(context_units, "tanh", name="context") if context_units else None
        self._make_head(embedding)
        self.dropout = Dropout(dropout) if dropout else None
        self.scheduled_sampling, self.scheduled_sampling_steps = scheduled_sampling, scheduled_sampling_steps
        if scheduled_sampling:
            self.seed_generator = keras.random.SeedGenerator()
            self.trained = self.add_weight(
                shape=(), dtype="int64", initializer="zeros", trainable=False, name="trained", autocast=False
            )
        self._cached_functions = CachedFunctions()
        self(self.example_inputs())

    def _make_embeddings(self, size: int) -> None:
        spec = self.spec
        tokens = spec.outputs == "token"
        self.target_embedding: Any = make_table(spec.output_size, size, name="target_embedding") if tokens else None
        self.source_embedding: Any = None
        if spec.source == "tokens":
            table = (
                None if self.tied_embeddings == "all" else make_table(spec.input_size, size, name="source_embedding")
            )
            self.source_embedding = self.target_embedding if table is None else table

    def _make_head(self, size: int) -> None:
        spec, tied_embeddings = self.spec, self.tied_embeddings
        # logits and predictions in float32, whatever the policy
        width = size if tied_embeddings != "none" else spec.output_size
        self.head = keras.layers.Dense(width, use_bias=tied_embeddings == "none", dtype="float32", name="head")
        if tied_embeddings != "none":
            self.head_bias = self.add_weight(shape=(spec.output_size,), initializer="zeros", name="head_bias")

    def example_inputs(self, batch_size: int = 1, source_time: int = 2, time: int = 2) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns inputs of zeros of the right kind."""
        source_time = self.spec.source_length or source_time
        if self.spec.source == "tokens":
            source = tf.zeros([batch_size, source_time], tf.int32)
        else:
            source = tf.zeros([batch_size, source_time, self.spec.input_size])
        if self.spec.outputs == "token":
            return source, tf.fill([batch_size, time], BOS)
        return source, tf.zeros([batch_size, time, 0])

    def run(self, inputs: Any, state: Any, mask: Any = None, training: Any = False) -> tuple[Any, list]:
        source, previous = inputs
        if training and self.scheduled_sampling:
            previous = self._schedule_sampling(source, previous)
        initial_state, constants = self.encode(source, training)
        decoder_inputs = self._embed_sequence(previous, constants, training)
        hidden, _ = self.decoder.run(decoder_inputs, constants["memory"], initial_state, training)
        return self._compute_outputs(hidden, training), []

    def encode(self, source: Any, training: Any = False) -> tuple[list, dict[str, Any]]:
        """Encodes the source.

        Returns:
            The initial states of the decoder, and its inputs that are the same at all steps: `memory` and `context`.
        """
        embedded, mask = source, None
        if self.source_embedding is not None:
            embedded, mask = embed(self.source_embedding, source), source != PAD
        if self.encoder is None:
            states, outputs, top_states = [[embedded[:, 0]]], embedded, [embedded[:, 0]]
        else:
            outputs, *final = self.encoder(self._apply_dropout(embedded, training), mask=mask, training=training)
            outputs = tf.reverse(outputs, [1]) if self.encoder.go_backwards else outputs
            states = self.encoder.split_states(final)
            top_states = states[-1]
        if not self.decoder.built:
            size = 0 if self.target_embedding is None else self.target_embedding.output_dim
            size += 0 if self.context is None else self.context.units
            self.decoder.build((None, None, size), outputs.shape)
        memory, context = self.decoder.prepare(outputs, mask), ()
        if self.context is not None:
            context = self.context(tf.concat([self._cast(s) for s in top_states], -1))
        state = self.bridge(states)
        if self.decoder.has_input_feeding:
            state = [*state, self.decoder.get_initial_state(tf.shape(outputs)[0])[-1]]
        return state, {"memory": memory, "context": context}

    def decode_step(self, ids: Any, state: list, constants: dict[str, Any]) -> tuple[tf.Tensor, list]:
        """Runs one step of the decoder, for `ids [batch]` or for those of n hypotheses, `[n, batch]`.

        Returns:
            Logits of the next token, `[batch, symbols]` or `[n, batch, symbols]`, and the new state.
        """
        hidden, state = self.decoder.step(self._embed_step(ids, constants), state, constants["memory"])
        return self._compute_outputs(hidden, False), state

    def _embed_sequence(self, previous: Any, constants: dict[str, Any], training: Any = False) -> tf.Tensor:
        """Returns the inputs of all decoder steps, `[batch, time, size]`."""
        if self.context is not None:
            constants = {"context": constants["context"][:, None]}
        return self._embed_step(previous, constants, training)

    def _embed_step(self, previous: Any, constants: dict[str, Any], training: Any = False) -> tf.Tensor:
        """Returns the inputs of one decoder step: the embedded previous token, and the context if every step has it."""
        inputs = previous if self.target_embedding is None else embed(self.target_embedding, previous)
        inputs = self._apply_dropout(self._cast(inputs), training)
        if self.context is None:
            return inputs
        shape = tf.concat([tf.shape(inputs)[:-1], [self.context.units]], 0)
        return tf.concat([inputs, tf.broadcast_to(constants["context"], shape)], -1)

    def _compute_outputs(self, hidden: tf.Tensor, training: Any) -> tf.Tensor:
        y = self.head(self._apply_dropout(hidden, training))
        if self.tied_embeddings == "none":
            return y
        scale = self.head.units**-0.5  # as the embeddings have unit size
        weights = tf.cast(self.target_embedding.embeddings, y.dtype) * scale
        return dot(y, tf.transpose(weights)) + weight(self.head_bias, y.dtype)

    def _schedule_sampling(self, source: tf.Tensor, previous: tf.Tensor) -> tf.Tensor:
        """Replaces input tokens by tokens sampled without dropout or gradient; their number rises in training."""
        self.trained.assign_add(1)
        progress = tf.minimum(1.0, tf.cast(self.trained, tf.float32) / max(1, self.scheduled_sampling_steps))
        uniform = sample_rows(lambda shape: keras.random.uniform(shape, seed=self.seed_generator), tf.shape(previous))
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        step, state, _ = self._start_decoding(source)
        sampler = Sampler(self.spec.output_size, forbidden=NEVER_GENERATED)
        return decoding.mix_samples(step, state, previous, uniform < self.scheduled_sampling * progress, seed, sampler)

    def _cast(self, values: tf.Tensor) -> tf.Tensor:
        return tf.cast(values, self.compute_dtype)

    def _apply_dropout(self, values: tf.Tensor, training: Any) -> tf.Tensor:
        return values if self.dropout is None else self.dropout(values, training=training)
