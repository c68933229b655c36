"""Transfer of weights between models: parts that are kept, and symbols that both vocabularies have."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.errors import UserError
from rnnzoo.models.base import ZooModel
from rnnzoo.models.symbols import SymbolAxis, symbol_axes
from rnnzoo.spec import TaskSpec

PARTS = ("embedding", "core", "head")
PART_OF = {
    **dict.fromkeys(("embedding", "source_embedding", "target_embedding"), "embedding"),
    **dict.fromkeys(("head", "head_bias", "crf"), "head"),
}


def part_of(path: str) -> str:
    """Returns the part of a model that a weight belongs to: "embedding", "core" or "head"."""
    return PART_OF.get(path.split("/")[1], "core")


def freeze_parts(model: ZooModel, parts: Iterable[str]) -> None:
    """Excludes the weights of parts of a model from training.

    Args:
        model: the model.
        parts: names of `PARTS`.

    Raises:
        UserError: an unknown part, a part without weights, or nothing is left to train.
    """
    parts, weights = list(parts), model.weights_by_path()
    present = {part_of(path) for path in weights}
    for part in parts:
        if part not in present:
            known = ", ".join(name for name in PARTS if name in present)
            raise UserError(f"--freeze={part}: this model has no such part; its parts are {known}")
    if present <= set(parts):
        raise UserError(f"--freeze={','.join(parts)} leaves no weight to train")
    for path, weight in weights.items():
        if part_of(path) in parts:
            weight.trainable = False


class Transfer(NamedTuple):
    """What was copied from a trained model.

    Attributes:
        symbols: for each kind of symbols, how many are known and how many are new.
        notes: layers that begin with new weights, or whose weights are not used.
    """

    symbols: dict[str, tuple[int, int]]
    notes: list[str]

    def describe(self) -> str:
        """Returns a line for the user; empty if all weights were copied and there are no symbols."""
        counts = [f"{kind}: {known:,} known, {new:,} new" for kind, (known, new) in self.symbols.items()]
        return "; ".join([*counts, *self.notes])


def transfer_weights(source: ZooModel, target: ZooModel) -> Transfer:
    """Copies the weights of a model to another one with the same layers.

    Symbols that both models have (tokens, labels) keep their rows of the embedding and of the output layer; other
    symbols keep the initial values of the target. If the outputs are of another kind, so does the output layer.

    Args:
        source: the trained model.
        target: the model that gets the weights.

    Raises:
        UserError: the models read other kinds of data, or have different layers, or layers of different sizes; the
            message names the weight.
    """
    _check_specs(source.spec, target.spec)
    same_outputs = source.spec.outputs == target.spec.outputs
    known = {path: w for path, w in source.weights_by_path().items() if same_outputs or part_of(path) != "head"}
    source_axes, target_axes, values = _axes_by_weight(source), _axes_by_weight(target), []
    notes = [] if same_outputs else ["output layer: new, for another kind of output"]
    for path, weight in target.weights_by_path().items():
        if path not in known:
            if part_of(path) == "head":
                notes += [f"{path}: new"] if same_outputs else []
                continue
            raise UserError(f"it has no weight {path}, which this model has")
        stored = known.pop(path)
        values.append((weight, _merge(path, stored, weight, source_axes, target_axes)))
    if missing := next((path for path in known if part_of(path) != "head"), None):
        raise UserError(f"it has a weight {missing}, which this model does not have")
    for weight, value in values:
        weight.assign(value)
    return Transfer(_count_symbols(source, target), notes + [f"{path}: not used" for path in known])


def _merge(path: str, stored: Any, weight: Any, source_axes: dict, target_axes: dict) -> np.ndarray:
    """Returns the values of a weight: those stored where its symbols are known, elsewhere its own."""
    old, new = source_axes.get(id(stored), {}), target_axes.get(id(weight), {})
    values, shape = stored.numpy(), tuple(weight.shape)
    if old.keys() != new.keys() or any(
        a != b for i, (a, b) in enumerate(zip(values.shape, shape, strict=True)) if i not in old
    ):
        raise UserError(f"its weight {path} has the shape {list(values.shape)}, and that of this model {list(shape)}")
    own, from_index, to_index = weight.numpy(), [], []
    for axis, size in enumerate(shape):
        if axis not in new:
            from_index.append(np.arange(size))
            to_index.append(np.arange(size))
            continue
        index = {symbol: i for i, symbol in enumerate(old[axis].symbols)}
        pairs = [(index[symbol], i) for i, symbol in enumerate(new[axis].symbols) if symbol in index]
        from_index.append(np.array([i for i, _ in pairs], int))
        to_index.append(np.array([i for _, i in pairs], int))
    own[np.ix_(*to_index)] = values[np.ix_(*from_index)]
    return own


def _check_specs(old: TaskSpec, new: TaskSpec) -> None:
    """Raises `UserError` unless a model of one task can begin with the weights of a model of another one."""
    if old.inputs != new.inputs or (old.inputs == "tokens" and old.level != new.level):
        kinds = [f"{spec.inputs} ({spec.level})" if spec.vocabulary else spec.inputs for spec in (old, new)]
        raise UserError(f"it reads {kinds[0]}, and this task has {kinds[1]}")
    if old.is_forecast and new.is_forecast:
        for name in ("difference", "normalize", "quantiles"):
            if getattr(old, name) != getattr(new, name):
                raise UserError(f"its {name} is {getattr(old, name)}, and that of this task {getattr(new, name)}")
    for name in ("feature_names", "labels"):  # of columns, which are told apart by their position only
        before, now = getattr(old, name), getattr(new, name)
        if old.inputs == "features" and before != now and sorted(before) == sorted(now):
            raise UserError(f"its columns are {', '.join(before)}, and those of this task are in another order")


def _count_symbols(source: ZooModel, target: ZooModel) -> dict[str, tuple[int, int]]:
    before = {axis.kind: set(axis.symbols) for axis in symbol_axes(source)}
    counts = {}
    for axis in symbol_axes(target):
        known = len(before.get(axis.kind, set()).intersection(axis.symbols))
        counts[axis.kind] = (known, len(axis.symbols) - known)
    return counts


def _axes_by_weight(model: ZooModel) -> dict[int, dict[int, SymbolAxis]]:
    axes: dict[int, dict[int, SymbolAxis]] = {}
    for axis in symbol_axes(model):
        axes.setdefault(id(axis.weight), {})[axis.axis] = axis
    return axes
