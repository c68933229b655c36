"""Pretrained models as Keras models."""

import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rnnzoo.inference.trained_model import load_trained_model
from rnnzoo.spec import PAD
from rnnzoo.training.metrics import losses


def load_pretrained(name: str | os.PathLike) -> Any:
    """Loads a pretrained model as a Keras model with its weights, compiled for further training.

    The weights are the variables of the SavedModel. `model.spec` holds the vocabulary and the kinds of inputs and
    outputs. `fit` takes the inputs of the model, such as ids `[batch, time]`, and targets of the shape of its task.
    Target tokens that are padding (0) do not count; for other padded targets give `sample_weight`.

    Args:
        name: a name of `list_pretrained`, the folder of an export, or the folder of a run.

    Returns:
        A `keras.Model`, compiled with Adam (learning rate 0.001) and the loss of its task.

    Raises:
        UserError: there is no such model (the message names the nearest ones), or it is damaged.

    >>> import numpy as np, tempfile, rnnzoo
    >>> trained = rnnzoo.create_model("elman", rnnzoo.create_task("reber").spec, units=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = load_pretrained(rnnzoo.export_saved_model(trained, f"{folder}/mine"))
    >>> model.spec.vocabulary[3:]
    ('B', 'T', 'P', 'S', 'X', 'V', 'E')
    >>> ids = np.array([[2, 3, 4], [2, 3, 5]])
    >>> history = model.fit(ids[:, :-1], ids[:, 1:], verbose=0)
    """
    model, _ = load_trained_model(name)
    model.compile("adam", _loss_of(model))
    return model


def _loss_of(model: Any) -> Callable[[Any, Any], Any]:
    """Returns the loss of a model's task as a function of Keras, of targets and outputs."""
    if model.crf is not None:
        return model.crf.loss

    def loss(targets: Any, outputs: Any) -> Any:
        # Keras casts targets to floats
        targets = tf.cast(targets, tf.int32 if model.spec.loss == "cross_entropy" else outputs.dtype)
        values = losses(model.spec, outputs, targets)
        if model.spec.outputs != "token":
            return values
        weights = tf.cast(targets != PAD, values.dtype)  # scaled, as Keras takes the mean over all steps
        return values * tf.math.divide_no_nan(weights, tf.reduce_mean(weights))

    return loss
