"""Models of one sequence: embedding, recurrent core, output layer."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.cells.noise import Dropout
from rnnzoo.errors import UserError
from rnnzoo.layers import CRF
from rnnzoo.models.base import ZooModel
from rnnzoo.models.embedding import embed
from rnnzoo.models.forecast_transform import NO_REFERENCE, ForecastTransform
from rnnzoo.spec import TaskSpec


@keras.saving.register_keras_serializable(package="rnnzoo")
class Network(ZooModel):
    """Embedding (of tokens), recurrent core and linear output layer, built from a `TaskSpec`.

    Call it with ids `[batch, time]` (`[batch, time, columns]` for words with features or characters) or features
    `[batch, time, features]`; it returns logits or values, `[batch, time, outputs]` for each step or `[batch,
    outputs]`. `run` also takes and returns the states; `step` runs one step of a stream.

    Args:
        core: a layer with the interface of `rnnzoo.layers.Stack`; its `return_sequences` and `return_state` are set.
        spec: the specification of the task.
        embedding: a layer from the inputs to `[..., size]`, or None.
        recipe: registered name and options, from which the model is created again when it is loaded.
        dropout: fraction of the inputs of the output layer that is dropped in training.
        crf: whether a conditional random field predicts the labels of a sequence together.

    Raises:
        UserError: a core that is not causal for a task that predicts the next input, or a task of trees or pairs.
    """

    def __init__(
        self,
        core: Any,
        spec: TaskSpec,
        embedding: Any,
        recipe: tuple[str, dict[str, Any]],
        dropout: float = 0.0,
        crf: bool = False,
        **kwargs,
    ):
        super().__init__(spec, recipe, **kwargs)
        if spec.inputs not in ("tokens", "features"):
            kind, model = ("trees", "recursive") if spec.inputs == "tree" else ("sources and targets", "seq2seq")
            raise UserError(f"model '{recipe[0]}' reads one sequence, and this task has {kind}: use --model={model}")
        if spec.predicts_next and not core.causal:
            raise UserError(
                f"model '{recipe[0]}' is bidirectional, so it cannot be a language model: it would have seen the next "
                "input, which it predicts; choose a unidirectional model, or another task"
            )
        if crf and not (spec.outputs == "class" and spec.per_step):
            raise UserError("--crf applies to tasks with a class for every step, such as tag")
        self.core = core
        core.return_sequences, core.return_state = spec.per_step, True
        self.dropout = Dropout(dropout) if dropout else None
        self.embedding = embedding
        transformed = spec.difference != "none" or spec.normalize == "window" or spec.quantiles
        self._forecast = ForecastTransform(spec) if spec.is_forecast and transformed else None
        # logits and predictions in float32, whatever the policy
        initializer: Any = "glorot_uniform"
        if spec.difference != "none":  # outputs that are added to a reference are small at first
            initializer = keras.initializers.RandomNormal(stddev=1e-3)  # takes a seed, so only where it is used
        self.head = keras.layers.Dense(spec.output_size, kernel_initializer=initializer, dtype="float32", name="head")
        self.crf = CRF(name="crf") if crf else None
        self(self.example_inputs())

    def example_inputs(self, batch_size: int = 1, time: int = 2) -> tf.Tensor:
        """Returns inputs of zeros of the right kind."""
        if self.spec.inputs == "tokens":
            columns = [len(self.spec.id_sizes)] if len(self.spec.id_sizes) > 1 else []
            return tf.zeros([batch_size, time, *columns], tf.int32)
        return tf.zeros([batch_size, time, self.spec.input_size])

    def run(self, inputs: Any, state: Any, mask: Any = None, training: Any = False) -> tuple[Any, list]:
        """Runs a part of a sequence from given states: `(outputs, new_states)`."""
        reference: Any = None
        if self._forecast is not None:
            inputs, reference = self._forecast.prepare(inputs, mask)
        hidden, *state = self.core(self._embed(inputs), initial_state=state, mask=mask, training=training)
        hidden = hidden if self.dropout is None else self.dropout(hidden, training=training)
        outputs = self.head(hidden) if self.crf is None else self.crf(self.head(hidden))
        return outputs if self._forecast is None else self._forecast.finish(outputs, reference), state

    @property
    def causal(self) -> bool:
        """Whether the model can stream: an output depends on no later input, and no transformation on the window."""
        return self.core.causal and self.spec.difference == "none" and self.spec.normalize == "train"

    def step(self, inputs: Any, state: Any) -> tuple[Any, list]:
        """Runs one step of a stream, for ids `[batch]` or features `[batch, features]`: `(outputs, new_states)`.

        Raises:
            UserError: the model is not causal.
        """
        if not self.causal:
            if self.core.causal:
                raise UserError("a model with --difference or --normalize=window needs whole windows and cannot stream")
            raise UserError(f"model '{self._recipe[0]}' is bidirectional and cannot stream; use a unidirectional model")
        hidden, state = self.core.step(self._embed(inputs), state)
        outputs = self.head(hidden)
        return outputs if self._forecast is None else self._forecast.finish(outputs, NO_REFERENCE), state

    def initial_state(self, batch_size: Any) -> list[tf.Tensor]:
        """Returns the states before the first step."""
        return self.core.get_initial_state(batch_size)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask if self.spec.per_step else None

    def _embed(self, inputs: Any) -> Any:
        return inputs if self.embedding is None else embed(self.embedding, inputs)
