"""Conversion of Keras models: their recurrent layers become layers of this package."""

import os
import warnings
from pathlib import Path
from typing import Any

import keras

from rnnzoo.cells import ElmanCell, GRUCell, LSTMCell
from rnnzoo.errors import UserError, first_line
from rnnzoo.layers import GRU, LSTM, RNN, Bidirectional, ElmanRNN
from rnnzoo.serialization import constructor_parameters

LAYERS: dict[type, type] = {keras.layers.LSTM: LSTM, keras.layers.GRU: GRU, keras.layers.SimpleRNN: ElmanRNN}
CELLS: dict[type, type] = {
    keras.layers.LSTMCell: LSTMCell,
    keras.layers.GRUCell: GRUCell,
    keras.layers.SimpleRNNCell: ElmanCell,
}
RECURRENT = ("RNN", "LSTM", "GRU")  # in the names of classes of recurrent layers


def convert_keras(model: Any) -> Any:
    """Converts a Keras model: its recurrent layers become those of this package, with equal answers.

    `keras.layers.LSTM`, `GRU`, `SimpleRNN`, `RNN` over their cells (also stacked ones) and `Bidirectional` around
    them are replaced, in nested models too; all weights are copied. A recurrent layer of another kind, such as
    `ConvLSTM2D` or an `RNN` over a cell of one's own, stays as it is, and a `UserWarning` names it. A compiled model is
    compiled again, with a new optimizer.

    Args:
        model: a sequential or functional `keras.Model`, or the path of its `.keras` file, which is loaded in Keras's
            safe mode.

    Returns:
        The new model; the given one does not change.

    Raises:
        UserError: the model is a subclass of `keras.Model`, whose layers only its own code connects, or not built, or
            the file cannot be loaded.

    >>> theirs = keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(4), keras.layers.Dense(1)])
    >>> ours = convert_keras(theirs)
    >>> type(ours.layers[0]).__module__, ours.count_params() == theirs.count_params()
    ('rnnzoo.layers', True)
    """
    model = _load(model) if isinstance(model, (str, os.PathLike)) else model
    if not isinstance(model, (keras.Sequential, keras.src.models.Functional)):
        raise UserError(f"convert_keras needs a sequential or functional keras.Model, got {type(model).__name__}")
    if not model.built:
        raise UserError(f"{model.name} is not built: call it once, or give it an Input, before it is converted")
    left: list[str] = []
    converted = keras.models.clone_model(
        model, clone_function=lambda layer: _convert_layer(layer, left), recursive=True
    )
    converted.set_weights(model.get_weights())
    if model.compiled:
        converted.compile_from_config(model.get_compile_config())
    if left:
        warnings.warn(f"layers without a counterpart in rnnzoo are copied: {', '.join(left)}", stacklevel=2)
    return converted


def _load(path: Any) -> Any:
    path = Path(path)
    if path.suffix != ".keras" or not path.is_file():
        raise UserError(f"{path} is not the path of a .keras file")
    try:
        return keras.models.load_model(path)
    except Exception as error:  # whatever a damaged file leads to
        raise UserError(f"{path} cannot be loaded: {first_line(error)}") from None


def _convert_layer(layer: Any, left: list[str]) -> Any:
    """Returns our layer for a recurrent layer of Keras, else a copy; names those recurrent ones that are copied."""
    converted = _convert_recurrent(layer)
    if converted is not None:
        return converted
    for part in layer._flatten_layers():
        kind = type(part).__name__
        if any(name in kind for name in RECURRENT) and not kind.endswith("Cell") and _is_of_keras(part):
            left.append(f"{part.name} ({kind})")
    own_classes = {type(part).__name__: type(part) for part in layer._flatten_layers()}  # that nobody registered
    with keras.saving.custom_object_scope(own_classes):
        return layer.__class__.from_config(layer.get_config())


def _is_of_keras(layer: Any) -> bool:
    return not type(layer).__module__.startswith("rnnzoo.")


def _convert_recurrent(layer: Any) -> Any:
    """Returns our layer for a recurrent layer of Keras; None if there is none."""
    if type(layer) in LAYERS:
        return _from_config(LAYERS[type(layer)], layer)
    if type(layer) is keras.layers.RNN:
        cell = _convert_cell(layer.cell)
        return None if cell is None else _from_config(RNN, layer, cell=cell)
    if type(layer) is keras.layers.Bidirectional:
        parts = [_convert_recurrent(part) for part in (layer.forward_layer, layer.backward_layer)]
        if None in parts:
            return None
        return Bidirectional(
            parts[0], layer.merge_mode, backward_layer=parts[1], name=layer.name, dtype=layer.dtype_policy
        )
    return None


def _convert_cell(cell: Any) -> Any:
    """Returns our cell for one of Keras, a list for stacked ones; None if there is none."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        cells = [_convert_cell(part) for part in cell.cells]
        return None if None in cells else cells
    return _from_config(CELLS[type(cell)], cell) if type(cell) in CELLS else None


def _from_config(cls: Any, layer: Any, **arguments: Any) -> Any:
    """Creates a layer or cell of ours with the arguments of one of Keras."""
    names = {*constructor_parameters(cls), "name", "dtype", "trainable"} - {"cell"}
    kept = {name: value for name, value in layer.get_config().items() if name in names}
    return cls(**arguments, **{**kept, "dtype": layer.dtype_policy}) if arguments else cls.from_config(kept)
