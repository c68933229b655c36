"""SavedModels that serve text or features with plain TensorFlow, without this package."""

from rnnzoo.export.saved_model import ExportError, export_saved_model
from rnnzoo.export.serving import Serving
from rnnzoo.export.writing import WritingServing

__all__ = ["ExportError", "Serving", "WritingServing", "export_saved_model"]
