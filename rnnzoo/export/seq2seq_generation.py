"""The signatures of an encoder-decoder that generate text: greedy, sampled and beam search, and the attention."""

from typing import Any

import tensorflow as tf

from rnnzoo.export.arguments import broadcast_rows, check_sampling, check_values, row_seeds, sample_fixed
from rnnzoo.models import EncoderDecoder
from rnnzoo.models.sampling import NEVER_GENERATED, Sampler
from rnnzoo.spec import BOS, PAD, TaskSpec

SAMPLE = {"temperature": tf.float32, "top_k": tf.int32, "seed": tf.int32}
MAX_BEAMS = 1000


class TextGeneration:
    """Mixin of `Seq2SeqServing`, whose docstring describes the signatures."""

    model: EncoderDecoder
    spec: TaskSpec
    prepare_source: Any
    _encoded: Any
    _join: Any
    _source_tokenizer: Any
    _target_tokenizer: Any

    def _greedy(self, source: tf.Tensor) -> dict[str, tf.Tensor]:
        ids, score = self.model.greedy(source, encoded=self._encoded(source))
        return {"text": self._join(ids), "score": score}

    def _translate(self, source: tf.Tensor, beam_size: tf.Tensor, length_penalty: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = tf.shape(source)[0]
        beam_size, penalty = (
            broadcast_rows(beam_size, batch, "beam_size"),
            broadcast_rows(length_penalty, batch, "length_penalty"),
        )
        rule = f"beam_size must be at least 1 and at most {MAX_BEAMS}"
        beam_size = check_values(beam_size, (beam_size >= 1) & (beam_size <= MAX_BEAMS), rule)
        beam_size = check_values(beam_size, beam_size == beam_size[:1], "beam_size must be the same in all rows")
        finite = tf.math.is_finite(penalty) & (penalty >= 0)
        penalty = check_values(penalty, finite, "length_penalty must be a finite number of at least 0")
        width = tf.reduce_max(tf.concat([beam_size, [1]], 0))
        ids, scores = self.model.beam_search(source, width, penalty, encoded=self._encoded(source))
        ids, scores = tf.transpose(ids, [1, 0, 2]), tf.transpose(scores)
        text = tf.reshape(self._join(tf.reshape(ids, [tf.size(scores), tf.shape(ids)[2]])), tf.shape(scores))
        text = tf.where(tf.math.is_finite(scores), text, "")
        return {"text": text, "score": tf.maximum(scores, scores.dtype.min)}

    def _sample(
        self, source: tf.Tensor, temperature: tf.Tensor, top_k: tf.Tensor, seed: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        batch = tf.shape(source)[0]
        temperature, top_k = check_sampling(temperature, top_k, batch)
        uniform = sample_fixed(row_seeds(seed, batch), self.spec.output_length)
        sampler = Sampler(self.spec.output_size, temperature, top_k, forbidden=NEVER_GENERATED)
        select = lambda logits, t: sampler(logits, uniform[t])  # noqa: E731
        ids, score = self.model.decode(source, select, encoded=self._encoded(source))
        return {"text": self._join(ids), "score": score}

    def _align(self, source: tf.Tensor) -> dict[str, tf.Tensor]:
        encoded = self._encoded(source)
        ids, _ = self.model.greedy(source, encoded=encoded)
        ids = tf.pad(ids, [[0, 0], [0, 1]], constant_values=PAD)  # a step for the EOS of the longest
        longest = tf.reduce_max(tf.concat([tf.reduce_sum(tf.cast(ids != PAD, tf.int32), 1), [0]], 0))
        begin = tf.fill([tf.shape(ids)[0], 1], BOS)
        attention = self.model.attention_weights(source, tf.concat([begin, ids], 1)[:, : longest + 1], encoded=encoded)
        given = self.prepare_source(source)
        if self._source_tokenizer is not None:
            tokens = self._source_tokenizer.tokens(given)
        else:
            numbers = tf.strings.as_string(tf.range(tf.shape(given)[1]))
            tokens = tf.tile(numbers[None], [tf.shape(given)[0], 1])
        return {
            "attention": attention,
            "source": tokens,
            "target": self._target_tokenizer.tokens(ids[:, : longest + 1]),
        }
