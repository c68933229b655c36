"""Base class and helpers of the signatures of a SavedModel."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.export.text import Codec
from rnnzoo.layers.tick import plain_loop
from rnnzoo.spec import SPECIAL

Signature = Callable[..., dict[str, tf.Tensor]]


class ServedModel:
    """Base class of the signature sets of exported models.

    Subclasses set `functions`, traced functions by the name of their signature, and `vocabulary`, what these functions
    look strings up in. Every input and output has the batch as its first dimension, so that a server can send rows one
    by one and put requests together; a value that could be one for all rows is `[n]` or `[1]`.
    """

    functions: dict[str, Any]
    vocabulary: dict[str, Codec]

    def __init__(self, model: Any):
        self._model, self.spec = model, model.spec

    def to_save(self) -> tf.Module:
        """Returns the object to save: the weights by path and the vocabulary, and nothing else.

        Its variables are those that the functions read. If the Keras model were saved, each would be written a second
        time, and the session of a server would restore the copies only.
        """
        saved = tf.Module()
        saved.weights = {path: weight.value for path, weight in self._model.weights_by_path().items()}
        saved.vocabulary = dict(self.vocabulary)
        return saved

    def probes(self) -> list[tuple[str, int, dict[str, Any]]]:
        """Arguments for every signature, for several batch sizes and lengths: `(signature, number, arguments)`."""
        raise NotImplementedError(f"{type(self).__name__} does not define probes")


def function(call: Signature, specs: list[tf.TensorSpec]) -> Any:
    """A traced function whose arguments have the names of the specs, as callers will use them.

    A function of numbers alone has loops that LiteRT converts; it has no use for one that reads strings.
    """
    portable = not any(spec.dtype == tf.string for spec in specs)

    def plain(*arguments: tf.Tensor) -> dict[str, tf.Tensor]:
        with plain_loop(portable):
            return call(*arguments)

    return tf.function(plain, input_signature=specs).get_concrete_function()


def texts(rng: np.random.Generator, vocabulary: tuple[str, ...], level: str, batch: int, time: int) -> tf.Tensor:
    """Texts of random symbols, each a little shorter than the one before."""
    between = "" if level == "char" else " "
    symbols = vocabulary[len(SPECIAL) :]
    if level == "line":
        return tf.constant([rng.choice(symbols) for _ in range(batch)])
    return tf.constant([between.join(rng.choice(symbols, time - i)) for i in range(batch)])


def label_names(spec: Any, outputs: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
    """The name of the likeliest class of `outputs [..., classes]`; empty at padding where each step has one."""
    likeliest = tf.argmax(outputs, -1, tf.int32)
    if mask is None or not spec.per_step:
        return tf.gather(tf.constant(spec.labels), likeliest)
    return tf.gather(tf.constant(("", *spec.labels)), tf.where(mask, likeliest + 1, 0))


def named(states: list) -> dict[str, tf.Tensor]:
    return {f"state_{i}": tf.identity(state) for i, state in enumerate(states)}
