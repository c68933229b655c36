"""What a model expects, or says, after each step of a sequence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.inference.music import LOWEST
from rnnzoo.inspect import InputSequences
from rnnzoo.spec import SPECIAL_TOKENS, TaskSpec
from rnnzoo.walkthrough.lines import is_music

NUM_CHOICES = 8
MAX_VALUES = 64  # of a step


def expectations(model: Any, sequences: InputSequences) -> dict[str, Any]:
    """Returns what a model says after each step of one sequence.

    A model with one output for a sequence is asked after each step as if the sequence ended there.

    Returns:
        `about`, in words; and `choices`, for each step the most probable tokens or labels, `[[name, probability],
        ...]`, with a conditional random field also `labels`, those that it chooses; or `values`, for each step a list
        of numbers in the user's units.
    """
    spec = model.spec
    outputs = np.asarray(
        model(sequences.inputs, mask=sequences.mask) if spec.per_step else _after_each_step(model, sequences)
    )
    outputs = outputs[0] if spec.per_step else outputs
    if spec.outputs == "token":
        return {"about": "the next token", "choices": choices(softmax(outputs), spec.vocabulary)}
    if spec.outputs == "class":
        about = "the label of this token" if spec.per_step else "the class, if the input ended here"
        names = spec.labels or tuple(map(str, range(spec.output_size)))
        results = {"about": about, "choices": choices(softmax(outputs), names)}
        if model.crf is not None:  # which chooses the labels of a sequence together
            results["about"] = f"{about}, by itself"
            results["labels"] = [names[i] for i in np.asarray(model.predict_labels(tf.constant(outputs[None])))[0]]
        return results
    if is_music(spec):
        notes = [str(LOWEST + note) for note in range(spec.output_size)]
        return {"about": "the notes of the next chord", "choices": choices(1 / (1 + np.exp(-outputs)), notes)}
    about = (
        "the forecast" if spec.is_forecast else "the value" if spec.per_step else "the value, if the input ended here"
    )
    return {"about": about, "values": to_lists(unscale(spec, outputs)[:, :MAX_VALUES])}


def choices(probabilities: np.ndarray, names: Sequence[str]) -> list[list[list[Any]]]:
    """Returns the names of the highest probabilities `[steps, names]`, without padding."""
    count, answer = min(NUM_CHOICES, len(names)), []
    for row in probabilities:
        order = np.argsort(-row, kind="stable")[: count + 1]
        best = [i for i in order if names[i] != SPECIAL_TOKENS[0]][:count]
        answer.append([[names[i], round(float(row[i]), 5)] for i in best])
    return answer


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities for logits `[..., classes]`."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def unscale(spec: TaskSpec, outputs: np.ndarray) -> np.ndarray:
    """Returns outputs `[steps, values]` in the user's units."""
    if not spec.output_scale:
        return outputs
    mean, deviation = np.array(spec.output_scale)
    levels = max(1, len(spec.quantiles))
    return outputs * np.repeat(deviation, levels) + np.repeat(mean, levels)


def to_lists(values: np.ndarray) -> list:
    """Returns numbers rounded to what a page shows."""
    return np.round(np.asarray(values, "float64"), 4).tolist()


def _after_each_step(model: Any, sequences: InputSequences) -> np.ndarray:
    """Returns the outputs `[steps, ...]` for each beginning of a sequence."""
    time = sequences.inputs.shape[1]
    beginnings = np.repeat(np.asarray(sequences.inputs), time, 0)
    return np.asarray(model(beginnings, mask=tf.constant(np.tri(time, dtype=bool))))
