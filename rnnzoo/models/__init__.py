"""Input to logits: a `TaskSpec` in, a `keras.Model` out."""

from rnnzoo.models import arranged, recurrent, recursive, seq2seq
from rnnzoo.models.base import ZooModel, create_model, list_models
from rnnzoo.models.encoder_decoder import EncoderDecoder
from rnnzoo.models.network import Network
from rnnzoo.models.recursive import TreeNetwork

__all__ = ["EncoderDecoder", "Network", "TreeNetwork", "ZooModel", "arranged", "create_model", "list_models"]
__all__ += ["recurrent", "recursive", "seq2seq"]
