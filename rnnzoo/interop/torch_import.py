"""Weights of recurrent layers from PyTorch."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.cells import GRUCell
from rnnzoo.errors import UserError
from rnnzoo.interop.torch_layout import BLOCKS, check_built, check_cell, import_safetensors, layers_with_suffix
from rnnzoo.layers import RNN


def load_torch_state_dict(layer: Any, state_dict: Any, prefix: str = "") -> None:
    """Sets the weights of a recurrent layer to those of `torch.nn.RNN`, `LSTM` or `GRU`.

    An `RNN` layer (or `ElmanRNN`, `LSTM`, `GRU`) takes a torch module of one layer, a `Stack` one of several layers,
    and `Bidirectional` layers, alone or in a stack, one with `bidirectional=True`. An LSTM with `proj_size` needs a
    layer with that `projection`, an RNN with `nonlinearity="relu"` an `ElmanRNN` with `activation="relu"`. The layer
    must be built; its outputs then equal torch's. Everything is checked before a weight is changed.

    Args:
        layer: the layer to set.
        state_dict: `module.state_dict()`, a mapping from names to arrays, or the path of a `.safetensors` file
            (needs the package safetensors). Pickles (`.pt`, `.pth`) are refused, because they can run code.
        prefix: prefix of the names, if the module is part of a larger model: `"encoder.rnn."`.

    Raises:
        UserError: the layer is not built or has no counterpart in torch, or a weight is missing, superfluous or of
            another shape.

    >>> import rnnzoo
    >>> layer = rnnzoo.layers.ElmanRNN(2)
    >>> layer.build((None, None, 1))
    >>> ones = {"weight_ih_l0": np.ones([2, 1]), "weight_hh_l0": np.ones([2, 2])}
    >>> load_torch_state_dict(layer, ones | {"bias_ih_l0": np.ones(2), "bias_hh_l0": np.ones(2)})
    >>> layer.cell.bias.numpy()
    array([2., 2.], dtype=float32)
    """
    arrays = {n.removeprefix(prefix): v for n, v in _arrays(state_dict).items() if n.startswith(prefix)}
    if not arrays:
        raise UserError(f"no weight's name begins with '{prefix}'; the names are: {', '.join(_arrays(state_dict))}")
    for variable, value in _match_weights(layer, arrays):
        variable.assign(value)


def _match_weights(layer: Any, arrays: dict[str, np.ndarray]) -> list[tuple[Any, np.ndarray]]:
    """Returns the variables of a layer with their values. Raises `UserError` unless all weights match."""
    unused, pairs = set(arrays), []
    for rnn, suffix in layers_with_suffix(layer):
        for variable, value, names in _weights(rnn, arrays, suffix):
            if value.shape != tuple(variable.shape):
                expected = tuple(variable.shape)
                raise UserError(f"{names[0]} gives {variable.name} the shape {value.shape}, expected {expected}")
            pairs.append((variable, value))
            unused -= set(names)
    if unused:
        raise UserError(f"the layer has no weights for {', '.join(sorted(unused))}: it has fewer layers or directions")
    return pairs


def _arrays(state_dict: Any) -> dict[str, np.ndarray]:
    if isinstance(state_dict, (str, os.PathLike)):
        return _safetensors(Path(state_dict))
    if not isinstance(state_dict, Mapping):
        raise UserError(f"state_dict must be a mapping or the path of a .safetensors file, not {state_dict!r:.80}")
    return {
        name: np.asarray(value.detach().cpu().float() if hasattr(value, "detach") else value)
        for name, value in state_dict.items()
    }


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    if path.suffix != ".safetensors":
        raise UserError(
            f"{path} is not a .safetensors file; pickles can run code and are not loaded: save as .safetensors"
        )
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    try:
        return import_safetensors(path).load_file(path)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path} cannot be read: {str(error)[:200]}") from None


def _weights(rnn: RNN, arrays: dict[str, np.ndarray], suffix: str) -> Iterator[tuple[Any, np.ndarray, list[str]]]:
    """Yields `(variable, value, names of its weights in torch)`."""
    cell = rnn.cell
    check_cell(cell)
    check_built(rnn)
    n, order = cell.units, BLOCKS[type(cell)]

    def rows(name: str) -> tuple[np.ndarray, list[str]]:
        if f"{name}{suffix}" not in arrays:
            raise UserError(f"there is no {name}{suffix} among the weights: {', '.join(arrays)}")
        value = arrays[f"{name}{suffix}"]
        if name != "weight_hr" and len(value) != n * len(order):
            raise UserError(f"{name}{suffix} has {len(value)} rows; {rnn.name} needs {n * len(order)}")
        blocks = [value] if name == "weight_hr" else [value[k * n : (k + 1) * n] for k in order]
        return np.concatenate(blocks), [f"{name}{suffix}"]

    for variable, name in ((cell.kernel, "weight_ih"), (cell.recurrent_kernel, "weight_hh")):
        value, names = rows(name)
        yield variable, value.T, names
    if cell.use_bias:
        (inner, names), (outer, others) = rows("bias_ih"), rows("bias_hh")
        both = np.stack([inner, outer]) if isinstance(cell, GRUCell) else inner + outer
        yield cell.bias, both, names + others
    if getattr(cell, "projection", None):
        value, names = rows("weight_hr")
        yield cell.projection_kernel, value.T, names
