"""Tree compositions: the equations of one node of a tree."""

from rnnzoo.compositions.base import Children, Composition
from rnnzoo.compositions.tree_gru import TreeGRU
from rnnzoo.compositions.tree_lstm import BinaryTreeLSTM, ChildSumTreeLSTM
from rnnzoo.compositions.tree_rnn import RNTN, TreeRNN

__all__ = ["RNTN", "BinaryTreeLSTM", "ChildSumTreeLSTM", "Children", "Composition", "TreeGRU", "TreeRNN"]
