"""Effective context: the loss of a model by the number of time steps that it reads."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rnnzoo.data.batch import Batch
from rnnzoo.errors import UserError
from rnnzoo.inspect.plots import LINES, Figure, draw_heat_map, label_time_axis
from rnnzoo.inspect.trained_model import InputSequences, TrainedModel
from rnnzoo.training import metrics
from rnnzoo.utils import figures

MAX_STEPS = 1024  # whose loss is measured
STEPS_PER_SEQUENCE = 8
TOLERANCE = 0.01  # relative difference from the least loss


class Row(NamedTuple):
    """The inputs up to one step, without padding, and the target of that step."""

    inputs: np.ndarray
    target: Any


def measure(trained: TrainedModel, sequences: InputSequences) -> dict[str, Any]:
    """Returns the mean loss of a step by the length of the context, the number of time steps read up to it.

    The loss is measured at some steps of the test sequences or, with a text, at every token; `by_position` then has
    the loss of each token, `[context][position]`. Sequences that continue in the next batch are joined.
    `effective_context` is the shortest context whose loss is within 1 % of the least.

    Raises:
        UserError: the model is bidirectional and has an output at each step, is a seq2seq model, or a text is given
            for a model that does not predict tokens.
    """
    spec = trained.spec
    if spec.inputs == "pair":
        raise UserError(f"effective_context does not apply: {trained.name} reads the whole source first; use gradients")
    if spec.per_step and not trained.model.causal:
        raise UserError(
            f"effective_context does not apply: {trained.name} is bidirectional, and always reads the whole sequence"
        )
    if sequences.is_user_text and sequences.targets is None:
        raise UserError("effective_context needs a loss, which a text alone does not have; leave out --text")
    rows = list(_text_rows(sequences) if sequences.is_user_text else _test_rows(trained))
    longest = max(len(row.inputs) for row in rows)
    lengths = sorted({min(longest, k) for k in (*range(1, 9), *(2**i * j for i in range(2, 13) for j in (3, 4)))})
    losses = np.array([_last_step_losses(trained, rows, k) for k in lengths])
    mean = losses.mean(1)
    effective = next(k for k, value in zip(lengths, mean, strict=True) if value <= mean.min() * (1 + TOLERANCE))
    results: dict[str, Any] = {
        "context": lengths,
        "loss": mean.tolist(),
        "effective_context": effective,
        "steps": len(rows),
    }
    if sequences.is_user_text:
        results |= {"tokens": list(sequences.tokens[0]), "by_position": losses.tolist()}
    return results


def _text_rows(sequences: InputSequences) -> Iterator[Row]:
    """Yields every step of the first text."""
    inputs, targets = np.asarray(sequences.inputs)[0], np.asarray(sequences.targets)[0]
    steps = np.flatnonzero(np.asarray(sequences.weights)[0] > 0)
    return (Row(inputs[: t + 1], targets[t]) for t in steps)


def _test_rows(trained: TrainedModel) -> Iterator[Row]:
    """Yields steps of the test sequences."""
    pending: list[Batch] = []
    count = 0
    for batch in itertools.chain(trained.task.evaluation("test"), [None]):
        continues = batch is not None and batch.restart is not None and not np.asarray(batch.restart).any()
        if pending and not (continues and len(pending) < 4):
            for row in itertools.islice(_join_batches(trained, pending), MAX_STEPS - count):
                yield row
                count += 1
            pending = []
        if batch is None or count == MAX_STEPS:
            return
        pending.append(batch)


def _join_batches(trained: TrainedModel, batches: list[Batch]) -> Iterator[Row]:
    for i in range(len(np.asarray(batches[0].inputs))):
        parts = [_unpad_sequence(trained, batch, i) for batch in batches]
        inputs, targets, has_loss = (np.concatenate(part) for part in zip(*parts, strict=True))
        steps = np.flatnonzero(has_loss)
        chosen = np.unique(np.linspace(0, len(steps) - 1, STEPS_PER_SEQUENCE).round().astype(int)) if len(steps) else ()
        for step in steps[list(chosen)]:
            yield Row(inputs[: step + 1], targets[step])


def _unpad_sequence(trained: TrainedModel, batch: Batch, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns inputs and targets of each step of one sequence, without padding, and which steps have a loss."""
    inputs, targets = np.asarray(batch.inputs)[i], np.asarray(batch.targets)[i]
    valid = np.ones(len(inputs), bool) if batch.mask is None else np.asarray(batch.mask, bool)[i]
    weights = np.ones(len(inputs)) if batch.weights is None else np.asarray(batch.weights)[i]
    if trained.spec.per_step:
        return inputs[valid], targets[valid], (weights > 0)[valid]
    count = int(valid.sum())
    last = (np.arange(count) == count - 1) & bool(np.all(weights > 0))
    return inputs[valid], np.repeat(targets[None], count, 0), last


def _last_step_losses(trained: TrainedModel, rows: list[Row], length: int) -> np.ndarray:
    contexts = [row.inputs[-length:] for row in rows]
    valid = np.array([len(x) for x in contexts])
    inputs = np.zeros([len(contexts), length, *contexts[0].shape[1:]], contexts[0].dtype)
    for row, x in zip(inputs, contexts, strict=True):
        row[: len(x)] = x
    mask = np.arange(length) < valid[:, None]
    outputs = trained.model(inputs, mask=tf.constant(mask))
    if trained.spec.per_step:
        outputs = tf.gather(outputs, tf.constant(valid - 1), batch_dims=1)
    targets = tf.convert_to_tensor(np.stack([row.target for row in rows]))
    return np.asarray(metrics.losses(trained.spec, outputs, targets)).reshape([len(rows), -1]).mean(1)


def draw(results: dict[str, dict[str, Any]], figure: Figure) -> None:
    """Draws a line for each run and, for a text, the loss of each token by the length of the context."""
    texts = [(name, run) for name, run in results.items() if "by_position" in run]
    steps = max([len(run["tokens"]) for _, run in texts], default=0)
    figure.set_size_inches(min(18, max(7, 3 + 0.14 * steps)), 4.5 + 3 * len(texts))
    axes, *maps = np.ravel(figure.subplots(1 + len(texts)))
    for style, (name, run) in zip(itertools.cycle(LINES), results.items(), strict=False):
        axes.plot(
            run["context"], run["loss"], **style, label=f"{figures.label_text(name)}: {run['effective_context']} steps"
        )
        axes.axvline(run["effective_context"], color=style["color"], linewidth=0.6, linestyle=":")
    axes.set_xscale("log", base=2)
    axes.set(
        xlabel="length of the context, time steps",
        ylabel="mean loss of a step",
        title="Loss by the length of the context",
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    for map_axes, (name, run) in zip(maps, texts, strict=True):
        losses = np.array(run["by_position"])
        image = draw_heat_map(map_axes, losses, 0, float(losses.max()))
        map_axes.set_yticks(range(len(run["context"])), run["context"], fontsize=6)
        label_time_axis(map_axes, run["tokens"], losses.shape[1])
        map_axes.set(
            xlabel="last token of the context",
            ylabel="length of the context",
            title=f"{figures.label_text(name)}: loss of the next token",
        )
        figure.colorbar(image, ax=map_axes, label="loss, nats", shrink=0.8)


def summary_lines(results: dict[str, Any]) -> list[str]:
    """Returns the lines to print."""
    k, least = results["effective_context"], min(results["loss"])
    return [
        f"effective context: {k} time steps; a longer one lowers the loss by less than 1 % (least loss {least:.4f}, "
        f"mean of {results['steps']} steps)"
    ]
