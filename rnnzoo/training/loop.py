"""The training loop, a generator of step results."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from rnnzoo.data.batch import Batch
from rnnzoo.errors import RunError
from rnnzoo.tasks.base.task import Task
from rnnzoo.training import checkpoint, metrics
from rnnzoo.training.class_weights import balance_classes
from rnnzoo.training.distribution import Distribution
from rnnzoo.training.engine import choose_engine
from rnnzoo.training.options import TrainingOptions


class StepResult(NamedTuple):
    """One training step.

    Attributes:
        step: its number, from 1.
        loss: the mean loss of the batch.
        gradient_norm: the global norm of the gradient before clipping.
    """

    step: int
    loss: float
    gradient_norm: float


class NotFiniteError(RunError, ArithmeticError):
    """The loss or the gradient is not finite. The message names the step and, if known, the weight."""


class Trainer:
    """Trains a model on a task, step by step.

    >>> import rnnzoo
    >>> task = rnnzoo.create_task("adding", seq_length=10, batch_size=4, eval_size=8)
    >>> trainer = Trainer(rnnzoo.create_model("elman", task.spec, units=4), task, TrainingOptions(steps=2))
    >>> [result.step for result in trainer.run()]
    [1, 2]
    >>> sorted(trainer.evaluate("validation"))
    ['accuracy', 'loss', 'mse']
    """

    def __init__(self, model: Any, task: Task, options: TrainingOptions, distribution: Distribution | None = None):
        self.model, self.task, self.options = model, task, options
        self.distribution = distribution or Distribution()
        rate: Any = options.learning_rate
        if options.schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, options.steps)
        self.optimizer = keras.optimizers.get({"class_name": options.optimizer, "config": {"learning_rate": rate}})
        self.optimizer.build(model.trainable_variables)
        self.distribution.adapt_optimizer(self.optimizer)
        self.step = 0
        self.tokens_per_step = 0
        self.norms: Any = None  # gradient norm of each trainable variable in the last step, before clipping
        self.state: list | None = None
        self.class_weights = balance_classes(model, task) if options.class_weights == "balanced" else None
        self.engine = choose_engine(model, options.jit_compile)
        jit = self.engine["name"] == "xla"
        compiled = {"jit_compile": jit, "reduce_retracing": not jit}
        self._train = self.distribution.compile(self._train_step, **compiled)
        self._evaluate = self.distribution.compile(self._evaluation_step, **compiled)

    def run(self) -> Iterator[StepResult]:
        """Yields the result of each step up to `options.steps`. Raises `NotFiniteError`."""
        while self.step < self.options.steps:
            batch = self.task.batch(self.options.seed, self.step)
            if self.state is None or not self.options.stateful:
                self.state = self._initial_state(batch)
            self.tokens_per_step = sum(array.shape[0] * array.shape[1] for array in tree.flatten(batch.inputs))
            prev_state = self.state
            (loss, norm, self.norms), _, self.state = self._train(batch.remove_references(), prev_state)
            self.step += 1
            result = StepResult(self.step, float(loss), float(norm))
            if not math.isfinite(result.loss) or not math.isfinite(result.gradient_norm):
                problem = "gradient is not finite" if math.isfinite(result.loss) else f"loss is {result.loss}"
                raise NotFiniteError(f"the {problem} at step {result.step}: {self._find_non_finite(batch, prev_state)}")
            yield result

    def evaluate(self, split: str) -> dict[str, float]:
        """Returns the metrics of a split."""
        return metrics.compute_metrics(self.task.spec, self.count_totals(split))

    def count_totals(self, split: str) -> metrics.Totals:
        """Returns the totals of a split, from which its metrics follow."""
        totals: dict[str, Any] = {}
        state = None
        for batch in self.task.evaluation(split):
            state = state or self._initial_state(batch)
            sums, rows, state = self._evaluate(batch.remove_references(for_metrics=True), state)
            batch_totals = {**sums, **rows}
            for name, value in metrics.complete_totals(self.task.spec, batch_totals, batch).items():
                totals[name] = totals[name] + value if name in totals else value
        return totals

    def layer_norms(self) -> dict[str, float]:
        """Returns the norm of the last step's gradient for the weights of each layer, before clipping."""
        squares: dict[str, float] = {}
        for variable, norm in zip(self.model.trainable_variables, self.norms.numpy().tolist(), strict=True):
            layer = variable.path.rpartition("/")[0].removeprefix(f"{self.model.name}/")
            squares[layer] = squares.get(layer, 0.0) + norm**2
        return {layer: math.sqrt(square) for layer, square in squares.items()}

    def variables(self) -> dict[str, list]:
        """Returns the state of the training: weights, random-generator states, optimizer and carried states."""
        return {
            "model": list(self.model.variables),
            "optimizer": list(self.optimizer.variables),
            "state": self.distribution.gather(self.state or []),
        }

    def restore(self, groups: dict[str, list], step: int) -> None:
        """Restores the state of the training. Raises `UserError` unless it is of this model and optimizer."""
        for name in ("model", "optimizer"):
            checkpoint.check_values(self.variables()[name], groups.get(name, []))
        if "state" in groups:
            rows = len(groups["state"][0]) if groups["state"][0].ndim else 0
            like = self.model.initial_state(rows)
            checkpoint.check_values(like, groups["state"])
            groups["state"] = [tf.cast(s, initial.dtype) for s, initial in zip(groups["state"], like, strict=True)]
        for name in ("model", "optimizer"):
            checkpoint.assign(self.variables()[name], groups[name])
        self.state = self.distribution.divide(groups["state"]) if "state" in groups else None
        self.step = step

    def _initial_state(self, batch: Batch) -> list:
        return self.distribution.divide(self.model.initial_state(len(batch.targets)))

    def _reset_states(self, restart: Any, state: list) -> list:
        """Returns the states, with the rows that restart set to the initial state."""
        if not state:
            return []
        fresh = self.model.initial_state(tf.shape(state[0])[0])
        if restart is None:
            return fresh
        return [tf.where(restart[:, None], f, s) for f, s in zip(fresh, state, strict=True)]

    def _gradients(self, batch: Batch, state: list) -> tuple:
        with tf.GradientTape() as tape:
            start = self._reset_states(batch.restart, state)
            outputs, state = self.model.run(batch.inputs, start, mask=batch.mask, training=True)
            losses = self._losses(outputs, batch, self.options.label_smoothing)
            weights = batch.weights
            if self.class_weights is not None:
                of_targets = tf.gather(self.class_weights, batch.targets)
                weights = of_targets if weights is None else weights * of_targets
            loss = self.distribution.share_of_mean(losses, weights)
            penalties = [penalty / self.distribution.num_replicas for penalty in self.model.losses]
            total = tf.add_n([loss, *penalties])
        gradients = tape.gradient(total, [v.value for v in self.model.trainable_variables])
        loss, *gradients = self.distribution.sum([loss, *map(tf.convert_to_tensor, gradients)])
        return loss, state, gradients

    def _losses(self, outputs: tf.Tensor, batch: Batch, smoothing: float = 0.0) -> tf.Tensor:
        """Returns the loss of each target."""
        if self.model.crf is not None:
            return self.model.crf.negative_log_likelihood(outputs, batch.targets, batch.mask)
        return metrics.losses(self.task.spec, outputs, batch.targets, smoothing)

    def _train_step(self, batch: Batch, state: list) -> tuple:
        loss, state, gradients = self._gradients(batch, state)
        norm, norms = tf.linalg.global_norm(gradients), tf.stack([tf.norm(g) for g in gradients])
        if self.options.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.options.clip_norm, norm)
        # the weights must not become non-finite, so that they can be saved
        is_finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        gradients = [tf.where(is_finite, g, tf.zeros_like(g)) for g in gradients]
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return (loss, norm, norms), (), state

    def _evaluation_step(self, batch: Batch, state: list) -> tuple:
        outputs, state = self.model.run(batch.inputs, self._reset_states(batch.restart, state), mask=batch.mask)
        hypotheses = self.model.greedy(batch.inputs[0])[0] if self.task.spec.generates_text else None
        losses = self._losses(outputs, batch)
        labels = self.model.predict_labels(outputs, batch.mask) if self.task.spec.outputs == "class" else None
        totals = metrics.compute_totals(self.task.spec, outputs, batch, losses, labels, hypotheses)
        rows = {name: totals.pop(name) for name in metrics.OF_ROWS if name in totals}
        return dict(zip(totals, self.distribution.sum(list(totals.values())), strict=True)), rows, state

    def _find_non_finite(self, batch: Batch, state: list) -> str:
        """Describes which weight, or which weight's gradient, is not finite."""
        variables = self.model.trainable_variables
        for variable in variables:
            if not np.isfinite(variable).all():
                return f"{variable.path} holds values that are not finite"
        find = self.distribution.compile(lambda batch, state: (self._gradients(batch, state)[2], (), ()))
        gradients, *_ = find(batch.remove_references(), state)
        for variable, gradient in zip(variables, gradients, strict=True):
            if not np.isfinite(gradient).all():
                return f"the gradient of {variable.path} is not finite; try a lower --learning_rate"
        return "the data may hold values that are not finite"
