"""The layers and cells that PyTorch has too, and the order of their weights there."""

import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from rnnzoo.cells import ElmanCell, GRUCell, LSTMCell
from rnnzoo.errors import UserError
from rnnzoo.layers import RNN, Bidirectional, Stack

TANH, SIGMOID = keras.activations.tanh, keras.activations.sigmoid
# index in torch of each block of our weights: LSTM i, f, g, o in both; GRU r, z, n in torch, z, r, h here
BLOCKS: dict[type, tuple[int, ...]] = {ElmanCell: (0,), LSTMCell: (0, 1, 2, 3), GRUCell: (1, 0, 2)}


def layers_with_suffix(layer: Any, number: int = 0) -> Iterator[tuple[RNN, str]]:
    """Yields each layer over a cell, with the suffix of the names of its weights in torch."""
    if isinstance(layer, Stack):
        if (
            layer.residual
            or len(layer.recurrent_layers) != len(layer.layers)
            or any(isinstance(p, Stack) for p in layer.recurrent_layers)
        ):
            raise UserError("torch stacks recurrent layers only, without residual connections: give a Stack like that")
        for i, part in enumerate(layer.recurrent_layers):
            yield from layers_with_suffix(part, i)
    elif isinstance(layer, Bidirectional):
        if (
            layer.go_backwards
            or layer.merge_mode != "concat"
            or not all(isinstance(p, RNN) for p in layer.recurrent_layers)
        ):
            raise UserError("torch concatenates both directions in each layer: put Bidirectional(RNN) into a Stack")
        yield layer.forward_layer, f"_l{number}"
        yield layer.backward_layer, f"_l{number}_reverse"
    elif isinstance(layer, RNN):
        if layer.go_backwards:
            raise UserError("torch has no layer that goes backwards only: set go_backwards=False, or use Bidirectional")
        yield layer, f"_l{number}"
    else:
        raise UserError(f"{layer!r:.80} is not a recurrent layer of rnnzoo.layers")


def check_cell(cell: Any) -> None:
    """Raises `UserError` for a cell that torch does not have."""
    if type(cell) not in BLOCKS:
        raise UserError(f"torch has no {type(cell).__name__}; its RNN, LSTM and GRU are our ElmanRNN, LSTM and GRU")
    if isinstance(cell, GRUCell) and not cell.reset_after:
        raise UserError("torch's GRU applies its reset gate after the product: create the layer with reset_after=True")
    if isinstance(cell, (LSTMCell, GRUCell)) and (cell.activation, cell.recurrent_activation) != (TANH, SIGMOID):
        raise UserError(f"torch's gates are sigmoid and tanh: create {type(cell).__name__} with default activations")
    if getattr(cell, "zoneout", 0) or getattr(cell, "zoneout_cell", 0):
        raise UserError("torch's LSTM has no zoneout: create the layer with zoneout=0")
    if isinstance(cell, LSTMCell) and not cell.forget_gate:
        raise UserError("torch's LSTM has a forget gate: create the layer with forget_gate=True")


def import_safetensors(path: Path) -> Any:
    if importlib.util.find_spec("safetensors") is None:
        raise UserError(f"{path} needs the package safetensors: pip install 'rnnzoo[safetensors]'")
    return importlib.import_module("safetensors.numpy")


def check_built(rnn: RNN) -> None:
    if not rnn.built:
        raise UserError(f"{rnn.name} is not built: build it, or call it once, before its weights are set or read")
