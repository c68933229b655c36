"""Generation of output sequences by an encoder-decoder."""

from typing import Any

import tensorflow as tf

from rnnzoo.engine.batch_slices import map_batch_slices
from rnnzoo.errors import UserError
from rnnzoo.models import decoding
from rnnzoo.models.cached_functions import CachedFunctions
from rnnzoo.models.sampling import NEVER_GENERATED, Sampler
from rnnzoo.spec import TaskSpec


class GenerationMixin:
    """Mixin of `EncoderDecoder`: greedy, sampled and beam search, attention weights, generation of vectors."""

    spec: TaskSpec
    decoder: Any
    encode: Any
    decode_step: Any
    _embed_sequence: Any
    _cached_functions: CachedFunctions

    def greedy(self, source: Any, max_length: Any = None, encoded: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Generates the most probable token at each step.

        Args:
            source: the source sequences.
            max_length: length of the longest output; default: `spec.output_length`.
            encoded: in a graph, the result of `encode(source)`, to reuse it.

        Returns:
            Ids `[batch, max_length]` and log-probabilities `[batch]`.
        """

        def search(source: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            step, state, batch = self._start_decoding(source, encoded)
            return decoding.decode_greedily(step, state, batch, self._max_length(max_length))

        if encoded is not None:
            return search(source)
        key = ("greedy", max_length)
        return self._cached_functions(key, lambda source: map_batch_slices(search, source, 0), source)

    def decode(self, source: Any, select_token: decoding.SelectToken, encoded: Any = None) -> tuple:
        """Generates the tokens that a function selects, see `decoding.decode`: ids `[batch, max_length]` and scores."""
        step, state, batch = self._start_decoding(source, encoded)
        return decoding.decode(step, state, batch, self.spec.output_length, select_token)

    def sample(self, source: Any, seed: Any, max_length: Any = None, **sampling: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Generates sampled tokens, see `decoding.decode_sampled`; `sampling` are arguments of a `Sampler`.

        Returns:
            Ids `[batch, max_length]` and log-probabilities `[batch]`.
        """

        def search(source: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            step, state, batch = self._start_decoding(source)
            sampler = Sampler(self.spec.output_size, **sampling, forbidden=NEVER_GENERATED)
            return decoding.decode_sampled(step, state, batch, self._max_length(max_length), seed, sampler)

        key = ("sample", max_length, *(part for pair in sorted(sampling.items()) for part in pair))
        return self._cached_functions(key, search, source, tf.convert_to_tensor(seed))

    def beam_search(
        self, source: Any, width: Any, length_penalty: Any = 0.0, max_length: Any = None, encoded: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Generates the sequences of highest score, see `decoding.beam_search`.

        Args:
            source: the source sequences.
            width: the number of beams.
            length_penalty: exponent of the length in the ranking; in a graph also one for each row.
            max_length: length of the longest output; default: `spec.output_length`.
            encoded: in a graph, the result of `encode(source)`, to reuse it.

        Returns:
            Ids `[width, batch, max_length]` and log-probabilities `[width, batch]`, best first.
        """

        def search(source: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            step, state, batch = self._start_decoding(source, encoded)
            return decoding.beam_search(step, state, batch, self._max_length(max_length), width, length_penalty)

        if encoded is not None:
            return search(source)
        key = ("beam_search", width, length_penalty, max_length)
        return self._cached_functions(key, lambda source: map_batch_slices(search, source, 1), source)

    def beams_after(self, source: Any, width: int, steps: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the hypotheses after some steps of a beam search: ids `[width, batch, steps]` and scores."""

        def search(source: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            step, state, batch = self._start_decoding(source)
            return decoding.beam_search(step, state, batch, steps, width)

        return self._cached_functions(("beams_after", width), search, source, tf.constant(steps))

    def attention_weights(self, source: Any, previous: Any, encoded: Any = None) -> tf.Tensor:
        """Returns the attention weights `[batch, time, source_time]`. Raises `ValueError` without attention."""
        state, constants = self.encode(source) if encoded is None else encoded
        return self.decoder.attention_weights(self._embed_sequence(previous, constants), constants["memory"], state)

    def generate_vectors(self, source: Any, length: Any = None) -> tf.Tensor:
        """Generates output vectors `[batch, length, size]`, for a task whose outputs are vectors."""
        previous = tf.zeros([tf.shape(source)[0], self._max_length(length), 0])
        return self((source, previous))  # type: ignore[operator]

    def _start_decoding(self, source: Any, encoded: Any = None) -> tuple[decoding.Step, list, tf.Tensor]:
        if self.spec.outputs != "token":
            raise UserError("this model generates vectors, not text: call generate_vectors(source)")
        state, constants = self.encode(source) if encoded is None else encoded
        return (lambda ids, state: self.decode_step(ids, state, constants)), state, tf.shape(source)[0]

    def _max_length(self, max_length: Any) -> Any:
        return self.spec.output_length if max_length is None else max_length
