"""Transfer of weights between models: parts that are kept, and symbols that both vocabularies have."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.errors import UserError
from rnnzoo.models.base import ZooModel
from rnnzoo.models.embedding import WordEmbedding

PARTS = ("embedding", "core", "head")
PART_OF = {
    **dict.fromkeys(("embedding", "source_embedding", "target_embedding"), "embedding"),
    **dict.fromkeys(("head", "head_bias", "crf"), "head"),
}


class SymbolAxis(NamedTuple):
    """An axis of a weight that has an index for each symbol, such as the rows of an embedding.

    Attributes:
        weight: the weight.
        axis: number of the axis.
        kind: what the symbols are.
        symbols: the symbols by index.
    """

    weight: Any
    axis: int
    kind: str
    symbols: tuple[str, ...]


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


def transfer_weights(source: ZooModel, target: ZooModel) -> list[str]:
    """Copies the weights of a model to another one with the same layers.

    Symbols that both models have (tokens, labels) keep their rows of the embedding and of the output layer; other
    symbols keep the initial values of the target. If the outputs are of another kind, so does the output layer.

    Args:
        source: the trained model.
        target: the model that gets the weights.

    Returns:
        For each kind of symbols, how many are known and how many are new.

    Raises:
        UserError: the models have different layers, or layers of different sizes; the message names the weight.
    """
    old, new = source.spec, target.spec
    if old.inputs != new.inputs or (old.inputs == "tokens" and old.level != new.level):
        kinds = [f"{spec.inputs} ({spec.level})" if spec.vocabulary else spec.inputs for spec in (old, new)]
        raise UserError(f"it reads {kinds[0]}, and this task has {kinds[1]}")
    same_outputs = old.outputs == new.outputs
    known = {path: w for path, w in source.weights_by_path().items() if same_outputs or part_of(path) != "head"}
    source_axes, target_axes, values = _axes_by_weight(source), _axes_by_weight(target), []
    for path, weight in target.weights_by_path().items():
        if path not in known:
            if part_of(path) == "head":
                continue
            raise UserError(f"it has no weight {path}, which this model has")
        stored = known.pop(path)
        values.append((weight, _merge(path, stored, weight, source_axes, target_axes)))
    if missing := next((path for path in known if part_of(path) != "head"), None):
        raise UserError(f"it has a weight {missing}, which this model does not have")
    for weight, value in values:
        weight.assign(value)
    return _count_symbols(source, target, same_outputs)


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


def _count_symbols(source: ZooModel, target: ZooModel, same_outputs: bool) -> list[str]:
    before = {axis.kind: set(axis.symbols) for axis in symbol_axes(source)}
    lines = {}
    for axis in symbol_axes(target):
        known = len(before.get(axis.kind, set()).intersection(axis.symbols))
        lines[axis.kind] = f"{axis.kind}: {known:,} known, {len(axis.symbols) - known:,} new"
    return [*lines.values(), *([] if same_outputs else ["output layer: new, for another kind of output"])]


def _axes_by_weight(model: ZooModel) -> dict[int, dict[int, SymbolAxis]]:
    axes: dict[int, dict[int, SymbolAxis]] = {}
    for axis in symbol_axes(model):
        axes.setdefault(id(axis.weight), {})[axis.axis] = axis
    return axes


def symbol_axes(model: ZooModel) -> Iterator[SymbolAxis]:
    """Yields the axes of the weights of a model that have an index for each symbol."""
    spec: Any = model.spec
    if isinstance(model.embedding, WordEmbedding):
        yield from _word_axes(model.embedding, spec)
    elif model.embedding is not None:
        yield SymbolAxis(model.embedding.embeddings, 0, "tokens", spec.vocabulary)
    target = getattr(model, "target_embedding", None)
    if target is not None:
        yield SymbolAxis(target.embeddings, 0, "tokens", spec.vocabulary)
    if model.source_embedding is not None and model.source_embedding is not target:
        yield SymbolAxis(model.source_embedding.embeddings, 0, "source tokens", spec.source_vocabulary)
    yield from _output_axes(model)


def _word_axes(embedding: WordEmbedding, spec: Any) -> Iterator[SymbolAxis]:
    yield SymbolAxis(embedding.words.embeddings, 0, "tokens", spec.vocabulary)
    for name, table, vocabulary in zip(spec.feature_names, embedding.features, spec.feature_vocabularies, strict=True):
        yield SymbolAxis(table.embeddings, 0, f"values of {name}", vocabulary)
    if embedding.characters is not None:
        yield SymbolAxis(embedding.characters.embeddings, 0, "characters", spec.char_vocabulary)


def _output_axes(model: Any) -> Iterator[SymbolAxis]:
    spec = model.spec
    kind, symbols = {"token": ("tokens", spec.vocabulary), "class": ("labels", spec.labels)}.get(spec.outputs, ("", ()))
    if not symbols:
        return
    if getattr(model, "tied_embeddings", "none") != "none":
        yield SymbolAxis(model.head_bias, 0, kind, symbols)
    else:
        yield SymbolAxis(model.head.kernel, 1, kind, symbols)
        yield SymbolAxis(model.head.bias, 0, kind, symbols)
    if model.crf is not None:
        for axis in (0, 1):
            yield SymbolAxis(model.crf.transitions, axis, kind, symbols)
