"""How far back a model really looks: its loss as what came before is cut off."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.errors import UserError
from rnnzoo.inspect.pictures import LINES, Figure, plain
from rnnzoo.inspect.subject import Given, Subject
from rnnzoo.tasks.base import Batch
from rnnzoo.training import metrics

SEQUENCES = 512  # at most
CLOSE = 0.01  # a loss within 1 % of the best of all contexts is as good


def measure(subject: Subject, given: Given) -> dict[str, Any]:
    """The mean loss of the last step when the model has read so many steps before and with it, and no more.

    Read are sequences of the test; those that go on from one batch to the next are put together. `enough` is the
    shortest context whose loss is within 1 % of the least.

    Raises:
        UserError: the model reads ahead and has an output at each step, or reads a source and writes.
    """
    spec = subject.spec
    if spec.inputs == "pair":
        raise UserError(f"reach does not apply: {subject.name} reads its source whole; see attention and gradients")
    if spec.per_step and not subject.model.causal:
        raise UserError(f"reach does not apply: {subject.name} reads ahead, so what it reads has no length to cut")
    rows = list(_rows(subject))
    longest = max(len(x) for x, _ in rows)
    lengths = sorted({min(longest, k) for k in (*range(1, 9), *(2**i * j for i in range(2, 13) for j in (3, 4)))})
    loss = [_mean_loss(subject, rows, k) for k in lengths]
    enough = next(k for k, value in zip(lengths, loss, strict=True) if value <= min(loss) * (1 + CLOSE))
    return {"context": lengths, "loss": loss, "enough": enough, "sequences": len(rows)}


def _rows(subject: Subject) -> Iterator[tuple[np.ndarray, Any]]:
    """Inputs of a sequence, padding left out, and the target of its last step."""
    held: list[Batch] = []
    count = 0
    for batch in subject.task.evaluation("test"):
        goes_on = batch.restart is not None and not np.asarray(batch.restart).any()
        if held and not (goes_on and len(held) < 4):
            for row in _joined(subject, held):
                yield row
                count += 1
                if count == SEQUENCES:
                    return
            held = []
        held.append(batch)
    for row in list(_joined(subject, held))[: SEQUENCES - count]:
        yield row


def _joined(subject: Subject, batches: list[Batch]) -> Iterator[tuple[np.ndarray, Any]]:
    for i in range(len(np.asarray(batches[0].inputs))):
        parts = [_row(subject, batch.inputs[i], batch.targets[i], *_of_row(batch, i)) for batch in batches]
        inputs = np.concatenate([x for x, _ in parts])
        if parts[-1][1] is not None and len(inputs):
            yield inputs, parts[-1][1]


def _of_row(batch: Any, i: int) -> list[Any]:
    return [None if part is None else np.asarray(part)[i] for part in (batch.mask, batch.weights)]


def _row(subject: Subject, inputs: Any, targets: Any, mask: Any, weights: Any) -> tuple[np.ndarray, Any]:
    """Inputs up to the last step with a loss, and its target; None where there is none."""
    inputs, targets = np.asarray(inputs), np.asarray(targets)
    valid = np.ones(len(inputs), bool) if mask is None else np.asarray(mask, bool)
    if not subject.spec.per_step:
        return inputs[valid], targets if weights is None or weights > 0 else None
    there = valid if weights is None else valid & (weights > 0)
    if not there.any():
        return inputs[valid], None
    last = np.flatnonzero(there)[-1]
    return inputs[: last + 1][valid[: last + 1]], targets[last]


def _mean_loss(subject: Subject, rows: list[tuple[np.ndarray, Any]], length: int) -> float:
    cut = [x[-length:] for x, _ in rows]
    valid = np.array([len(x) for x in cut])
    inputs = np.zeros([len(cut), length, *cut[0].shape[1:]], cut[0].dtype)
    for row, x in zip(inputs, cut, strict=True):
        row[: len(x)] = x
    mask = np.arange(length) < valid[:, None]
    outputs = subject.model(inputs, mask=tf.constant(mask))
    if subject.spec.per_step:
        outputs = tf.gather(outputs, tf.constant(valid - 1), batch_dims=1)
    targets = tf.convert_to_tensor(np.stack([target for _, target in rows]))
    return float(tf.reduce_mean(metrics.losses(subject.spec, outputs, targets)))


def draw(found: dict[str, dict[str, Any]], figure: Figure) -> None:
    """`found` by run: a line each."""
    figure.set_size_inches(7, 4.5)
    axes = figure.subplots()
    for style, (name, run) in zip(LINES * len(found), found.items(), strict=False):
        axes.plot(run["context"], run["loss"], **style, label=f"{plain(name)}: {run['enough']} steps are enough")
        axes.axvline(run["enough"], color=style["color"], linewidth=0.6, linestyle=":")
    axes.set_xscale("log", base=2)
    axes.set(xlabel="steps read, the last included", ylabel="mean loss of the last step", title="How far back it looks")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def sentences(found: dict[str, Any]) -> list[str]:
    """What to print."""
    k, least = found["enough"], min(found["loss"])
    return [f"steps enough: {k}; more of what came before lowers the loss by less than 1 % (least {least:.4f})"]
