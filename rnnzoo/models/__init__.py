"""Input to logits: a `TaskSpec` in, a `keras.Model` out."""

from rnnzoo.models import arranged, recurrent
from rnnzoo.models.network import Network, create_model, list_models

__all__ = ["Network", "arranged", "create_model", "list_models", "recurrent"]
