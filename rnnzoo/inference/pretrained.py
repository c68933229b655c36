"""Pretrained models as Keras models."""

import os
from typing import Any

from rnnzoo.inference.trained_model import load_trained_model
from rnnzoo.training.metrics import losses


def load_pretrained(name: str | os.PathLike) -> Any:
    """Loads a pretrained model as a Keras model with its weights, compiled for further training.

    The weights are the variables of the SavedModel. `model.spec` holds the vocabulary and the kinds of inputs and
    outputs. `fit` takes the inputs of the model, such as ids `[batch, time]`, and targets of the shape of its task.

    Args:
        name: a name of `list_pretrained`, the folder of an export, or the folder of a run.

    Returns:
        A `keras.Model`, compiled with Adam (learning rate 0.001) and the loss of its task.

    Raises:
        UserError: there is no such model (the message names the nearest ones), or it is damaged.

    >>> model = load_pretrained("lstm-reber")
    >>> model.name, model.spec.input_size
    ('network', 7)
    """
    model, _ = load_trained_model(name)
    loss = model.crf.loss if model.crf is not None else lambda y, outputs: losses(model.spec, outputs, y)
    model.compile("adam", loss)
    return model
