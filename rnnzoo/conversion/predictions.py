"""Predictions for batches of a task, by the model in memory and by converted files."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from keras import tree

from rnnzoo.conversion.numeric import NEXT, Arrays
from rnnzoo.data.batch import Batch
from rnnzoo.data.trees import COLUMNS
from rnnzoo.export.signatures import ServedModel
from rnnzoo.models.sampling import NEVER_GENERATED
from rnnzoo.spec import BOS, EOS, PAD

Run = Callable[[str, Arrays], Arrays]  # of a signature


class Prediction(NamedTuple):
    """The outputs of a model for a batch, in the form of its training.

    Attributes:
        outputs: logits or values.
        labels: the predicted classes, or None.
        hypotheses: the generated ids, or None.
    """

    outputs: Any
    labels: Any = None
    hypotheses: Any = None


def predict_in_memory(serving: ServedModel, batch: Batch, run: Run) -> Prediction:
    """Returns the prediction of the Keras model; `run` is ignored."""
    model: Any = serving.model
    outputs, _ = model.run(tree.map_structure(tf.constant, batch.inputs), None, mask=batch.mask)
    labels = model.predict_labels(outputs, batch.mask) if serving.spec.outputs == "class" else None
    hypotheses = model.greedy(batch.inputs[0])[0] if serving.spec.generates_text else None
    return Prediction(outputs, labels, hypotheses)


def predict_converted(serving: Any, batch: Batch, run: Run) -> Prediction:
    """Returns the prediction of the signatures that answer whole examples, or of `encode` and `decode_step`."""
    spec, inputs = serving.spec, batch.inputs
    if spec.generates_text:
        return _translate(serving, batch, run)
    if spec.inputs == "pair":
        source = inputs[0][:, 0] if spec.source == "features" and spec.source_length == 1 else inputs[0]
        name = "ids" if spec.source == "tokens" else "features"
        outputs = run("serving_default", {name: source})["predictions"]
        return Prediction(outputs[:, : batch.targets.shape[1]])
    if spec.inputs == "tree":
        given = {name: inputs[..., i] for i, name in enumerate(("ids", *COLUMNS))}
        answer = run("serving_default", given)
    elif spec.inputs == "tokens":
        answer = run("serving_default", {"ids": inputs})
    else:
        features = _unscale_inputs(spec, inputs)
        lengths = None if batch.mask is None else np.asarray(batch.mask).sum(1).astype("int32")
        given = {"features": features} if lengths is None else {"features": features, "lengths": lengths}
        answer = run("serving_default" if lengths is None else "padded", given)
    labels = np.maximum(answer["label_id"], 0) if "label_id" in answer else None
    return Prediction(_scale_outputs(spec, answer["predictions"]), labels)


def predict_by_steps(serving: Any, batch: Batch, run: Run) -> Prediction:
    """Returns the prediction of the signature `step`, called once for each time step."""
    spec, model = serving.spec, serving.model
    inputs = batch.inputs if spec.inputs == "tokens" else _unscale_inputs(spec, batch.inputs)
    rows, time = inputs.shape[:2]
    state = {f"state_{i}": np.array(value) for i, value in enumerate(model.initial_state(rows))}
    steps = []
    for t in range(time):
        answer = run("step", {"inputs": np.ascontiguousarray(inputs[:, t]), **state})
        state = {name.removeprefix(NEXT): value for name, value in answer.items() if name.startswith(NEXT)}
        steps.append(answer["outputs"])
    if spec.per_step:
        outputs = _scale_outputs(spec, np.stack(steps, 1))
    else:
        lengths = np.full(rows, time) if batch.mask is None else np.asarray(batch.mask).sum(1)
        outputs = _scale_outputs(spec, np.stack(steps, 1)[np.arange(rows), np.maximum(lengths, 1) - 1])
    labels = model.predict_labels(tf.constant(outputs), batch.mask) if spec.outputs == "class" else None
    return Prediction(outputs, labels)


def _unscale_inputs(spec: Any, inputs: np.ndarray) -> np.ndarray:
    """Converts inputs of the model to the user's units."""
    if not spec.input_scale:
        return inputs
    mean, deviation = (np.array(values, "float32") for values in spec.input_scale)
    return (inputs * deviation + mean).astype("float32")


def _scale_outputs(spec: Any, values: np.ndarray) -> np.ndarray:
    """Converts values in the user's units to outputs of the model."""
    if not spec.output_scale:
        return values
    mean, deviation = (np.array(column) for column in spec.output_scale)
    if spec.regression:
        return ((values - mean[0]) / deviation[0])[..., None]
    flat = np.reshape(values, (len(values), len(mean), -1))
    return np.reshape((flat - mean[:, None]) / deviation[:, None], (len(values), -1))


def _translate(serving: Any, batch: Batch, run: Run) -> Prediction:
    """Computes the outputs after the true previous tokens, and generates greedily."""
    source, previous = batch.inputs
    features = source[:, 0] if serving.spec.source == "features" and serving.spec.source_length == 1 else source
    start = run("encode", {"ids" if serving.spec.source == "tokens" else "features": features})
    outputs, state = [], start
    for t in range(previous.shape[1]):
        log_p, state = _decode(run, previous[:, t], state)
        outputs.append(log_p)
    hypotheses, state = [], start
    ids, ended = np.full(len(source), BOS, "int32"), np.zeros(len(source), bool)
    for _ in range(serving.spec.output_length):
        log_p, state = _decode(run, ids, state)
        log_p[:, list(NEVER_GENERATED)] = -np.inf
        ids = log_p.argmax(-1).astype("int32")
        ended |= ids == EOS
        hypotheses.append(np.where(ended, PAD, ids))
        if ended.all():
            break
    return Prediction(np.stack(outputs, 1), hypotheses=np.stack(hypotheses, 1).astype("int32"))


def _decode(run: Run, ids: np.ndarray, state: Arrays) -> tuple[np.ndarray, Arrays]:
    answer = run("decode_step", {"inputs": np.ascontiguousarray(ids, "int32"), **state})
    new = {name.removeprefix(NEXT): value for name, value in answer.items() if name.startswith(NEXT)}
    return np.array(answer["log_probabilities"]), {**state, **new}
