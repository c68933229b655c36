"""Attention weights of seq2seq models."""

from typing import Any

import numpy as np

from rnnzoo.errors import UserError
from rnnzoo.inspect.plots import Figure, draw_heat_map, token_label
from rnnzoo.inspect.trained_model import InputSequences, TrainedModel
from rnnzoo.spec import BOS, PAD
from rnnzoo.utils import figures

NUM_SENTENCES = 4


def measure(trained: TrainedModel, sequences: InputSequences) -> dict[str, Any]:
    """Returns the greedy output and the attention weights of each step, for the first sources.

    Raises:
        UserError: the model has no attention.
    """
    model, spec = trained.model, trained.spec
    if not spec.generates_text or model.decoder.attention is None:
        raise UserError(f"attention does not apply: {trained.name} has none; train seq2seq with --attention=general")
    sources = sequences.inputs[0][:NUM_SENTENCES]
    ids = np.asarray(model.greedy(sources)[0])
    ids = ids[:, : max(1, int((ids != PAD).sum(1).max()))]
    weights = np.asarray(model.attention_weights(sources, np.pad(ids, [[0, 0], [1, 0]], constant_values=BOS)))
    sentences = []
    for source, output, matrix in zip(sequences.tokens, ids, weights, strict=False):
        tokens = [spec.vocabulary[i] for i in output if i != PAD]
        matrix = matrix[: len(tokens) + 1, : len(source)]
        sentences.append({"source": list(source), "output": tokens, "weights": matrix.tolist()})
    return {"sentences": sentences}


def draw(results: dict[str, dict[str, Any]], figure: Figure) -> None:
    """Draws a matrix for each sentence of each run, with a row for each output token."""
    maps = [(name, sentence) for name, run in results.items() for sentence in run["sentences"]]
    sizes = [(len(s["source"]), len(s["output"]) + 1) for _, s in maps]
    figure.set_size_inches(2.5 + 0.25 * max(w for w, _ in sizes), sum(1.6 + 0.25 * h for _, h in sizes))
    ratios = [1.6 + 0.25 * h for _, h in sizes]
    all_axes = np.ravel(figure.subplots(len(maps), height_ratios=ratios))
    for axes, (name, sentence) in zip(all_axes, maps, strict=True):
        image = draw_heat_map(axes, np.array(sentence["weights"]), 0, 1)
        labels = [[token_label(token) for token in sentence[side]] for side in ("source", "output")]
        axes.set_xticks(range(len(labels[0])), labels[0], rotation=90 if max(map(len, labels[0])) > 1 else 0)
        axes.set_yticks(range(len(labels[1]) + 1), [*labels[1], "(end)"])
        axes.set(xlabel="source", ylabel="output", title=f"{figures.label_text(name)}: attention weights")
    figure.colorbar(image, ax=figure.axes, label="attention weight", shrink=0.6)


def summary_lines(results: dict[str, Any]) -> list[str]:
    """Returns the lines to print."""
    return [f"{' '.join(s['source'])}  ->  {' '.join(s['output'])}" for s in results["sentences"]]
