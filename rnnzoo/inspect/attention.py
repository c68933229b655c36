"""Where a model that writes looks in its source."""

from typing import Any

import numpy as np

from rnnzoo import figures
from rnnzoo.errors import UserError
from rnnzoo.inspect.pictures import Figure, heat, symbol
from rnnzoo.inspect.subject import Given, Subject
from rnnzoo.spec import BOUNDARY, PAD

SHOWN = 4  # sentences


def measure(subject: Subject, given: Given) -> dict[str, Any]:
    """Of the first sources: what is written for each, greedily, and the weights of the attention at each step.

    Raises:
        UserError: the model has no attention.
    """
    model, spec = subject.model, subject.spec
    if not spec.writes or model.decoder.attention is None:
        raise UserError(f"attention does not apply: {subject.name} has none; seq2seq has (--attention=general)")
    sources = given.inputs[0][:SHOWN]
    ids = np.asarray(model.greedy(sources)[0])
    ids = ids[:, : max(1, int((ids != PAD).sum(1).max()))]
    weights = np.asarray(model.align(sources, np.pad(ids, [[0, 0], [1, 0]], constant_values=BOUNDARY)))
    found = []
    for source, written, looks in zip(given.units, ids, weights, strict=False):
        text = [spec.vocabulary[i] for i in written if i != PAD]
        found.append(
            {"source": list(source), "written": text, "weights": looks[: len(text) + 1, : len(source)].tolist()}
        )
    return {"sentences": found}


def draw(found: dict[str, dict[str, Any]], figure: Figure) -> None:
    """`found` by run: a matrix for each sentence, a row for each symbol written."""
    maps = [(name, sentence) for name, run in found.items() for sentence in run["sentences"]]
    sizes = [(len(s["source"]), len(s["written"]) + 1) for _, s in maps]
    figure.set_size_inches(2.5 + 0.25 * max(w for w, _ in sizes), sum(1.6 + 0.25 * h for _, h in sizes))
    ratios = [1.6 + 0.25 * h for _, h in sizes]
    every = np.ravel(figure.subplots(len(maps), height_ratios=ratios))
    for axes, (name, sentence) in zip(every, maps, strict=True):
        image = heat(axes, np.array(sentence["weights"]), 0, 1)
        shown = [[symbol(u) for u in sentence[side]] for side in ("source", "written")]
        axes.set_xticks(range(len(shown[0])), shown[0], rotation=90 if max(map(len, shown[0])) > 1 else 0)
        axes.set_yticks(range(len(shown[1]) + 1), [*shown[1], "(end)"])
        axes.set(xlabel="source", ylabel="what is written", title=f"{figures.label_text(name)}: where it looks")
    figure.colorbar(image, ax=figure.axes, label="weight of the attention", shrink=0.6)


def sentences(found: dict[str, Any]) -> list[str]:
    """What to print."""
    return [f"{' '.join(s['source'])}  ->  {' '.join(s['written'])}" for s in found["sentences"]]
