"""Input to logits: a `TaskSpec` in, a `keras.Model` out."""

from rnnzoo.models import arranged, recurrent, seq2seq
from rnnzoo.models.base import ZooModel, create_model, list_models
from rnnzoo.models.encoder_decoder import EncoderDecoder
from rnnzoo.models.network import Network

__all__ = ["EncoderDecoder", "Network", "ZooModel", "arranged", "create_model", "list_models", "recurrent", "seq2seq"]
