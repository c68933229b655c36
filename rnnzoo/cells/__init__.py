"""One tick of recurrence: the equations, and nothing else."""

from rnnzoo.cells.affine import AffineCell
from rnnzoo.cells.base import Cell
from rnnzoo.cells.dampened import DampenedCell
from rnnzoo.cells.elman import ElmanCell
from rnnzoo.cells.feedforward import FeedforwardCell
from rnnzoo.cells.jordan import JordanCell
from rnnzoo.cells.lstm import LSTMCell
from rnnzoo.cells.ops import dot

__all__ = ["AffineCell", "Cell", "DampenedCell", "ElmanCell", "FeedforwardCell", "JordanCell", "LSTMCell", "dot"]
