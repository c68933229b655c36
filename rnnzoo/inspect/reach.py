"""How far back a model really looks: its loss as what came before is cut off."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rnnzoo import figures
from rnnzoo.errors import UserError
from rnnzoo.inspect.pictures import LINES, Figure, along, heat
from rnnzoo.inspect.subject import Given, Subject
from rnnzoo.tasks.base import Batch
from rnnzoo.training import metrics

MOST = 1024  # steps whose loss is measured
EACH = 8  # of one sequence
CLOSE = 0.01  # a loss within 1 % of the best of all contexts is as good


class Row(NamedTuple):
    """What is read up to one step, padding left out, and the target there."""

    inputs: np.ndarray
    target: Any


def measure(subject: Subject, given: Given) -> dict[str, Any]:
    """The mean loss of a step when the model has read so many steps up to it and no more.

    Measured are steps all over the sequences of the test, or every symbol of a text, for which `by_position`
    has the loss of each, `[context][position]`. Sequences that go on from one batch to the next are put together.
    `enough` is the shortest context whose loss is within 1 % of the least.

    Raises:
        UserError: the model reads ahead and has an output at each step, reads a source and writes, or a text is
            given to one that guesses no symbols.
    """
    spec = subject.spec
    if spec.inputs == "pair":
        raise UserError(f"reach does not apply: {subject.name} writes of a source that it knows whole; see gradients")
    if spec.per_step and not subject.model.causal:
        raise UserError(f"reach does not apply: {subject.name} reads ahead, so what it reads has no length to cut")
    if given.of_text and given.targets is None:
        raise UserError("reach needs a loss, and a text alone has none; leave out --text")
    rows = list(_of_text(given) if given.of_text else _of_test(subject))
    longest = max(len(row.inputs) for row in rows)
    lengths = sorted({min(longest, k) for k in (*range(1, 9), *(2**i * j for i in range(2, 13) for j in (3, 4)))})
    losses = np.array([_losses(subject, rows, k) for k in lengths])
    mean = losses.mean(1)
    enough = next(k for k, value in zip(lengths, mean, strict=True) if value <= mean.min() * (1 + CLOSE))
    found: dict[str, Any] = {"context": lengths, "loss": mean.tolist(), "enough": enough, "steps": len(rows)}
    if given.of_text:
        found |= {"units": list(given.units[0]), "by_position": losses.tolist()}
    return found


def _of_text(given: Given) -> Iterator[Row]:
    """Every step of the first text."""
    inputs, targets = np.asarray(given.inputs)[0], np.asarray(given.targets)[0]
    there = np.flatnonzero(np.asarray(given.weights)[0] > 0)
    return (Row(inputs[: t + 1], targets[t]) for t in there)


def _of_test(subject: Subject) -> Iterator[Row]:
    """Steps of the sequences of the test."""
    held: list[Batch] = []
    count = 0
    for batch in itertools.chain(subject.task.evaluation("test"), [None]):
        goes_on = batch is not None and batch.restart is not None and not np.asarray(batch.restart).any()
        if held and not (goes_on and len(held) < 4):
            for row in itertools.islice(_joined(subject, held), MOST - count):
                yield row
                count += 1
            held = []
        if batch is None or count == MOST:
            return
        held.append(batch)


def _joined(subject: Subject, batches: list[Batch]) -> Iterator[Row]:
    for i in range(len(np.asarray(batches[0].inputs))):
        parts = [_row(subject, batch, i) for batch in batches]
        inputs, targets, there = (np.concatenate(part) for part in zip(*parts, strict=True))
        steps = np.flatnonzero(there)
        chosen = np.unique(np.linspace(0, len(steps) - 1, EACH).round().astype(int)) if len(steps) else ()
        for step in steps[list(chosen)]:
            yield Row(inputs[: step + 1], targets[step])


def _row(subject: Subject, batch: Batch, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs and targets of each step of one sequence, padding left out, and which have a loss."""
    inputs, targets = np.asarray(batch.inputs)[i], np.asarray(batch.targets)[i]
    valid = np.ones(len(inputs), bool) if batch.mask is None else np.asarray(batch.mask, bool)[i]
    weights = np.ones(len(inputs)) if batch.weights is None else np.asarray(batch.weights)[i]
    if subject.spec.per_step:
        return inputs[valid], targets[valid], (weights > 0)[valid]
    count = int(valid.sum())
    last = (np.arange(count) == count - 1) & bool(np.all(weights > 0))
    return inputs[valid], np.repeat(targets[None], count, 0), last


def _losses(subject: Subject, rows: list[Row], length: int) -> np.ndarray:
    cut = [row.inputs[-length:] for row in rows]
    valid = np.array([len(x) for x in cut])
    inputs = np.zeros([len(cut), length, *cut[0].shape[1:]], cut[0].dtype)
    for row, x in zip(inputs, cut, strict=True):
        row[: len(x)] = x
    mask = np.arange(length) < valid[:, None]
    outputs = subject.model(inputs, mask=tf.constant(mask))
    if subject.spec.per_step:
        outputs = tf.gather(outputs, tf.constant(valid - 1), batch_dims=1)
    targets = tf.convert_to_tensor(np.stack([row.target for row in rows]))
    return np.asarray(metrics.losses(subject.spec, outputs, targets)).reshape([len(rows), -1]).mean(1)


def draw(found: dict[str, dict[str, Any]], figure: Figure) -> None:
    """`found` by run: a line each; below, of a text, what each symbol costs by how much is read before it."""
    texts = [(name, run) for name, run in found.items() if "by_position" in run]
    steps = max([len(run["units"]) for _, run in texts], default=0)
    figure.set_size_inches(min(18, max(7, 3 + 0.14 * steps)), 4.5 + 3 * len(texts))
    axes, *maps = np.ravel(figure.subplots(1 + len(texts)))
    for style, (name, run) in zip(itertools.cycle(LINES), found.items(), strict=False):
        axes.plot(
            run["context"], run["loss"], **style, label=f"{figures.label_text(name)}: {run['enough']} steps are enough"
        )
        axes.axvline(run["enough"], color=style["color"], linewidth=0.6, linestyle=":")
    axes.set_xscale("log", base=2)
    axes.set(xlabel="steps read, the last included", ylabel="mean loss of a step", title="How far back it looks")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    for below, (name, run) in zip(maps, texts, strict=True):
        losses = np.array(run["by_position"])
        image = heat(below, losses, 0, float(losses.max()))
        below.set_yticks(range(len(run["context"])), run["context"], fontsize=6)
        along(below, run["units"], losses.shape[1])
        below.set(
            xlabel="symbol read last", ylabel="steps read", title=f"{figures.label_text(name)}: loss of the next symbol"
        )
        figure.colorbar(image, ax=below, label="loss, nats", shrink=0.8)


def sentences(found: dict[str, Any]) -> list[str]:
    """What to print."""
    k, least = found["enough"], min(found["loss"])
    return [
        f"steps enough: {k}; more of what came before lowers the loss by less than 1 % (least {least:.4f}, mean of "
        f"{found['steps']} steps)"
    ]
