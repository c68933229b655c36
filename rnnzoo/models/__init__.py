"""Models: from a `TaskSpec` to a `keras.Model`."""

from rnnzoo.models import any_cell, recurrent, recursive, seq2seq
from rnnzoo.models.base import ZooModel, create_model, list_models
from rnnzoo.models.encoder_decoder import EncoderDecoder
from rnnzoo.models.network import Network
from rnnzoo.models.recursive import TreeNetwork

__all__ = ["EncoderDecoder", "Network", "TreeNetwork", "ZooModel", "any_cell", "create_model", "list_models"]
__all__ += ["recurrent", "recursive", "seq2seq"]
