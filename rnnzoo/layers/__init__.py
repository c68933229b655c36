"""How ticks are arranged in time."""

import keras

from rnnzoo import cells
from rnnzoo.layers.rnn import RNN, NamedRNN
from rnnzoo.layers.scan import scan

__all__ = ["LSTM", "RNN", "DampenedRNN", "ElmanRNN", "JordanRNN", "NamedRNN", "scan"]


class DampenedRNN(NamedRNN, cell_class=cells.DampenedCell):
    __doc__ = cells.DampenedCell.__doc__


class ElmanRNN(NamedRNN, cell_class=cells.ElmanCell):
    __doc__ = cells.ElmanCell.__doc__


class JordanRNN(NamedRNN, cell_class=cells.JordanCell):
    __doc__ = cells.JordanCell.__doc__


class LSTM(NamedRNN, cell_class=cells.LSTMCell):
    __doc__ = cells.LSTMCell.__doc__


for _layer in (RNN, DampenedRNN, ElmanRNN, JordanRNN, LSTM):
    keras.saving.register_keras_serializable(package="rnnzoo")(_layer)
