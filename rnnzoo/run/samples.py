"""Sample outputs at the end of a run: generated text, decoded sources, figures."""

import importlib.util
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.inference.attention_plot import draw_attention
from rnnzoo.run.plots import draw_forecast
from rnnzoo.spec import BOS, PAD, TaskSpec
from rnnzoo.tasks.base.task import Task
from rnnzoo.training.generation_metrics import join_tokens

TEMPERATURE = 0.5
MAX_REPEATS = 24  # of one character in a good sample
SAMPLE_LENGTH = 200  # tokens
NUM_TRIES = 4  # samples for a prompt, of which one is shown
MAX_LINES = 6  # of a sample
NUM_EXAMPLES = 5  # outputs for sources


def sample_outputs(export_dir: Path, model: Any, task: Task) -> str | None:
    """Returns samples of a language model, or outputs for the first test sources; None for other models."""
    if task.spec.is_language_model:
        return "\n\n".join(sample_texts(export_dir, task.prompts(), task.spec))
    if not task.spec.generates_text:
        return None
    batch = next(iter(task.evaluation("test")))
    rows = zip(batch.inputs[0][:NUM_EXAMPLES], np.asarray(model.greedy(batch.inputs[0][:NUM_EXAMPLES])[0]), strict=True)
    levels = (task.spec.source_level, task.spec.level)
    pairs = ([[s[i] for i in row if i != PAD] for s, row in _sides(task.spec, *pair)] for pair in rows)
    texts = ([join_tokens(level, side) for level, side in zip(levels, pair, strict=True)] for pair in pairs)
    return "\n".join(f"{source}  ->  {text}" for source, text in texts if source)


def sample_texts(export_dir: Path, prompts: Sequence[str], spec: TaskSpec, length: int = SAMPLE_LENGTH) -> list[str]:
    """Generates text from an exported language model, one sample for each prompt.

    Returns the best of `NUM_TRIES` samples: the one with the most lines, among those that do not repeat a character
    for long, such as a space.
    """
    generate = tf.saved_model.load(str(export_dir)).signatures["generate"]
    values = {"length": length, "temperature": TEMPERATURE, "top_k": 0}
    constants = {name: tf.constant([value]) for name, value in values.items()}
    rows = [prompt for prompt in prompts for _ in range(NUM_TRIES)]
    outputs = generate(prompt=tf.constant(rows), seed=tf.range(1, len(rows) + 1), **constants)["text"].numpy()
    texts = [_shorten(text.decode("utf-8", "replace"), spec) for text in outputs]
    return [min(texts[i : i + NUM_TRIES], key=_rank) for i in range(0, len(texts), NUM_TRIES)]


def draw_outputs(run_dir: Path, model: Any, task: Task) -> None:
    """Draws forecasts or attention weights for the first test sequences."""
    draw_forecast(run_dir, model, task.evaluation("test"))
    if (
        not task.spec.generates_text
        or model.decoder.attention is None
        or importlib.util.find_spec("matplotlib") is None
    ):
        return
    source = next(iter(task.evaluation("test"))).inputs[0][:1]
    ids = np.asarray(model.greedy(source)[0])
    ids = ids[:, : int((ids != PAD).sum())]
    attention = model.attention_weights(source, np.concatenate([[[BOS]], ids], 1))[0]
    source_tokens, output_tokens = (
        [symbols[i] for i in row if i != PAD] for symbols, row in _sides(task.spec, source[0], ids[0])
    )
    draw_attention(np.asarray(attention), source_tokens, output_tokens, run_dir / "attention.png")


def _shorten(text: str, spec: TaskSpec) -> str:
    """Returns the first lines of a sample, without the last one if it was cut off."""
    lines = [line.rstrip() for line in text.split("\n")]
    if spec.level == "char" and len(lines) > 1:
        lines = lines[:-1]
    return "\n".join(line for line in lines[:MAX_LINES]).rstrip()


def _rank(text: str) -> tuple[bool, int]:
    """Sort key of samples, the best first."""
    longest = max((len(list(run)) for _, run in itertools.groupby(text)), default=0)
    return longest > MAX_REPEATS, -text.count("\n")


def _sides(spec: TaskSpec, source: Any, output: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields the ids of source and output with their vocabularies."""
    yield from ((spec.source_vocabulary, source), (spec.vocabulary, output))
