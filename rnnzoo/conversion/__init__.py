"""Conversion of exports to ONNX, LiteRT and OpenVINO: `python -m rnnzoo.convert`."""

from rnnzoo.conversion.converter import Conversion, convert_export
from rnnzoo.conversion.formats import ConversionError

__all__ = ["Conversion", "ConversionError", "convert_export"]
