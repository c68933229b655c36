"""How much of the gradient is left the further back it goes (Bengio et al. 1994; Pascanu et al. 2013)."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo import figures
from rnnzoo.errors import UserError
from rnnzoo.inspect.pictures import LINES, Figure
from rnnzoo.inspect.subject import Given, Subject
from rnnzoo.inspect.trace import LayerTrace, trace
from rnnzoo.models import ZooModel
from rnnzoo.training import metrics

JACOBIANS = 16  # ticks
KEPT, GONE = 10.0, 1e3  # a gradient that shrinks or grows less than the one is kept, more than the other gone
LEAST = 1e-37  # below it single precision has no more digits


def measure(subject: Subject, given: Given) -> dict[str, Any]:
    """Of each layer, before and after training, the norm of dL/ds_t by its distance from the loss.

    L is the loss of the last step (of a layer that reads backward, of the first), s_t all states of a layer
    together, the norm a mean over sequences. `at_loss` is the norm at the loss (of an encoder's layers that of the
    decoder; of a layer whose states reach the outputs later, the largest). `jacobian_norm` is the largest singular
    value of ds_t/ds_{t-1}, `spectral_radius` its largest eigenvalue, means over some ticks of the first sequence; a
    product of Jacobians whose norms are below 1 vanishes.

    Bengio, Simard & Frasconi (1994), Learning long-term dependencies with gradient descent is difficult; Pascanu,
    Mikolov & Bengio (2013), On the difficulty of training recurrent neural networks.

    Raises:
        UserError: there are no targets, as with a text for a model that guesses no symbols.
    """
    if given.targets is None:
        raise UserError("gradients need a loss, and a text alone has none; leave out --text")
    return {
        "before": dict(_each(subject.untrained(), given)),
        "after": dict(_each(subject.model, given)),
    }


def _each(model: ZooModel, given: Given) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    backwards = False
    for end in ("last", "first"):
        places = _places(model, given, end)
        if end == "first" and not backwards:
            break
        layers = trace(model, given, lambda outputs, p=places: _loss(model, given, outputs, p), JACOBIANS)
        backwards = any(layer.backwards for layer in layers)
        found += [(la.name, _layer(model, la, places)) for la in layers if la.backwards == (end == "first")]
    written = [part["norm"][0] for name, part in found if name.startswith("decoder")]
    for name, part in found:
        first = written[-1] if written and name.startswith("encoder") else part["norm"][0]
        part["at_loss"] = first or max(part["norm"])
        part["says"] = _says(np.array(part["norm"]), part["at_loss"])
    return found


def _places(model: ZooModel, given: Given, end: str) -> np.ndarray | None:
    """The step of each sequence whose loss is taken; None where a sequence has one loss."""
    if not model.spec.per_step:
        return None
    targets = np.asarray(given.targets)
    there = np.ones(targets.shape[:2], bool) if given.weights is None else np.asarray(given.weights) > 0
    if given.mask is not None and model.spec.inputs != "pair":
        there &= np.asarray(given.mask, bool)
    first = there.argmax(1)
    return first if end == "first" else there.shape[1] - 1 - there[:, ::-1].argmax(1)


def _loss(model: ZooModel, given: Given, outputs: tf.Tensor, places: np.ndarray | None) -> tf.Tensor:
    losses = metrics.losses(model.spec, outputs, tf.convert_to_tensor(given.targets))
    if places is None:
        return tf.reduce_sum(losses)
    return tf.reduce_sum(tf.gather(losses, tf.constant(places), batch_dims=1))


def _layer(model: ZooModel, layer: LayerTrace, places: np.ndarray | None) -> dict[str, Any]:
    norms = np.sqrt(sum((g.astype("float64") ** 2).sum(-1) for g in layer.gradients))  # [batch, time]
    rows = []
    for i, valid in enumerate(layer.valid):
        ticks = np.flatnonzero(valid)
        if places is not None and not layer.name.startswith("encoder"):
            place = len(valid) - 1 - places[i] if layer.backwards else places[i]
            ticks = ticks[ticks <= place]
        rows.append(norms[i, ticks[::-1]])
    longest = max(map(len, rows))
    padded = np.full([len(rows), longest], np.nan)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    with np.errstate(over="ignore", invalid="ignore"):  # of a gradient that explodes
        mean = np.nanmean(padded, 0)
    found: dict[str, Any] = {"distance": list(range(longest)), "norm": mean.tolist()}
    if len(layer.jacobians):
        found["jacobian_norm"] = float(np.mean(np.linalg.norm(layer.jacobians, 2, (1, 2))))
        found["spectral_radius"] = float(np.mean(np.abs(np.linalg.eigvals(layer.jacobians)).max(1)))
    return found


def _says(norms: np.ndarray, at_loss: float) -> str:
    """A plain sentence about the course of the gradient."""
    steps = len(norms) - 1
    if not np.isfinite(norms).all() or not np.isfinite(at_loss):
        return f"explodes: not a finite number within {steps} steps"
    if at_loss == 0 or steps == 0:
        return "is none, or there is no step before the loss"
    if norms[-1] == 0:
        last = int(np.flatnonzero(norms)[-1])
        small = norms[last] < LEAST * 1e3
        return f"vanishes: after {last} steps " + (
            "it is smaller than single precision can hold" if small else "there is none"
        )
    left = norms[-1] / at_loss
    course = f"{left:.2g} of it is left after {steps} steps (a factor {left ** (1 / steps):.2f} a step)"
    if left < 1 / GONE:
        return f"vanishes: {left:.0e}{course[course.index(' ') :]}"
    if left > GONE:
        return f"explodes: {left:.0e} times as large{course[course.index(' after') :]}"
    return f"{'fades' if left < 1 / KEPT else 'grows' if left > KEPT else 'is kept'}: {course}"


def draw(found: dict[str, dict[str, Any]], figure: Figure) -> None:
    """`found` by run: a line for each layer of one run, or for the lowest layer of each of several."""
    figure.set_size_inches(8, 5)
    axes = figure.subplots()
    lines = [(name, layer) for name, run in found.items() for layer in run["after"]]
    if len(found) > 1:
        lines = [(name, next(iter(run["after"]))) for name, run in found.items()]
    for i, (name, layer) in enumerate(lines):
        style = LINES[i % len(LINES)]
        label = figures.label_text(name if len(found) > 1 else layer)
        for when, more in (("after", {"lw": 1.8}), ("before", {"lw": 0.8, "alpha": 0.7})):
            part = found[name][when][layer]
            norms = np.array(part["norm"])
            drawn = np.where((norms > LEAST) & np.isfinite(norms), norms / (part["at_loss"] or 1), np.nan)
            every = max(1, len(norms) // 8)
            axes.plot(part["distance"], drawn, **style, **more, markevery=every, label=f"{label}, {when} training")
    axes.set_yscale("log")
    title = (
        "What is left of the gradient"
        if len(found) > 1
        else f"What is left of the gradient: {figures.label_text(next(iter(found)))}"
    )
    source = any(layer.startswith("encoder") for _, layer in lines)
    where = "the loss; in an encoder, from the end of its source" if source else "the loss"
    axes.set(xlabel=f"steps back from {where}", ylabel="norm of dL/ds, relative to that at the loss", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def sentences(found: dict[str, Any]) -> list[str]:
    """What to print."""
    return [
        f"{layer}, {when} training: the gradient {part['says']}"
        for when in found
        for layer, part in found[when].items()
    ]
