"""The signatures of an exported model that writes: text, or vectors, for each source."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.cells.attention import Prepared
from rnnzoo.export.arguments import broadcast_rows, check_ids, check_rows, check_values, row_spec
from rnnzoo.export.signatures import ServedModel, function, named, texts
from rnnzoo.export.text import Codec
from rnnzoo.models import EncoderDecoder
from rnnzoo.spec import BOUNDARY, PAD

MEMORY = ("keys", "values", "memory_mask")
MOST_BEAMS = 1000


class WritingServing(ServedModel):
    """An encoder-decoder and its vocabularies behind signatures; every batch dimension and length is free.

    The source is `text [n]` (strings) or `features`, `[n, places, size]`, or `[n, size]` where each is one vector.

    `serving_default(source)`: `text [n]`, the likeliest symbol at each step, and `score [n]`, its log-probability
    (nats). `translate(source, beam_size, length_penalty)`: `text [n, beam_size]` and `score`, best first, of a beam
    search; a beam that found nothing gives "" and the lowest finite score. `beam_size` and `length_penalty` are `[n]`
    or `[1]`, the beam sizes all the same. `align(source)`: `attention [n, time, places]` over the
    `source [n, places]` at each step of what is written, `target [n, time]`, "" being its end.

    For callers who own the loop: `encode(source)` gives `state_0 ...` and, as the model has them, `keys`, `values`,
    `memory_mask` (the memory) and `context`; `decode_step(inputs [n], ...)` takes all of those and the id of the
    symbol written last (2 to begin with, and at the end), to `log_probabilities [n, symbols]` and the new
    `state_0 ...`.

    A model of a task of vectors has `serving_default(source)` alone, to `predictions [n, time, size]`.
    """

    def __init__(self, model: EncoderDecoder):
        super().__init__(model)
        spec = model.spec
        self._reader: Any = None
        if spec.source == "tokens":
            self._reader = Codec(spec.source_vocabulary, spec.source_level, lowercase=spec.lowercase)
        self._writer: Any = Codec(spec.vocabulary, spec.level) if spec.vocabulary else None
        sides = {"source": self._reader, "target": self._writer}
        self.vocabulary = {side: codec for side, codec in sides.items() if codec is not None}
        state, fixed = model.encode(model.example()[0])
        self._states = state
        self._fixed = {key: value for key, value in _flat(fixed).items() if value is not None}
        self.functions = self._make()

    def _make(self) -> dict[str, Any]:
        source = self._source_spec()
        # in functions of their own, so that the file holds them once
        self._encoded = tf.function(lambda given: self._model.encode(self._source(given)), input_signature=[source])
        ids = tf.TensorSpec([None, None], tf.int32)
        self._text = tf.function(lambda ids: self._writer.written(ids), input_signature=[ids])
        if self.spec.outputs != "token":
            return {"serving_default": function(self._unroll, [source])}
        made = {
            "serving_default": function(self._greedy, [source]),
            "translate": function(
                self._translate, [source, row_spec(tf.int32, "beam_size"), row_spec(tf.float32, "length_penalty")]
            ),
            "encode": function(self._encode, [source]),
        }
        states = [tf.TensorSpec([None, *s.shape[1:]], s.dtype, f"state_{i}") for i, s in enumerate(self._states)]
        places = {"keys": [None, None], "values": [None, None], "memory_mask": [None, None], "context": [None]}
        fixed = [
            tf.TensorSpec([*places[key], *value.shape[len(places[key]) :]], value.dtype, key)
            for key, value in self._fixed.items()
        ]
        made["decode_step"] = function(self._decode_step, [tf.TensorSpec([None], tf.int32, "inputs"), *states, *fixed])
        if self._model.decoder.attention is not None:
            made["align"] = function(self._align, [source])
        return made

    def probes(self) -> list[tuple[str, int, dict[str, Any]]]:
        spec, rng = self.spec, np.random.default_rng(0)
        found: list[tuple[str, int, dict[str, Any]]] = []
        for batch, length in ((1, 5), (3, 17)):
            if spec.source == "tokens":
                source = {"text": texts(rng, spec.source_vocabulary, spec.source_level, batch, length)}
            else:
                places = [] if spec.source_length == 1 else [length]
                source = {"features": tf.constant(rng.normal(size=(batch, *places, spec.input_size)).astype("float32"))}
            found.append(("serving_default", batch, source))
            if "translate" not in self.functions:
                continue
            numbers = {"beam_size": tf.constant([3]), "length_penalty": tf.constant([0.6])}
            found += [("translate", batch, {**source, **numbers}), ("encode", batch, source)]
            start = self.functions["encode"](*source.values())
            ordered = {name: start[name] for name in (*(f"state_{i}" for i in range(len(self._states))), *self._fixed)}
            found.append(("decode_step", batch, {"inputs": tf.fill([batch], BOUNDARY), **ordered}))
            if "align" in self.functions:
                found.append(("align", batch, source))
        return found

    def _source_spec(self) -> tf.TensorSpec:
        if self._reader is not None:
            return tf.TensorSpec([None], tf.string, "text")
        places = [] if self.spec.source_length == 1 else [None]
        return tf.TensorSpec([None, *places, self.spec.input_size], tf.float32, "features")

    def _source(self, given: tf.Tensor) -> tf.Tensor:
        if self._reader is not None:
            return self._reader.source(given)
        return given[:, None] if self.spec.source_length == 1 else given

    def _unroll(self, source: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"predictions": self._model.unroll(self._source(source))}

    def _greedy(self, source: tf.Tensor) -> dict[str, tf.Tensor]:
        ids, score = self._model.greedy(source, encoded=self._encoded(source))
        return {"text": self._text(ids), "score": score}

    def _translate(self, source: tf.Tensor, beam_size: tf.Tensor, length_penalty: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = tf.shape(source)[0]
        beam_size, penalty = (
            broadcast_rows(beam_size, batch, "beam_size"),
            broadcast_rows(length_penalty, batch, "length_penalty"),
        )
        rule = f"beam_size must be at least 1 and at most {MOST_BEAMS}"
        beam_size = check_values(beam_size, (beam_size >= 1) & (beam_size <= MOST_BEAMS), rule)
        beam_size = check_values(beam_size, beam_size == beam_size[:1], "beam_size must be the same in all rows")
        finite = tf.math.is_finite(penalty) & (penalty >= 0)
        penalty = check_values(penalty, finite, "length_penalty must be a finite number of at least 0")
        width = tf.reduce_max(tf.concat([beam_size, [1]], 0))
        ids, scores = self._model.beam_search(source, width, penalty, encoded=self._encoded(source))
        ids, scores = tf.transpose(ids, [1, 0, 2]), tf.transpose(scores)
        text = tf.reshape(self._text(tf.reshape(ids, [tf.size(scores), tf.shape(ids)[2]])), tf.shape(scores))
        text = tf.where(tf.math.is_finite(scores), text, "")
        return {"text": text, "score": tf.maximum(scores, scores.dtype.min)}

    def _encode(self, source: tf.Tensor) -> dict[str, tf.Tensor]:
        state, fixed = self._encoded(source)
        kept = {key: tf.identity(value) for key, value in _flat(fixed).items() if value is not None}
        return {**named(state), **kept}

    def _decode_step(self, inputs: tf.Tensor, *rest: tf.Tensor) -> dict[str, tf.Tensor]:
        state, given = list(rest[: len(self._states)]), dict(zip(self._fixed, rest[len(self._states) :], strict=True))
        memory = Prepared(*(given[key] for key in MEMORY)) if "keys" in given else ()
        fixed = {"memory": memory, "context": given.get("context", ())}
        inputs = check_rows(check_ids(inputs, self.spec.output_size), rest)
        logits, state = self._model.decode_step(inputs, state, fixed)
        return {"log_probabilities": tf.nn.log_softmax(logits), **named(state)}

    def _align(self, source: tf.Tensor) -> dict[str, tf.Tensor]:
        encoded = self._encoded(source)
        ids, _ = self._model.greedy(source, encoded=encoded)
        ids = tf.pad(ids, [[0, 0], [0, 1]], constant_values=PAD)  # a place for the end of the longest
        longest = tf.reduce_max(tf.concat([tf.reduce_sum(tf.cast(ids != PAD, tf.int32), 1), [0]], 0))
        begin = tf.fill([tf.shape(ids)[0], 1], BOUNDARY)
        attention = self._model.align(source, tf.concat([begin, ids], 1)[:, : longest + 1], encoded=encoded)
        given = self._source(source)
        if self._reader is not None:
            shown = self._reader.units(given)
        else:
            numbers = tf.strings.as_string(tf.range(tf.shape(given)[1]))
            shown = tf.tile(numbers[None], [tf.shape(given)[0], 1])
        return {"attention": attention, "source": shown, "target": self._writer.units(ids[:, : longest + 1])}


def _flat(fixed: dict[str, Any]) -> dict[str, Any]:
    """What stays the same at all steps by name, None where the model has none."""
    memory = fixed["memory"] or (None,) * len(MEMORY)
    context = fixed["context"]
    return {**dict(zip(MEMORY, memory, strict=True)), "context": None if isinstance(context, tuple) else context}
