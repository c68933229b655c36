"""What a page has to know of a model before it asks for a walk."""

from typing import Any

import numpy as np

from rnnzoo.inspect.trace import name_layers
from rnnzoo.models import TreeNetwork
from rnnzoo.spec import SPECIAL_TOKENS, TaskSpec
from rnnzoo.walkthrough.lines import kind_of_line
from rnnzoo.walkthrough.walk import MAX_STEPS

HINTS = {
    "text": "a text",
    "label": "one of the labels",
    "numbers": "numbers separated by commas, one for each time step; a colon before each further dimension",
    "chords": "chords of MIDI numbers, such as 48,55,60,64, separated by spaces",
    "tree": "a tree in parentheses",
}
PYTHON_HINT = "lines of Python"
FEATURES_HINT = "words, a tab, and the value of {} for each word"
# lines of the tasks that are trained in the zoo; those whose tokens a model does not know are left out
EXAMPLES = {
    "char_lm": ("def __init__(self, name):", "ROMEO:\nWhat light"),
    "word_lm": ("What is the matter with", "the cat sat on the"),
    "reber": ("BTSSXSE", "BPVVE"),
    "tag": ("x = 'if' # y", "the dog barks"),
    "classify": ("import tkinter as tk", "loop = asyncio.get_event_loop()"),
    "g2p": ("recurrent", "network"),
    "dates": ("the 3rd of March, 1994", "Feb 29 2024"),
    "scan": ("jump twice after walk left", "look around right thrice"),
    "listops": ("( ( ( ( ( [MAX 2 ) 9 ) ( ( ( [MIN 4 ) 7 ) ] ) ) 0 ) ] )",),
    "ast": ("def close(self):\n    self.sock.close()",),
    "sst": ("(It ('s (good fun)))",),
    "music": ("48,55,60,64 50,55,59,65 48,55,60,64",),
}
SERIES_STEPS = 40


def describe_model(model: Any, config: dict[str, Any], max_steps: int = MAX_STEPS) -> dict[str, Any]:
    """Returns what a model reads and writes, with lines to begin with.

    Args:
        model: a model of sequences or trees.
        config: its configuration, see `rnnzoo.inference.trained_model`.
        max_steps: the most time steps of an example.
    """
    spec, kind = model.spec, kind_of_line(model.spec)
    is_pair, hint = spec.inputs == "pair", HINTS[kind]
    if kind == "tree" and spec.syntax == "python":
        hint = PYTHON_HINT
    elif spec.feature_vocabularies:
        hint = FEATURES_HINT.format(", then after a tab of ".join(spec.feature_names))
    return {
        "model": config["model"],
        "task": config.get("task", ""),
        "parameters": model.count_params(),
        "line": kind,
        "hint": hint,
        "labels": list(spec.source_vocabulary[len(SPECIAL_TOKENS) :]) if kind == "label" else [],
        "examples": _examples(spec, config.get("task", ""), max_steps),
        "generates": spec.is_language_model,
        "beams": is_pair and spec.outputs == "token",
        "layers": [] if isinstance(model, TreeNetwork) else list(name_layers(model).values()),
    }


def _examples(spec: TaskSpec, task: str, max_steps: int) -> list[str]:
    kind = kind_of_line(spec)
    if kind == "label":
        return list(spec.source_vocabulary[len(SPECIAL_TOKENS) :])[:3]
    if kind == "numbers":
        return [_numbers(spec, max_steps)]
    known = set(spec.source_vocabulary if spec.inputs == "pair" else spec.vocabulary)
    level = spec.source_level if spec.inputs == "pair" else spec.level
    lines = EXAMPLES.get(task, ())
    if spec.feature_vocabularies:
        lines = ()  # each model has features of its own
    elif kind == "text":
        lines = tuple(line for line in lines if set(line if level == "char" else line.split()) <= known)
    return list(lines)[:3]


def _numbers(spec: TaskSpec, max_steps: int) -> str:
    """Returns a line of a wave, or for an adding problem of numbers and two marks."""
    steps = spec.source_length or min(spec.window or SERIES_STEPS, max_steps)
    wave = np.sin(np.arange(steps) / 4)
    if spec.input_scale:
        mean, deviation = np.array(spec.input_scale)
        columns = [mean[k] + deviation[k] * wave for k in range(spec.input_size)]
    elif spec.input_size == 2 and not spec.per_step:
        marks = np.zeros(steps)
        marks[[steps // 4, 3 * steps // 4]] = 1
        columns = [np.abs(wave), marks]
    else:
        columns = [np.abs(wave) for _ in range(spec.input_size)]
    return ":".join(",".join(f"{value:.2f}".rstrip("0").rstrip(".") for value in column) for column in columns)
