"""The signatures of exported models of one sequence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.export.arguments import (
    broadcast_rows,
    check_ids,
    check_rows,
    check_values,
    row_spec,
)
from rnnzoo.export.signatures import ServedModel, make_function, name_states, random_texts
from rnnzoo.export.tokenizer import Tokenizer
from rnnzoo.models import Network
from rnnzoo.spec import SPECIAL_TOKENS


class SequenceServing(ServedModel):
    """The signatures of a sequence model with its vocabulary; every batch and time dimension is dynamic.

        serving_default(text [n]) or (features [n, time, size])   predictions; label for classes with names
        serving_default(text [n], pos [n] ...)   the same, for words with features such as their part of speech
        padded(features [n, time, size], lengths [n])   the same, for series of different lengths padded at the end

    Causal models also have

        initial_state(rows [n])   state_0 ... of n rows; the values of rows are ignored
        step(inputs, state_0 ...)   outputs, state_0 ... after one time step

    `predictions` are logits of classes, or values; forecasts are `[n, horizon, targets]`, of several quantiles `[n,
    horizon, targets, quantiles]`. `label` is the name of the most
    probable class, `[n]` or `[n, time]`, empty at padding. Features and forecasts are in the user's units.
    """

    def __init__(self, model: Network):
        super().__init__(model)
        spec = model.spec
        self._tokenizer: Any = None
        if spec.vocabulary:
            self._tokenizer = Tokenizer(spec.vocabulary, spec.level, spec.char_vocabulary, spec.word_length)
        self._features = [Tokenizer(vocabulary, "word") for vocabulary in spec.feature_vocabularies]
        self.vocabulary = {} if self._tokenizer is None else {"inputs": self._tokenizer}
        self.vocabulary |= dict(zip(spec.feature_names, self._features, strict=False))
        self._states = model.initial_state(1)
        self.functions = self._make_functions()

    def _make_functions(self) -> dict[str, Any]:
        functions = self._default_functions()
        if self.model.causal:
            functions["initial_state"] = make_function(self._initial_state, [row_spec(tf.int32, "rows")])
            functions["step"] = make_function(self.step, self.step_specs())
        return functions

    def step_specs(self) -> list[tf.TensorSpec]:
        """Returns the inputs of `step`."""
        tokens, columns = self.spec.inputs == "tokens", len(self.spec.id_sizes)
        shape = [columns] if columns > 1 else [] if tokens else [self.spec.input_size]
        states = [tf.TensorSpec([None, *s.shape[1:]], s.dtype, f"state_{i}") for i, s in enumerate(self._states)]
        return [tf.TensorSpec([None, *shape], tf.int32 if tokens else tf.float32, "inputs"), *states]

    def _default_functions(self) -> dict[str, Any]:
        """Traces `serving_default`, and `padded` for features."""
        if self.spec.inputs == "tokens":
            names = ("text", *(self.spec.feature_names if self._features else ()))
            return {"serving_default": make_function(self._predict_text, [row_spec(tf.string, name) for name in names])}
        features = tf.TensorSpec([None, None, self.spec.input_size], tf.float32, "features")
        lengths = row_spec(tf.int32, "lengths")
        return {
            "serving_default": make_function(self._predict, [features]),
            "padded": make_function(self._predict_padded, [features, lengths]),
        }

    def probes(self) -> list[tuple[str, int, dict[str, Any]]]:
        spec, rng = self.spec, np.random.default_rng(0)
        probes: list[tuple[str, int, dict[str, Any]]] = []
        for batch, time in ((1, 5), (3, 17)):
            if "step" in self.functions:
                rows = tf.zeros([batch], tf.int32)
                state = self.functions["initial_state"](rows)
                probes.append(("initial_state", batch, {"rows": rows}))
                if spec.inputs == "tokens":
                    step_inputs: Any = rng.integers(len(SPECIAL_TOKENS), spec.input_size, batch).astype("int32")
                    if len(spec.id_sizes) > 1:
                        others = rng.integers(spec.id_sizes[1:], size=(batch, len(spec.id_sizes) - 1))
                        step_inputs = np.concatenate([step_inputs[:, None], others], 1).astype("int32")
                else:
                    step_inputs = rng.normal(size=(batch, spec.input_size)).astype("float32")
                probes.append(("step", batch, {"inputs": tf.constant(step_inputs), **state}))
            if spec.inputs == "tokens":
                text = random_texts(rng, spec.vocabulary, spec.level, batch, time)
                words = [time - i for i in range(batch)]
                values = {
                    name: tf.constant([" ".join(rng.choice(vocabulary[-1:] + vocabulary[3:], n)) for n in words])
                    for name, vocabulary in zip(spec.feature_names, spec.feature_vocabularies, strict=True)
                }
                probes.append(("serving_default", batch, {"text": text, **values}))
            if spec.inputs == "features":
                features = rng.normal(size=(batch, time, spec.input_size)).astype("float32")
                probes.append(("serving_default", batch, {"features": tf.constant(features)}))
                lengths = tf.constant(time - np.arange(batch), tf.int32)
                probes.append(("padded", batch, {"features": tf.constant(features), "lengths": lengths}))
        return probes

    def _initial_state(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return name_states(self.model.initial_state(tf.shape(rows)[0]))

    def step(self, inputs: tf.Tensor, *states: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the outputs and new states of one time step."""
        spec = self.spec
        if spec.inputs == "tokens":
            inputs = check_ids(inputs, list(spec.id_sizes) if len(spec.id_sizes) > 1 else spec.input_size)
        inputs = check_rows(inputs, states)
        outputs, new = self.model.step(self.scale_inputs(inputs), list(states))
        return {"outputs": self.unscale_outputs(outputs), **name_states(new)}

    def _predict(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.add_labels(self.model(self.scale_inputs(features)))

    def encode_text(self, text: tf.Tensor, *features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Converts texts, and the features of their words, to the ids that the model reads, and their mask."""
        ids, lengths = self._tokenizer.encode(text)
        if features:
            ids = self._add_features(ids, lengths, features)
        # an empty text is one step of padding
        ids = tf.cond(tf.shape(ids)[1] > 1, lambda: ids[:, 1:], lambda: tf.zeros_like(ids))
        return ids, tf.sequence_mask(lengths, tf.shape(ids)[1])

    def _predict_text(self, text: tf.Tensor, *features: tf.Tensor) -> dict[str, tf.Tensor]:
        ids, mask = self.encode_text(text, *features)
        return self.add_labels(self.model(ids, mask=mask), mask)

    def _add_features(self, ids: tf.Tensor, lengths: tf.Tensor, features: Sequence[tf.Tensor]) -> tf.Tensor:
        """Inserts the ids of features after those of the words, `[n, 1 + time, columns]`."""
        ids = ids[..., None] if ids.shape.rank == 2 else ids
        columns = [ids[..., :1]]
        for name, tokenizer, text in zip(self.spec.feature_names, self._features, features, strict=True):
            feature_ids, counts = tokenizer.encode(text)
            counts = check_values(counts, counts == lengths, f"{name} must have as many values as the text has words")
            with tf.control_dependencies([counts]):
                columns.append(tf.identity(feature_ids)[..., None])
        return tf.concat([*columns, ids[..., 1:]], -1)

    def _predict_padded(self, features: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        time = tf.shape(features)[1]
        lengths = broadcast_rows(lengths, tf.shape(features)[0], "lengths")
        rule = "lengths must be at least 0 and at most the steps of the features"
        mask = tf.sequence_mask(check_values(lengths, (lengths >= 0) & (lengths <= time), rule), time)
        return self.add_labels(self.model(self.scale_inputs(features), mask=mask), mask)

    def scale_inputs(self, features: tf.Tensor) -> tf.Tensor:
        """Converts features in the user's units to inputs of the model."""
        if not self.spec.input_scale:
            return features
        mean, deviation = (tf.constant(values) for values in self.spec.input_scale)
        return (features - mean) / deviation

    def unscale_outputs(self, outputs: tf.Tensor) -> tf.Tensor:
        if not self.spec.output_scale:
            return outputs
        if self.spec.regression:
            mean, deviation = (values[0] for values in self.spec.output_scale)
            return outputs[..., 0] * deviation + mean
        levels, columns = max(1, len(self.spec.quantiles)), self.spec.num_targets
        mean, deviation = (tf.constant(values)[:, None] for values in self.spec.output_scale)
        values = tf.reshape(outputs, [-1, len(self.spec.output_scale[0]), levels]) * deviation + mean
        shape = [-1, len(self.spec.output_scale[0]) // columns, columns]
        return tf.reshape(values, shape if levels == 1 else [*shape, levels])
