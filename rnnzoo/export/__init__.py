"""Export of models as SavedModels that plain TensorFlow serves, without this package."""

from rnnzoo.export.saved_model import ExportError, export_saved_model
from rnnzoo.export.seq2seq_serving import Seq2SeqServing
from rnnzoo.export.sequence_serving import SequenceServing

__all__ = ["ExportError", "Seq2SeqServing", "SequenceServing", "export_saved_model"]
