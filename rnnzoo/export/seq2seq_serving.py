"""The signatures of exported encoder-decoders."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.cells.attention import PreparedMemory
from rnnzoo.export.arguments import check_ids, check_rows, row_spec
from rnnzoo.export.seq2seq_generation import SAMPLE, TextGeneration
from rnnzoo.export.signatures import ServedModel, make_function, name_states, random_texts
from rnnzoo.export.tokenizer import Tokenizer
from rnnzoo.models import EncoderDecoder
from rnnzoo.spec import BOS

MEMORY = ("keys", "values", "memory_mask")


class Seq2SeqServing(TextGeneration, ServedModel):
    """The signatures of an encoder-decoder with its vocabularies; every batch dimension and length is dynamic.

    The source is `text [n]` (strings) or `features`, `[n, source_time, size]`, or `[n, size]` if each is one vector.

        serving_default(source)   text [n], the greedy output, and score [n], its log-probability (nats)
        sample(source, temperature, top_k, seed)   text [n], sampled, and score [n]
        translate(source, beam_size, length_penalty)   text and score [n, beam_size] of a beam search, best first
        align(source)   attention [n, time, source_time], source [n, source_time] and target [n, time] tokens

    `sample` takes the most probable token at temperature 0, otherwise it samples from the `top_k` most probable ones,
    or from all if that is 0; one seed for all rows gives each row a sample of its own. Its arguments, `beam_size` and
    `length_penalty` are `[n]` or `[1]`; the beam sizes must be equal. A beam without a result has
    the text "" and the lowest finite score. In `target`, "" is the EOS token.

    For callers with their own loop:

        encode(source)   state_0 ... and, as the model has them, keys, values, memory_mask and context
        decode_step(inputs [n], ...)   log_probabilities [n, symbols] and the new state_0 ...

    `decode_step` takes the results of `encode`, and as `inputs` the id of the previous output token, at first that
    of BOS (2), which is also that of EOS.

    A model of a task of vectors has only `serving_default(source)`, which returns `predictions [n, time, size]`.
    """

    def __init__(self, model: EncoderDecoder):
        super().__init__(model)
        spec = model.spec
        self._source_tokenizer: Any = None
        if spec.source == "tokens":
            self._source_tokenizer = Tokenizer(
                spec.source_vocabulary, spec.source_level, lowercase=spec.lowercase, merges=spec.source_merges
            )
        self._target_tokenizer: Any = (
            Tokenizer(spec.vocabulary, spec.level, merges=spec.merges) if spec.vocabulary else None
        )
        sides = {"source": self._source_tokenizer, "target": self._target_tokenizer}
        self.vocabulary = {side: tokenizer for side, tokenizer in sides.items() if tokenizer is not None}
        self._states, constants = model.encode(model.example_inputs()[0])
        self._constants = {key: value for key, value in _flatten_constants(constants).items() if value is not None}
        self.functions = self._make_functions()

    def _make_functions(self) -> dict[str, Any]:
        source = self.source_spec()
        # in functions of their own, so that they are stored once
        self._encoded = tf.function(
            lambda given: self.model.encode(self.prepare_source(given)), autograph=False, input_signature=[source]
        )
        ids = tf.TensorSpec([None, None], tf.int32)
        self._join = tf.function(
            lambda ids: self._target_tokenizer.join_tokens(ids), autograph=False, input_signature=[ids]
        )
        if self.spec.outputs != "token":
            return {"serving_default": make_function(self._generate_vectors, [source])}
        functions = {
            "serving_default": make_function(self._greedy, [source]),
            "translate": make_function(
                self._translate, [source, row_spec(tf.int32, "beam_size"), row_spec(tf.float32, "length_penalty")]
            ),
            "sample": make_function(self._sample, [source, *(row_spec(dtype, name) for name, dtype in SAMPLE.items())]),
            "encode": make_function(self._encode, [source]),
            "decode_step": make_function(self.decode_step, self.decode_specs()),
        }
        if self.model.decoder.attention is not None:
            functions["align"] = make_function(self._align, [source])
        return functions

    def decode_specs(self) -> list[tf.TensorSpec]:
        """Returns the inputs of `decode_step`."""
        states = [tf.TensorSpec([None, *s.shape[1:]], s.dtype, f"state_{i}") for i, s in enumerate(self._states)]
        constants = []
        for key, value in self._constants.items():
            dynamic = 2 if key in MEMORY else 1
            constants.append(tf.TensorSpec([*[None] * dynamic, *value.shape[dynamic:]], value.dtype, key))
        return [tf.TensorSpec([None], tf.int32, "inputs"), *states, *constants]

    def probes(self) -> list[tuple[str, int, dict[str, Any]]]:
        spec, rng = self.spec, np.random.default_rng(0)
        probes: list[tuple[str, int, dict[str, Any]]] = []
        for batch, length in ((1, 5), (3, 17)):
            if spec.source == "tokens":
                source = {"text": random_texts(rng, spec.source_vocabulary, spec.source_level, batch, length)}
            else:
                time = [] if spec.source_length == 1 else [length]
                source = {"features": tf.constant(rng.normal(size=(batch, *time, spec.input_size)).astype("float32"))}
            probes.append(("serving_default", batch, source))
            if "translate" not in self.functions:
                continue
            numbers = {"beam_size": tf.constant([3]), "length_penalty": tf.constant([0.6])}
            probes += [("translate", batch, {**source, **numbers}), ("encode", batch, source)]
            values = {"temperature": 0.7, "top_k": 5, "seed": 1}
            probes.append(("sample", batch, {**source, **{key: tf.constant([v]) for key, v in values.items()}}))
            start = self.functions["encode"](*source.values())
            ordered = {
                name: start[name] for name in (*(f"state_{i}" for i in range(len(self._states))), *self._constants)
            }
            probes.append(("decode_step", batch, {"inputs": tf.fill([batch], BOS), **ordered}))
            if "align" in self.functions:
                probes.append(("align", batch, source))
        return probes

    def source_spec(self) -> tf.TensorSpec:
        if self._source_tokenizer is not None:
            return tf.TensorSpec([None], tf.string, "text")
        time = [] if self.spec.source_length == 1 else [None]
        return tf.TensorSpec([None, *time, self.spec.input_size], tf.float32, "features")

    def prepare_source(self, source: tf.Tensor) -> tf.Tensor:
        """Converts a source to the inputs of the encoder."""
        if self._source_tokenizer is not None:
            return self._source_tokenizer.encode_source(source)
        return source[:, None] if self.spec.source_length == 1 else source

    def _generate_vectors(self, source: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.generate_vectors(self.prepare_source(source))

    def generate_vectors(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the predictions for inputs of the encoder."""
        return {"predictions": self.model.generate_vectors(inputs)}

    def _encode(self, source: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._name_encoding(*self._encoded(source))

    def encode(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the states and constants for inputs of the encoder by name."""
        return self._name_encoding(*self.model.encode(inputs))

    def _name_encoding(self, state: list, constants: dict[str, Any]) -> dict[str, tf.Tensor]:
        kept = {key: tf.identity(value) for key, value in _flatten_constants(constants).items() if value is not None}
        return {**name_states(state), **kept}

    def decode_step(self, inputs: tf.Tensor, *rest: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the log-probabilities of the next token and the new states."""
        state = list(rest[: len(self._states)])
        given = dict(zip(self._constants, rest[len(self._states) :], strict=True))
        memory = PreparedMemory(*(given[key] for key in MEMORY)) if "keys" in given else ()
        constants = {"memory": memory, "context": given.get("context", ())}
        inputs = check_rows(check_ids(inputs, self.spec.output_size), rest)
        logits, state = self.model.decode_step(inputs, state, constants)
        return {"log_probabilities": tf.nn.log_softmax(logits), **name_states(state)}


def _flatten_constants(constants: dict[str, Any]) -> dict[str, Any]:
    """Returns the constants of the decoder by name, None for those that the model lacks."""
    memory = constants["memory"] or (None,) * len(MEMORY)
    context = constants["context"]
    return {**dict(zip(MEMORY, memory, strict=True)), "context": None if isinstance(context, tuple) else context}
