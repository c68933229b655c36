"""The signatures that an exported model of one sequence answers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.export.text import Codec
from rnnzoo.layers.tick import plain_loop
from rnnzoo.models import Network
from rnnzoo.models.decoding import choose
from rnnzoo.spec import SPECIAL

Signature = Callable[..., dict[str, tf.Tensor]]


class Serving(tf.Module):
    """A model and its vocabulary behind signatures; every batch and time dimension is free.

    `serving_default`, for a language model: `text [n]` (strings) to `log_probability [n]` (nats)
    and `bits_per_char [n]` (of words: `perplexity [n]`); for other models: `text` or
    `features [n, time, size]` to `predictions`, which are logits of classes (and `label`, the likeliest
    one's name, `[n]` or, empty at padding, `[n, time]`) or values: forecasts `[n, horizon, size]`.
    Features and forecasts are in the user's own units. `padded(features, lengths [n])` takes series of
    unequal lengths, padded behind.
    `initial_state(batch_size)` gives `state_0 ...`; `step(inputs, state_0 ...)` takes one step of
    a stream, to `outputs, state_0 ...`; a model that reads ahead has neither. Language models also
    `generate(prompt, length, temperature, top_k, seed)` `text`: the prompts `[n]` continued by `length`
    characters or words, the likeliest ones at temperature 0, of the `top_k` likeliest if that is not
    0; the same seed gives the same text.
    """

    def __init__(self, model: Network):
        super().__init__()
        self._model = model
        self.spec = model.spec
        spec = model.spec
        self._codec: Any = None
        if spec.vocabulary:
            self._codec = Codec(spec.vocabulary, spec.level, spec.characters, spec.word_length)
        self._states = model.initial_state(1)
        self.functions = self._make()

    def _make(self) -> dict[str, Any]:
        spec, size = self.spec, self.spec.input_size
        states = [tf.TensorSpec([None, *s.shape[1:]], s.dtype, f"state_{i}") for i, s in enumerate(self._states)]
        tokens = spec.inputs == "tokens"
        shape = [1 + spec.word_length] if spec.word_length else [] if tokens else [size]
        one = tf.TensorSpec([None, *shape], tf.int32 if tokens else tf.float32, "inputs")
        made = {}
        if self._model.causal:
            made["initial_state"] = function(self._initial_state, [scalar(tf.int32, "batch_size")])
            made["step"] = function(self._step, [one, *states])
        if spec.language_model:
            strings = tf.TensorSpec([None], tf.string, "text")
            made["serving_default"] = function(self._score, [strings])
            arguments = [tf.TensorSpec([None], tf.string, "prompt"), scalar(tf.int32, "length")]
            arguments += [scalar(tf.float32, "temperature"), scalar(tf.int32, "top_k"), scalar(tf.int32, "seed")]
            made["generate"] = function(self._generate, arguments)
        elif tokens:
            made["serving_default"] = function(self._read, [tf.TensorSpec([None], tf.string, "text")])
        else:
            features = tf.TensorSpec([None, None, size], tf.float32, "features")
            made["serving_default"] = function(self._predict, [features])
            made["padded"] = function(self._predict_padded, [features, tf.TensorSpec([None], tf.int32, "lengths")])
        return made

    def probes(self) -> list[tuple[str, int, dict[str, Any]]]:
        """Arguments for every signature, for several batch sizes and lengths: `(signature, number, arguments)`."""
        spec, rng = self.spec, np.random.default_rng(0)
        found: list[tuple[str, int, dict[str, Any]]] = []
        for batch, time in ((1, 5), (3, 17)):
            if "step" in self.functions:
                state = self.functions["initial_state"](tf.constant(batch))
                found.append(("initial_state", batch, {"batch_size": tf.constant(batch)}))
                if spec.inputs == "tokens":
                    one: Any = rng.integers(len(SPECIAL), spec.input_size, batch).astype("int32")
                    if spec.word_length:
                        letters = rng.integers(len(spec.characters), size=(batch, spec.word_length))
                        one = np.concatenate([one[:, None], letters], 1).astype("int32")
                else:
                    one = rng.normal(size=(batch, spec.input_size)).astype("float32")
                found.append(("step", batch, {"inputs": tf.constant(one), **state}))
            if spec.inputs == "tokens":
                text = texts(rng, spec.vocabulary, spec.level, batch, time)
                found.append(("serving_default", batch, {"text": text}))
            if spec.language_model:
                numbers = {"length": 20, "temperature": 0.7, "top_k": 5, "seed": 1}
                constants = {key: tf.constant(value) for key, value in numbers.items()}
                found.append(("generate", batch, {"prompt": text, **constants}))
            if spec.inputs == "features":
                features = rng.normal(size=(batch, time, spec.input_size)).astype("float32")
                found.append(("serving_default", batch, {"features": tf.constant(features)}))
                lengths = tf.constant(time - np.arange(batch), tf.int32)
                found.append(("padded", batch, {"features": tf.constant(features), "lengths": lengths}))
        return found

    def _initial_state(self, batch_size: tf.Tensor) -> dict[str, tf.Tensor]:
        return named(self._model.initial_state(batch_size))

    def _step(self, inputs: tf.Tensor, *states: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs, new = self._model.step(self._scaled(inputs), list(states))
        return {"outputs": self._unscaled(outputs), **named(new)}

    def _predict(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._named(self._model(self._scaled(features)))

    def _read(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        ids, lengths = self._codec.encode(text)
        # a text without a symbol is one step of padding
        ids = tf.cond(tf.shape(ids)[1] > 1, lambda: ids[:, 1:], lambda: tf.zeros_like(ids))
        mask = tf.sequence_mask(lengths, tf.shape(ids)[1])
        return self._named(self._model(ids, mask=mask), mask)

    def _predict_padded(self, features: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        mask = tf.sequence_mask(lengths, tf.shape(features)[1])
        return self._named(self._model(self._scaled(features), mask=mask), mask)

    def _named(self, outputs: tf.Tensor, mask: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """The predictions, and where they are of classes with names, the names."""
        if self.spec.outputs != "class" or not self.spec.labels:
            return {"predictions": self._unscaled(outputs)}
        label = tf.gather(tf.constant(self.spec.labels), tf.argmax(outputs, -1))
        if mask is not None and self.spec.per_step:
            label = tf.where(mask, label, "")
        return {"predictions": outputs, "label": label}

    def _scaled(self, features: tf.Tensor) -> tf.Tensor:
        if not self.spec.input_scale:
            return features
        mean, deviation = (tf.constant(values) for values in self.spec.input_scale)
        return (features - mean) / deviation

    def _unscaled(self, outputs: tf.Tensor) -> tf.Tensor:
        if not self.spec.output_scale:
            return outputs
        mean, deviation = (tf.constant(values) for values in self.spec.output_scale)
        return tf.reshape(outputs * deviation + mean, [tf.shape(outputs)[0], -1, self.spec.input_size])

    def _score(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        ids, lengths = self._codec.encode(text)
        logits = self._model(ids[:, :-1])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids[:, 1:], logits=logits)
        real = tf.sequence_mask(lengths, tf.shape(losses)[1], losses.dtype)
        nats = tf.reduce_sum(losses * real, 1)
        mean = tf.math.divide_no_nan(nats, tf.cast(lengths, nats.dtype))
        per_unit = {"bits_per_char": mean / math.log(2)} if self.spec.level == "char" else {"perplexity": tf.exp(mean)}
        return {"log_probability": -nats, **per_unit}

    def _generate(
        self, prompt: tf.Tensor, length: tf.Tensor, temperature: tf.Tensor, top_k: tf.Tensor, seed: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        ids, lengths = self._codec.encode(prompt)
        batch = tf.shape(ids)[0]
        mask = tf.sequence_mask(lengths + 1, tf.shape(ids)[1])
        logits, state = self._model.run(ids, self._model.initial_state(batch), mask=mask)

        def body(t: tf.Tensor, logits: tf.Tensor, state: list, written: tf.Tensor) -> tuple:
            chosen = choose(logits, temperature, top_k, tf.stack([seed, t]))
            logits, state = self._model.step(chosen, state)
            return t + 1, logits, state, tf.tensor_scatter_nd_update(written, [[t]], chosen[None])

        # at padding the last real step is repeated, so the last logits are those after the prompt
        loop = (tf.constant(0), logits[:, -1], state, tf.zeros([length, batch], tf.int32))
        *_, written = tf.while_loop(lambda t, *_: t < length, body, loop)
        return {"text": self._codec.join(prompt, self._codec.decode(tf.transpose(written)))}


def function(call: Signature, specs: list[tf.TensorSpec]) -> Any:
    """A traced function whose arguments have the names of the specs, as callers will use them."""

    def plain(*arguments: tf.Tensor) -> dict[str, tf.Tensor]:
        with plain_loop():
            return call(*arguments)

    return tf.function(plain, input_signature=specs).get_concrete_function()


def texts(rng: np.random.Generator, vocabulary: tuple[str, ...], level: str, batch: int, time: int) -> tf.Tensor:
    """Texts of random symbols, each a little shorter than the one before."""
    between = "" if level == "char" else " "
    symbols = vocabulary[len(SPECIAL) :]
    if level == "line":
        return tf.constant([rng.choice(symbols) for _ in range(batch)])
    return tf.constant([between.join(rng.choice(symbols, time - i)) for i in range(batch)])


def scalar(dtype: tf.DType, name: str) -> tf.TensorSpec:
    return tf.TensorSpec([], dtype, name)


def named(states: list) -> dict[str, tf.Tensor]:
    return {f"state_{i}": tf.identity(state) for i, state in enumerate(states)}
