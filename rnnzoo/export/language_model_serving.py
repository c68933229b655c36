"""The signatures of exported language models."""

import math
from typing import Any

import tensorflow as tf

from rnnzoo.export.arguments import broadcast_rows, check_sampling, check_values, row_seeds, row_spec, sample_uniform
from rnnzoo.export.sequence_serving import SequenceServing
from rnnzoo.export.signatures import make_function
from rnnzoo.models.sampling import Sampler
from rnnzoo.spec import PAD

GENERATE = {"prompt": tf.string, "length": tf.int32, "temperature": tf.float32, "top_k": tf.int32, "seed": tf.int32}
MAX_LENGTH = 1_000_000  # of generated text, which has to fit into a server's memory
MAX_EXPONENT = 88.0  # of exp in float32


class LanguageModelServing(SequenceServing):
    """The signatures of a language model with its vocabulary; every batch and time dimension is dynamic.

        serving_default(text [n])   log_probability [n] (nats), bits_per_char [n] (of words: perplexity [n])
        generate(prompt [n], length, temperature, top_k, seed)   text [n]
        initial_state(rows [n]), step(inputs, state_0 ...)   as in `SequenceServing`

    `generate` continues the prompts by `length` characters or words (at most a million): the most probable ones at
    temperature 0, otherwise sampled from the `top_k` most probable ones, or from all if that is 0. The four arguments
    are `[n]`, one value for each row, or `[1]`, one for all. The text of a row does not depend on the other rows: with
    one seed row i samples from (seed, i); with a seed for each row it is the text of that row alone.
    """

    def _default_functions(self) -> dict[str, Any]:
        text = [row_spec(tf.string, "text")]
        self._read = tf.function(self._read_text, autograph=False, input_signature=text)  # shared by both signatures
        arguments = [row_spec(dtype, name) for name, dtype in GENERATE.items()]
        return {
            "serving_default": make_function(self._score, text),
            "generate": make_function(self._generate, arguments),
        }

    def probes(self) -> list[tuple[str, int, dict[str, Any]]]:
        values = {"length": 20, "temperature": 0.7, "top_k": 5, "seed": 1}
        one_each = {key: tf.constant([value]) for key, value in values.items()}
        probes = super().probes()
        texts = [(batch, inputs["text"]) for name, batch, inputs in probes if name == "serving_default"]
        return probes + [("generate", batch, {"prompt": text, **one_each}) for batch, text in texts]

    def encode_text(self, text: tf.Tensor, *features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Converts texts to ids that begin with BOS, and their mask."""
        ids, lengths = self._tokenizer.encode(text)
        return ids, tf.sequence_mask(lengths + 1, tf.shape(ids)[1])

    def _read_text(self, text: tf.Tensor) -> tuple:
        """Returns the ids beginning with BOS, their lengths without it, the logits after each, and the final states."""
        ids, mask = self.encode_text(text)
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), 1) - 1
        return ids, lengths, *self.model.run(ids, None, mask=mask)

    def _score(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        ids, lengths, logits, _ = self._read(text)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids[:, 1:], logits=logits[:, :-1])
        valid = tf.sequence_mask(lengths, tf.shape(losses)[1], losses.dtype)
        nats = tf.reduce_sum(losses * valid, 1)
        mean = tf.math.divide_no_nan(nats, tf.cast(lengths, nats.dtype))
        if self.spec.level == "char":
            return {"log_probability": -nats, "bits_per_char": mean / math.log(2)}
        return {"log_probability": -nats, "perplexity": tf.exp(tf.minimum(mean, MAX_EXPONENT))}

    def _generate(
        self, prompt: tf.Tensor, length: tf.Tensor, temperature: tf.Tensor, top_k: tf.Tensor, seed: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        batch = tf.shape(prompt)[0]
        length = broadcast_rows(length, batch, "length")
        rule = f"length must be at least 0 and at most {MAX_LENGTH}"
        length = check_values(length, (length >= 0) & (length <= MAX_LENGTH), rule)
        temperature, top_k = check_sampling(temperature, top_k, batch)
        longest = tf.reduce_max(tf.concat([length, [0]], 0))
        uniform = sample_uniform(row_seeds(seed, batch), longest)
        sampler = Sampler(self.spec.output_size, temperature, top_k)
        *_, logits, state = self._read(prompt)

        def body(t: tf.Tensor, logits: tf.Tensor, state: list, generated: tf.Tensor) -> tuple:
            chosen = sampler(logits, uniform[t])
            logits, state = self.model.step(chosen, state)
            return t + 1, logits, state, tf.tensor_scatter_nd_update(generated, [[t]], chosen[None])

        # outputs at padding repeat the last valid one, so the last logits are those after the prompt
        loop = (tf.constant(0), logits[:, -1], state, tf.zeros([longest, batch], tf.int32))
        *_, generated = tf.while_loop(lambda t, *_: t < longest, body, loop)
        generated = tf.where(tf.sequence_mask(length, longest), tf.transpose(generated), PAD)
        return {"text": self._tokenizer.join(prompt, self._tokenizer.decode(generated))}
