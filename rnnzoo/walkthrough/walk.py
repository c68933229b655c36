"""A walk of a model through one line of input."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.data.trees import Tree
from rnnzoo.errors import UserError
from rnnzoo.inspect import InputSequences, trace
from rnnzoo.models import TreeNetwork
from rnnzoo.spec import BOS, PAD, UNKNOWN
from rnnzoo.walkthrough.expectations import choices, expectations, softmax, to_lists
from rnnzoo.walkthrough.layer_values import layer_values
from rnnzoo.walkthrough.lines import read_line, read_tree

MAX_STEPS = 200


def walk(
    model: Any, line: str, *, units: Sequence[int] = (), beams: int = 1, max_steps: int = MAX_STEPS
) -> dict[str, Any]:
    """Runs a model on a line and returns what happens at each step, as values that JSON can hold.

    Args:
        model: a model of `rnnzoo.create_model` or `rnnzoo.load_pretrained`.
        line: text; for models of numbers a line as `python -m rnnzoo.predict` reads it; for models of music chords of
            MIDI numbers, separated by spaces; for models of trees one tree.
        units: units of each layer that are shown besides the most variable ones.
        beams: width of the beam search of an encoder-decoder.
        max_steps: the longest input.

    Returns:
        For a sequence `inputs`, the token of each step; `expected`, see `expectations`; and `layers`, see
        `layer_values`. An encoder-decoder has also `outputs`, the tokens that it writes, its expectations at each of
        them, `attention [output step][input step]`, and `beams`, the hypotheses after each step of the search. A tree
        has `nodes`, each with token, parent and what the model says there.

    Raises:
        UserError: a line that the model cannot read, or one that is too long.
    """
    if isinstance(model, TreeNetwork):
        return _walk_tree(model, line, max_steps)
    sequences = read_line(model, line)
    steps = len(sequences.tokens[0])
    if steps > max_steps:
        raise UserError(f"the input has {steps} steps, and at most {max_steps} are shown")
    if model.spec.inputs == "pair":
        return _walk_pair(model, sequences, units, beams, min(model.spec.output_length, max_steps))
    return {
        "kind": "sequence",
        "inputs": list(sequences.tokens[0]),
        "expected": expectations(model, sequences),
        "layers": [layer_values(layer, units) for layer in trace(model, sequences, equations=True)],
    }


def _walk_pair(model: Any, sequences: InputSequences, units: Sequence[int], beams: int, length: int) -> dict[str, Any]:
    source, spec = sequences.inputs[0], model.spec
    answer: dict[str, Any] = {"kind": "pair", "inputs": list(sequences.tokens[0])}
    if spec.outputs == "token":
        history = _beam_history(model, source, beams, length)
        ids = history[-1][0][0]
        answer["beams"] = [
            [
                {"tokens": _tokens(spec.vocabulary, ids), "score": round(float(s), 4)}
                for ids, s in zip(*step, strict=True)
            ]
            for step in history
        ]
        answer["outputs"] = [*_tokens(spec.vocabulary, ids), "</s>"][:length]
        previous = np.array([[BOS, *ids[ids != PAD]]], "int32")[:, :length]
    else:
        answer["outputs"] = [str(step + 1) for step in range(length)]
        previous = np.zeros([1, length, 0], "float32")
    outputs = np.asarray(model((source, previous)))[0]
    if spec.outputs == "token":
        answer["expected"] = {"about": "the next token", "choices": choices(softmax(outputs), spec.vocabulary)}
    else:
        answer["expected"] = {"about": "the value", "values": to_lists(outputs)}
    if model.decoder.attention is not None:
        answer["attention"] = to_lists(np.asarray(model.attention_weights(source, previous))[0])
    weights = np.ones(previous.shape[:2], "float32")
    layers = trace(model, InputSequences((source, previous), weights=weights), equations=True)
    answer["layers"] = [
        {**layer_values(layer, units), "of": "outputs" if layer.name.startswith("decoder") else "inputs"}
        for layer in layers
    ]
    return answer


def _beam_history(model: Any, source: np.ndarray, beams: int, length: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the ids `[beams, time]` and scores of the hypotheses after each step, until all have ended."""
    history: list[tuple[np.ndarray, np.ndarray]] = []
    for steps in range(1, length + 1):
        ids, scores = (np.asarray(t)[:, 0] for t in model.beams_after(source, beams, steps))
        found = np.isfinite(scores)
        ids = np.pad(ids[found], [[0, 0], [0, 1]])
        if history and _is_same(history[-1], (ids[:, :-1], scores[found])):
            break  # every hypothesis had ended
        history.append((ids, scores[found]))
    return history


def _is_same(before: tuple[np.ndarray, np.ndarray], now: tuple[np.ndarray, np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(before, now, strict=True))


def _tokens(vocabulary: Sequence[str], ids: np.ndarray) -> list[str]:
    return [vocabulary[i] for i in ids if i != PAD]


def _walk_tree(model: TreeNetwork, line: str, max_steps: int) -> dict[str, Any]:
    tree, inputs = read_tree(model.spec, line)
    if len(tree.tokens) > max_steps:
        raise UserError(f"the tree has {len(tree.tokens)} nodes, and at most {max_steps} are shown")
    outputs = np.asarray(model.node_outputs(tf.constant(inputs)))[0]
    names = model.spec.labels or tuple(map(str, range(model.spec.output_size)))
    node_choices = choices(softmax(outputs), names)
    parents = _parents(tree)
    nodes = [
        {
            "token": token,
            "known": bool(not token or inputs[0, i, 0] != UNKNOWN),
            "parent": parents[i],
            "choices": node_choices[i],
        }
        for i, token in enumerate(tree.tokens)
    ]
    return {"kind": "tree", "nodes": nodes, "about": "the class of what is below a node"}


def _parents(tree: Tree) -> list[int | None]:
    parents: list[int | None] = [None] * len(tree.tokens)
    for node, children in enumerate(tree.children):
        for child in children:
            parents[child] = node
    return parents
