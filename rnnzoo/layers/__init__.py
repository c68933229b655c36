"""Keras layers for recurrent and recursive networks."""

import keras

from rnnzoo import cells
from rnnzoo.cells import Attention
from rnnzoo.engine.scan import scan
from rnnzoo.layers.bidirectional import Bidirectional
from rnnzoo.layers.crf import CRF
from rnnzoo.layers.decoder import Bridge, Decoder
from rnnzoo.layers.deep import DeepInput, DeepOutput, DeepTransition
from rnnzoo.layers.named import NamedRNN
from rnnzoo.layers.recursive import Recursive
from rnnzoo.layers.rnn import RNN
from rnnzoo.layers.stack import Stack

__all__ = [
    "CRF",
    "GRU",
    "LSTM",
    "RNN",
    "Attention",
    "Bidirectional",
    "Bridge",
    "DampenedRNN",
    "Decoder",
    "DeepInput",
    "DeepOutput",
    "DeepTransition",
]
__all__ += ["ElmanRNN", "IndRNN", "JordanRNN", "LayerNormLSTM", "NamedRNN", "PeepholeLSTM", "Recursive", "Stack"]
__all__ += ["scan"]


class DampenedRNN(NamedRNN, cell_class=cells.DampenedCell):
    __doc__ = cells.DampenedCell.__doc__


class ElmanRNN(NamedRNN, cell_class=cells.ElmanCell):
    __doc__ = cells.ElmanCell.__doc__


class GRU(NamedRNN, cell_class=cells.GRUCell, like=keras.layers.GRU):
    __doc__ = cells.GRUCell.__doc__


class IndRNN(NamedRNN, cell_class=cells.IndRNNCell):
    __doc__ = cells.IndRNNCell.__doc__


class JordanRNN(NamedRNN, cell_class=cells.JordanCell):
    __doc__ = cells.JordanCell.__doc__


class LSTM(NamedRNN, cell_class=cells.LSTMCell, like=keras.layers.LSTM):
    __doc__ = cells.LSTMCell.__doc__


class LayerNormLSTM(NamedRNN, cell_class=cells.LayerNormLSTMCell, like=keras.layers.LSTM):
    __doc__ = cells.LayerNormLSTMCell.__doc__


class PeepholeLSTM(NamedRNN, cell_class=cells.PeepholeLSTMCell, like=keras.layers.LSTM):
    __doc__ = cells.PeepholeLSTMCell.__doc__


for _layer in (RNN, DampenedRNN, ElmanRNN, GRU, IndRNN, JordanRNN, LSTM, LayerNormLSTM, PeepholeLSTM):
    keras.saving.register_keras_serializable(package="rnnzoo")(_layer)
