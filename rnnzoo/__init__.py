"""rnnzoo: recurrent neural networks as Keras layers that train fast, resume exactly and export."""

from rnnzoo import cells, layers

__version__ = "0.1.0"
__all__ = ["cells", "layers"]
