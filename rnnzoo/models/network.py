"""Input to outputs: embedding, recurrent core, head."""

from typing import Any

import keras
import tensorflow as tf

from rnnzoo.errors import UserError
from rnnzoo.models.base import ZooModel
from rnnzoo.models.embedding import embed
from rnnzoo.spec import TaskSpec


@keras.saving.register_keras_serializable(package="rnnzoo")
class Network(ZooModel):
    """Embedding (of tokens), recurrent core, linear head; built from a `TaskSpec`.

    Call it with ids `[batch, time]` (of words with their spelling `[batch, time, 1 + word_length]`) or
    features `[batch, time, features]`; it returns logits or values, `[batch, time, outputs]` per step or
    `[batch, outputs]`. `run` also takes and returns the states, `step` is one step of a stream.

    Args:
        core: a layer with the interface of `rnnzoo.layers.Stack`; it is made to return what the task needs.
        spec: what goes in and what comes out.
        embedding: a layer from what the task gives to `[..., size]`, or None.
        recipe: registered name and options, from which the model is made again when it is loaded.
        dropout: fraction of what enters the head that is hidden in training.

    Raises:
        UserError: a core that reads ahead for a task that guesses the next token, or a task of pairs.
    """

    def __init__(
        self,
        core: Any,
        spec: TaskSpec,
        embedding: Any,
        recipe: tuple[str, dict[str, Any]],
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(spec, recipe, **kwargs)
        if spec.inputs not in ("tokens", "features"):
            has = (
                "trees: --model=recursive"
                if spec.inputs == "tree"
                else "sources and what is written for each: --model=seq2seq"
            )
            raise UserError(f"model '{recipe[0]}' reads one sequence, and this task has {has} is for that")
        if spec.guesses_next and not core.causal:
            raise UserError(
                f"model '{recipe[0]}' reads ahead, so it cannot be a language model: what it is to guess, the next "
                "input, it would have seen; choose a model of one direction, or another task"
            )
        self.core = core
        core.return_sequences, core.return_state = spec.per_step, True
        self.dropout = keras.layers.Dropout(dropout) if dropout else None
        self.embedding = embedding
        # logits and predictions in float32, whatever the policy
        self.head = keras.layers.Dense(spec.output_size, dtype="float32", name="head")
        self(self.example())

    def example(self, batch_size: int = 1, time: int = 2) -> tf.Tensor:
        """Inputs of the right kind, all zero."""
        if self.spec.inputs == "tokens":
            spelling = [1 + self.spec.word_length] if self.spec.word_length else []
            return tf.zeros([batch_size, time, *spelling], tf.int32)
        return tf.zeros([batch_size, time, self.spec.input_size])

    def run(self, inputs: Any, state: Any, mask: Any = None, training: Any = False) -> tuple[Any, list]:
        """A part of a sequence, the states before it in, those after it out: `(outputs, state)`."""
        hidden, *state = self.core(self._embed(inputs), initial_state=state, mask=mask, training=training)
        hidden = hidden if self.dropout is None else self.dropout(hidden, training=training)
        return self.head(hidden), state

    @property
    def causal(self) -> bool:
        """Whether an output depends on no later input, so that the model can stream."""
        return self.core.causal

    def step(self, inputs: Any, state: Any) -> tuple[Any, list]:
        """One step of a stream: `inputs [batch]` (ids) or `[batch, features]`. Raises `UserError` if it reads ahead."""
        if not self.causal:
            raise UserError(f"model '{self._recipe[0]}' reads ahead and cannot stream; one of one direction can")
        hidden, state = self.core.step(self._embed(inputs), state)
        return self.head(hidden), state

    def initial_state(self, batch_size: Any) -> list[tf.Tensor]:
        """The states before the first step."""
        return self.core.get_initial_state(batch_size)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask if self.spec.per_step else None

    def _embed(self, inputs: Any) -> Any:
        return inputs if self.embedding is None else embed(self.embedding, inputs)
