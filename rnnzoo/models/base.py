"""Base class of all models, and their creation by name."""

import re
from typing import Any

import keras
import tensorflow as tf

from rnnzoo import config
from rnnzoo.registry import MODELS
from rnnzoo.renames import apply_renames, apply_value_rename
from rnnzoo.spec import TaskSpec


class ZooModel(keras.Model):
    """Base class of models, built for a `TaskSpec` from a recipe: the registered name and the options.

    `run(inputs, state, mask, training)` is used in training: it returns outputs `[batch, time, ...]` or `[batch,
    ...]`, and the new states; `initial_state(batch_size)` returns the states before the first step, an empty list if
    there are none.
    """

    supports_xla = True  # whether XLA can compile the model
    embedding: Any = None  # of the input tokens
    source_embedding: Any = None  # of the source tokens of a "pair"
    crf: Any = None  # a layer that predicts the labels of a sequence together, or None

    def __init__(self, spec: TaskSpec, recipe: tuple[str, dict[str, Any]], **kwargs):
        super().__init__(**kwargs)
        self.spec, self._recipe = spec, recipe
        self.supports_masking = True

    def run(self, inputs: Any, state: Any, mask: Any = None, training: Any = False) -> tuple[Any, list]:
        """Runs a part of a sequence from given states: `(outputs, new_states)`."""
        raise NotImplementedError(f"{type(self).__name__} does not define run")

    def initial_state(self, batch_size: Any) -> list[tf.Tensor]:
        """Returns the states before the first step."""
        return []

    def call(self, inputs: Any, training: Any = False, mask: Any = None) -> Any:
        return self.run(inputs, None, mask=mask, training=training)[0]

    def predict_labels(self, outputs: Any, mask: Any = None) -> tf.Tensor:
        """Returns the predicted labels `[batch, ...]` for outputs of the model, the logits of classes."""
        return tf.argmax(outputs, -1, tf.int32) if self.crf is None else self.crf.decode(outputs, mask)

    @property
    def word_embedding(self) -> Any:
        """The embedding of the input tokens, of a "pair" those of the source."""
        return self.embedding if self.source_embedding is None else self.source_embedding

    def weights_by_path(self) -> dict[str, Any]:
        """Returns the weights by their path in the model, `{path: variable}`.

        The paths are those of `variable.path`, but with the numbers of equal names counted within a layer, so that
        they do not depend on other models in the process.
        """
        names: dict[str, dict[str, str]] = {}
        weights = {}
        for variable in self.weights:
            path = ""
            for part in variable.path.split("/"):
                known, base = names.setdefault(path, {}), re.sub(r"_\d+$", "", part)
                if part not in known:
                    number = sum(re.sub(r"_\d+$", "", other) == base for other in known)
                    known[part] = f"{base}_{number}" if number else base
                path = f"{path}/{known[part]}" if path else known[part]
            weights[path] = variable
        if len(weights) != len(self.weights):
            raise RuntimeError(f"two weights of {self.name} have the same path")
        return weights

    def get_config(self) -> dict[str, Any]:
        name, options = self._recipe
        return {
            "model": name,
            "spec": self.spec.to_json(),
            "options": options,
            "name": self.name,
            "dtype": self.dtype_policy.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(config.get("dtype") or policy)
        try:
            name, options = apply_value_rename(config["model"]), apply_renames("option", config["options"])
            model: Any = create_model(name, TaskSpec.from_json(config["spec"]), **options)
        finally:
            keras.config.set_dtype_policy(policy)
        model.name = config["name"]
        return model


def list_models(pattern: str = "*") -> list[str]:
    """Returns the names of the registered models that match an fnmatch pattern, sorted.

    >>> list_models("lstm*")
    ['lstm', 'lstm-layernorm', 'lstm-peephole']
    """
    return MODELS.list(pattern)


def create_model(name: str, spec: TaskSpec, **options: Any) -> keras.Model:
    """Creates a registered model for a task.

    Args:
        name: a registered name, see `list_models`.
        spec: the specification of the task.
        **options: options of the model, as its flags.

    Raises:
        UserError: an unknown name, an option that the model lacks, or a value out of range.

    >>> import rnnzoo
    >>> model = create_model("elman", rnnzoo.create_task("adding").spec, units=8)
    >>> model.count_params()
    97
    """
    return MODELS[name](spec, config.create_options(config.options_class(MODELS[name]), options, f"model '{name}'"))
