"""Base class and helpers of the signatures of a SavedModel."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.engine.modes import export_mode
from rnnzoo.export.tokenizer import Tokenizer
from rnnzoo.spec import SPECIAL_TOKENS

Signature = Callable[..., dict[str, tf.Tensor]]


class ServedModel:
    """Base class of the signatures of an exported model.

    Every input and output has the batch as its first dimension, so that a server can send rows one by one and batch
    requests; an argument that all rows may share is `[n]` or `[1]`.

    Attributes:
        model: the model.
        spec: its specification.
        functions: traced functions by the name of their signature.
        vocabulary: the tokenizers of these functions.
    """

    functions: dict[str, Any]
    vocabulary: dict[str, Tokenizer]

    def __init__(self, model: Any):
        self.model, self.spec = model, model.spec

    def saved_object(self) -> tf.Module:
        """Returns the object to save: the weights by path and the vocabulary.

        Its variables are those that the functions read. If the Keras model were saved, each would be written twice,
        and the session of a server would restore the copies only.
        """
        saved = tf.Module()
        saved.weights = {path: weight.value for path, weight in self.model.weights_by_path().items()}
        saved.vocabulary = dict(self.vocabulary)
        return saved

    def unscale_outputs(self, outputs: tf.Tensor) -> tf.Tensor:
        """Converts outputs of the model to the user's units."""
        return outputs

    def add_label_ids(self, outputs: tf.Tensor, mask: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Returns the predictions, and the ids of classes that have names, `label_id`; -1 at padding."""
        if self.spec.outputs != "class" or not self.spec.labels:
            return {"predictions": self.unscale_outputs(outputs)}
        labels = self.model.predict_labels(outputs, mask)
        if mask is not None and self.spec.per_step:
            labels = tf.where(mask, labels, -1)
        return {"predictions": outputs, "label_id": labels}

    def add_labels(self, outputs: tf.Tensor, mask: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Returns the predictions, and the names of classes that have names, `label`; empty at padding."""
        results = self.add_label_ids(outputs, mask)
        if "label_id" in results:
            results["label"] = tf.gather(tf.constant(("", *self.spec.labels)), results.pop("label_id") + 1)
        return results

    def probes(self) -> list[tuple[str, int, dict[str, Any]]]:
        """Returns `(signature, number, arguments)` for every signature, of several batch sizes and lengths."""
        raise NotImplementedError(f"{type(self).__name__} does not define probes")


def make_function(call: Signature, specs: list[tf.TensorSpec]) -> Any:
    """Traces a function whose arguments have the names of the specifications.

    A function without strings gets loops that LiteRT can convert.
    """
    portable = not any(spec.dtype == tf.string for spec in specs)

    def traced(*arguments: tf.Tensor) -> dict[str, tf.Tensor]:
        with export_mode(portable):
            return call(*arguments)

    return tf.function(traced, autograph=False, input_signature=specs).get_concrete_function()


def random_texts(rng: np.random.Generator, vocabulary: tuple[str, ...], level: str, batch: int, time: int) -> tf.Tensor:
    """Returns texts of random tokens, each a little shorter than the previous one."""
    between = "" if level == "char" else " "
    tokens = vocabulary[len(SPECIAL_TOKENS) :]
    if level == "line":
        return tf.constant([rng.choice(tokens) for _ in range(batch)])
    return tf.constant([between.join(rng.choice(tokens, time - i)) for i in range(batch)])


def name_states(states: list) -> dict[str, tf.Tensor]:
    """Returns states as named results of a signature."""
    return {f"state_{i}": tf.identity(state) for i, state in enumerate(states)}
