"""One node of a tree: the equations that make a parent of its children, and nothing else."""

from rnnzoo.compositions.base import Children, Composition
from rnnzoo.compositions.tree_gru import TreeGRU
from rnnzoo.compositions.tree_lstm import BinaryTreeLSTM, ChildSumTreeLSTM
from rnnzoo.compositions.tree_rnn import RNTN, TreeRNN

__all__ = ["RNTN", "BinaryTreeLSTM", "ChildSumTreeLSTM", "Children", "Composition", "TreeGRU", "TreeRNN"]
