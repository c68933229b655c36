"""Gradient norms by their distance from the loss (Bengio et al. 1994; Pascanu et al. 2013)."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.errors import UserError
from rnnzoo.inspect.plots import LINES, Figure
from rnnzoo.inspect.trace import LayerTrace, trace
from rnnzoo.inspect.trained_model import InputSequences, TrainedModel
from rnnzoo.models import ZooModel
from rnnzoo.training import metrics
from rnnzoo.utils import figures

NUM_JACOBIANS = 16  # time steps
KEPT_FACTOR, VANISHED_FACTOR = 10.0, 1e3  # up to which a gradient is kept, from which it has vanished or exploded
MIN_NORM = 1e-37  # of normal numbers in single precision


def measure(trained: TrainedModel, sequences: InputSequences) -> dict[str, Any]:
    """Returns for each layer, before and after training, the norm of dL/ds_t by its distance from the loss.

    L is the loss of the last step (for a layer that reads backward, of the first), s_t all states of a layer
    together; the norm is a mean over sequences. `norm_at_loss` is the norm at the loss (for the layers of an encoder
    that of the decoder; for a layer whose states affect the outputs later, the largest). `jacobian_norm` is the
    largest singular value of ds_t/ds_{t-1} and `spectral_radius` its largest absolute eigenvalue, means over some
    steps of the first sequence. A product of Jacobians with norms below 1 vanishes.

    Bengio, Simard & Frasconi (1994), Learning long-term dependencies with gradient descent is difficult; Pascanu,
    Mikolov & Bengio (2013), On the difficulty of training recurrent neural networks.

    Raises:
        UserError: there are no targets, as for a text that the model does not predict.
    """
    if sequences.targets is None:
        raise UserError("gradients need a loss, which a text alone does not have; leave out --text")
    return {
        "before": dict(_measure_layers(trained.untrained(), sequences)),
        "after": dict(_measure_layers(trained.model, sequences)),
    }


def _measure_layers(model: ZooModel, sequences: InputSequences) -> list[tuple[str, dict[str, Any]]]:
    results: list[tuple[str, dict[str, Any]]] = []
    go_backwards = False
    for end in ("last", "first"):
        steps = _loss_steps(model, sequences, end)
        if end == "first" and not go_backwards:
            break
        layers = trace(
            model, sequences, lambda outputs, p=steps: _sum_losses(model, sequences, outputs, p), NUM_JACOBIANS
        )
        go_backwards = any(layer.go_backwards for layer in layers)
        results += [
            (la.name, _summarize_layer(model, la, steps)) for la in layers if la.go_backwards == (end == "first")
        ]
    decoder_norms = [part["norm"][0] for name, part in results if name.startswith("decoder")]
    for name, part in results:
        first = decoder_norms[-1] if decoder_norms and name.startswith("encoder") else part["norm"][0]
        part["norm_at_loss"] = first or max(part["norm"])
        part["summary"] = _describe(np.array(part["norm"]), part["norm_at_loss"])
    return results


def _loss_steps(model: ZooModel, sequences: InputSequences, end: str) -> np.ndarray | None:
    """Returns the step of each sequence whose loss is used; None where a sequence has one loss."""
    if not model.spec.per_step:
        return None
    targets = np.asarray(sequences.targets)
    valid = np.ones(targets.shape[:2], bool) if sequences.weights is None else np.asarray(sequences.weights) > 0
    if sequences.mask is not None and model.spec.inputs != "pair":
        valid &= np.asarray(sequences.mask, bool)
    first = valid.argmax(1)
    return first if end == "first" else valid.shape[1] - 1 - valid[:, ::-1].argmax(1)


def _sum_losses(model: ZooModel, sequences: InputSequences, outputs: tf.Tensor, steps: np.ndarray | None) -> tf.Tensor:
    losses = metrics.losses(model.spec, outputs, tf.convert_to_tensor(sequences.targets))
    if steps is None:
        return tf.reduce_sum(losses)
    return tf.reduce_sum(tf.gather(losses, tf.constant(steps), batch_dims=1))


def _summarize_layer(model: ZooModel, layer: LayerTrace, steps: np.ndarray | None) -> dict[str, Any]:
    norms = np.sqrt(sum((g.astype("float64") ** 2).sum(-1) for g in layer.gradients))  # [batch, time]
    rows = []
    for i, valid in enumerate(layer.valid):
        positions = np.flatnonzero(valid)
        if steps is not None and not layer.name.startswith("encoder"):
            loss_step = len(valid) - 1 - steps[i] if layer.go_backwards else steps[i]
            positions = positions[positions <= loss_step]
        rows.append(norms[i, positions[::-1]])
    longest = max(map(len, rows))
    padded = np.full([len(rows), longest], np.nan)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    with np.errstate(over="ignore", invalid="ignore"):  # of a gradient that explodes
        mean = np.nanmean(padded, 0)
    results: dict[str, Any] = {"distance": list(range(longest)), "norm": mean.tolist()}
    if len(layer.jacobians):
        results["jacobian_norm"] = float(np.mean(np.linalg.norm(layer.jacobians, 2, (1, 2))))
        results["spectral_radius"] = float(np.mean(np.abs(np.linalg.eigvals(layer.jacobians)).max(1)))
    return results


def _describe(norms: np.ndarray, at_loss: float) -> str:
    """Describes the course of the gradient in a sentence."""
    steps = len(norms) - 1
    if not np.isfinite(norms).all() or not np.isfinite(at_loss):
        return f"explodes: not a finite number within {steps} steps"
    if at_loss == 0 or steps == 0:
        return "is zero, or there is no step before the loss"
    if norms[-1] == 0:
        last = int(np.flatnonzero(norms)[-1])
        small = norms[last] < MIN_NORM * 1e3
        return f"vanishes: after {last} steps " + (
            "it is smaller than single precision can hold" if small else "there is none"
        )
    ratio = norms[-1] / at_loss
    course = f"{ratio:.2g} of it is left after {steps} steps (a factor {ratio ** (1 / steps):.2f} a step)"
    if ratio < 1 / VANISHED_FACTOR:
        return f"vanishes: {ratio:.0e}{course[course.index(' ') :]}"
    if ratio > VANISHED_FACTOR:
        return f"explodes: {ratio:.0e} times as large{course[course.index(' after') :]}"
    return f"{'fades' if ratio < 1 / KEPT_FACTOR else 'grows' if ratio > KEPT_FACTOR else 'is kept'}: {course}"


def draw(results: dict[str, dict[str, Any]], figure: Figure) -> None:
    """Draws a line for each layer of one run, or for the lowest layer of each of several runs."""
    figure.set_size_inches(8, 5)
    axes = figure.subplots()
    lines = [(name, layer) for name, run in results.items() for layer in run["after"]]
    if len(results) > 1:
        lines = [(name, next(iter(run["after"]))) for name, run in results.items()]
    for i, (name, layer) in enumerate(lines):
        style = LINES[i % len(LINES)]
        label = figures.label_text(name if len(results) > 1 else layer)
        for when, more in (("after", {"lw": 1.8}), ("before", {"lw": 0.8, "alpha": 0.7})):
            part = results[name][when][layer]
            norms = np.array(part["norm"])
            plotted = np.where((norms > MIN_NORM) & np.isfinite(norms), norms / (part["norm_at_loss"] or 1), np.nan)
            every = max(1, len(norms) // 8)
            axes.plot(part["distance"], plotted, **style, **more, markevery=every, label=f"{label}, {when} training")
    axes.set_yscale("log")
    title = (
        "Gradient norm by distance from the loss"
        if len(results) > 1
        else f"Gradient norm by distance from the loss: {figures.label_text(next(iter(results)))}"
    )
    source = any(layer.startswith("encoder") for _, layer in lines)
    where = "the loss; in an encoder, from the end of its source" if source else "the loss"
    axes.set(xlabel=f"steps back from {where}", ylabel="norm of dL/ds, relative to that at the loss", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def summary_lines(results: dict[str, Any]) -> list[str]:
    """Returns the lines to print."""
    return [
        f"{layer}, {when} training: the gradient {part['summary']}"
        for when in results
        for layer, part in results[when].items()
    ]
