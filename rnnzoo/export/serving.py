"""The signatures that an exported model answers."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rnnzoo.export.text import Codec
from rnnzoo.layers.tick import plain_loop
from rnnzoo.models import Network
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
        self._codec: Any = Codec(model.spec) if model.spec.vocabulary else None
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
            made["initial_state"] = _function(self._initial_state, [_scalar(tf.int32, "batch_size")])
            made["step"] = _function(self._step, [one, *states])
        if spec.language_model:
            strings = tf.TensorSpec([None], tf.string, "text")
            made["serving_default"] = _function(self._score, [strings])
            arguments = [tf.TensorSpec([None], tf.string, "prompt"), _scalar(tf.int32, "length")]
            arguments += [_scalar(tf.float32, "temperature"), _scalar(tf.int32, "top_k"), _scalar(tf.int32, "seed")]
            made["generate"] = _function(self._generate, arguments)
        elif tokens:
            made["serving_default"] = _function(self._read, [tf.TensorSpec([None], tf.string, "text")])
        else:
            features = tf.TensorSpec([None, None, size], tf.float32, "features")
            made["serving_default"] = _function(self._predict, [features])
            made["padded"] = _function(self._predict_padded, [features, tf.TensorSpec([None], tf.int32, "lengths")])
        return made

    def _initial_state(self, batch_size: tf.Tensor) -> dict[str, tf.Tensor]:
        return _named(self._model.initial_state(batch_size))

    def _step(self, inputs: tf.Tensor, *states: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs, new = self._model.step(self._scaled(inputs), list(states))
        return {"outputs": self._unscaled(outputs), **_named(new)}

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


def choose(logits: tf.Tensor, temperature: tf.Tensor, top_k: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws a symbol `[batch]` from logits `[batch, symbols]`; never a special one."""
    symbols = logits.shape[-1]
    never = tf.constant([-math.inf] * len(SPECIAL) + [0.0] * (symbols - len(SPECIAL)), logits.dtype)
    logits = logits + never
    k = tf.where(top_k > 0, tf.minimum(top_k, symbols), symbols)
    least = tf.gather(tf.sort(logits, direction="DESCENDING"), k - 1, axis=1)[:, None]
    kept = tf.where(logits < least, never.dtype.min, logits / tf.maximum(temperature, 1e-6))
    drawn = tf.random.stateless_categorical(kept, 1, seed, tf.int32)[:, 0]
    return tf.where(temperature > 0, drawn, tf.argmax(logits, -1, tf.int32))


def _function(call: Signature, specs: list[tf.TensorSpec]) -> Any:
    """A tf.function whose arguments have the names of the specs, as callers will use them."""

    def plain(*arguments: tf.Tensor) -> dict[str, tf.Tensor]:
        with plain_loop():
            return call(*arguments)

    return tf.function(plain, input_signature=specs)


def _scalar(dtype: tf.DType, name: str) -> tf.TensorSpec:
    return tf.TensorSpec([], dtype, name)


def _named(states: list) -> dict[str, tf.Tensor]:
    return {f"state_{i}": tf.identity(state) for i, state in enumerate(states)}
