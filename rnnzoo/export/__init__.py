"""SavedModels that serve text or features with plain TensorFlow, without this package."""

from rnnzoo.export.saved_model import ExportError, export_saved_model
from rnnzoo.export.serving import Serving

__all__ = ["ExportError", "Serving", "export_saved_model"]
