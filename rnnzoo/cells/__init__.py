"""Recurrent cells: the equations of one time step."""

from rnnzoo.cells.activations import activation
from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.attention import Attention
from rnnzoo.cells.attention_cell import AttentionCell
from rnnzoo.cells.base import Cell
from rnnzoo.cells.dampened import DampenedCell
from rnnzoo.cells.elman import ElmanCell
from rnnzoo.cells.feedforward import FeedforwardCell
from rnnzoo.cells.gru import GRUCell
from rnnzoo.cells.indrnn import IndRNNCell
from rnnzoo.cells.jordan import JordanCell
from rnnzoo.cells.layernorm import LayerNormLSTMCell
from rnnzoo.cells.lstm import LSTMCell
from rnnzoo.cells.ops import dot
from rnnzoo.cells.peephole import PeepholeLSTMCell
from rnnzoo.cells.stacked import StackedCells
from rnnzoo.cells.transition import DeepTransitionCell

__all__ = [
    "AffineCell",
    "Attention",
    "AttentionCell",
    "Cell",
    "DampenedCell",
    "DeepTransitionCell",
    "ElmanCell",
    "FeedforwardCell",
    "GRUCell",
]
__all__ += ["IndRNNCell", "JordanCell", "LSTMCell", "LayerNormLSTMCell", "PeepholeLSTMCell", "StackedCells"]
__all__ += ["activation", "dot"]
