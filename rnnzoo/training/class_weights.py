"""Weights of classes in the loss."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.errors import UserError
from rnnzoo.tasks.base.task import Task


def balance_classes(model: Any, task: Task) -> tf.Tensor:
    """Returns a weight for each class, inverse to its number of training targets, with a mean of 1 over the targets.

    Raises:
        UserError: the task has no classes, or the model predicts all labels of a sequence together.
    """
    counts = task.class_counts()
    if counts is None:
        raise UserError("--class_weights=balanced applies to tasks with classes and data of their own; leave it out")
    if model.crf is not None:
        raise UserError("--class_weights=balanced and --crf exclude each other: give one")
    occurs = counts > 0
    return tf.constant(np.where(occurs, counts.sum() / (occurs.sum() * np.maximum(counts, 1)), 0), tf.float32)
