"""Export of models as SavedModels that plain TensorFlow serves, without this package."""

from rnnzoo.export.language_model_serving import LanguageModelServing
from rnnzoo.export.saved_model import ExportError, export_saved_model
from rnnzoo.export.seq2seq_serving import Seq2SeqServing
from rnnzoo.export.sequence_serving import SequenceServing
from rnnzoo.export.tree_serving import TreeServing

__all__ = ["ExportError", "LanguageModelServing", "Seq2SeqServing", "SequenceServing", "TreeServing"]
__all__ += ["export_saved_model"]
