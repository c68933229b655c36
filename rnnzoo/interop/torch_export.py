"""Weights of recurrent layers for PyTorch."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.errors import UserError
from rnnzoo.interop.torch_layout import BLOCKS, check_built, check_cell, import_safetensors, layers_with_suffix
from rnnzoo.layers import RNN


def make_torch_state_dict(layer: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Returns the weights of a recurrent layer as those of `torch.nn.RNN`, `LSTM` or `GRU`.

    The inverse of `load_torch_state_dict`, for the same layers. Where torch has two biases that are only added, the
    second one is zero.

    Args:
        layer: a built layer.
        prefix: prefix of the names, if the module is part of a larger model.

    Returns:
        Arrays by the names of `module.state_dict()`; `module.load_state_dict` takes them as tensors.

    Raises:
        UserError: the layer is not built or has no counterpart in torch.

    >>> import rnnzoo
    >>> layer = rnnzoo.layers.GRU(2)
    >>> layer.build((None, None, 3))
    >>> {name: array.shape for name, array in make_torch_state_dict(layer).items()}
    {'weight_ih_l0': (6, 3), 'weight_hh_l0': (6, 2), 'bias_ih_l0': (6,), 'bias_hh_l0': (6,)}
    """
    arrays = {}
    for rnn, suffix in layers_with_suffix(layer):
        for name, array in _weights_for_torch(rnn):
            arrays[f"{prefix}{name}{suffix}"] = np.ascontiguousarray(array, "float32")
    return arrays


def save_torch_state_dict(layer: Any, path: str | os.PathLike, prefix: str = "") -> None:
    """Writes `make_torch_state_dict` to a `.safetensors` file, which needs the package safetensors.

    In torch: `module.load_state_dict(safetensors.torch.load_file(path))`.

    Raises:
        UserError: as `make_torch_state_dict`, the path has another suffix, or safetensors is missing.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UserError(f"{path}: the name of the file must end with .safetensors")
    save_file = import_safetensors(path).save_file
    arrays, temporary = make_torch_state_dict(layer, prefix), path.with_name(f".{path.name}.tmp")
    save_file(arrays, temporary)
    temporary.replace(path)


def _weights_for_torch(rnn: RNN) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the name in torch, without the number of the layer, and the array of each weight."""
    cell = rnn.cell
    check_cell(cell)
    check_built(rnn)
    n, order = cell.units, BLOCKS[type(cell)]

    def rows(value: np.ndarray) -> np.ndarray:
        return np.concatenate([value[order.index(k) * n : (order.index(k) + 1) * n] for k in range(len(order))])

    yield "weight_ih", rows(cell.kernel.numpy().T)
    yield "weight_hh", rows(cell.recurrent_kernel.numpy().T)
    if cell.use_bias:
        bias = cell.bias.numpy()
        inner, outer = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
        yield "bias_ih", rows(inner)
        yield "bias_hh", rows(outer)
    if getattr(cell, "projection", None):
        yield "weight_hr", cell.projection_kernel.numpy().T
