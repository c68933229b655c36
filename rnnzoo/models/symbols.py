"""Axes of the weights of a model that have an index for each symbol: tokens, values of features, labels."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from rnnzoo.models.base import ZooModel
from rnnzoo.models.embedding import WordEmbedding


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
