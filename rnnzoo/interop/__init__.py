"""Weights from and to PyTorch, and conversion of Keras models to the layers of this package."""

from rnnzoo.interop.keras_models import convert_keras
from rnnzoo.interop.torch_export import make_torch_state_dict, save_torch_state_dict
from rnnzoo.interop.torch_import import load_torch_state_dict

__all__ = ["convert_keras", "load_torch_state_dict", "make_torch_state_dict", "save_torch_state_dict"]
