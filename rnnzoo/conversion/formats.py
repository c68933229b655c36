"""Formats that models are converted to: how a file is written, and how its own runtime runs it."""

import abc
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from rnnzoo.conversion.numeric import Arrays, NumericSignature
from rnnzoo.errors import RunError, UserError, first_line

Runner = Callable[[Arrays], Arrays]


class ConversionError(RunError):
    """A converter refused a signature, or the converted file gives other answers than the SavedModel."""


class Format(abc.ABC):
    """Base class of formats.

    Attributes:
        name: the name of the format.
        suffix: of its files.
        modules: the modules that write and run it.
        portable: whether loops over time must have the form that LiteRT needs.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    portable: ClassVar[bool] = False

    def check_installed(self) -> None:
        """Raises `UserError` if a module is missing."""
        missing = [module for module in self.modules if importlib.util.find_spec(module.partition(".")[0]) is None]
        if missing:
            raise UserError(f"--to={self.name} needs {missing[0].partition('.')[0]}: pip install 'rnnzoo[{self.name}]'")

    def write(self, signature: NumericSignature, path: Path, quantize: str) -> None:
        """Writes a signature to a file.

        Args:
            signature: the signature.
            path: the file, with `suffix`; other files may be written beside it with the same stem.
            quantize: how weights are stored: "none", "float16" or "int8".

        Raises:
            ConversionError: the converter refuses the graph.
        """
        try:
            self._write(signature, path, quantize)
        except Exception as error:  # whatever a converter of another package raises
            message = f"{self.name} has no form of the signature '{signature.name}' of this model: {first_line(error)}"
            raise ConversionError(message) from error

    @abc.abstractmethod
    def _write(self, signature: NumericSignature, path: Path, quantize: str) -> None:
        """Writes a signature to a file; any exception means that it cannot be converted."""

    @abc.abstractmethod
    def load(self, path: Path, threads: int = 0) -> Runner:
        """Loads a file in its runtime; returns the function from inputs to results, NumPy arrays by name.

        Args:
            path: the file.
            threads: the number of threads; 0: the runtime's choice.
        """


class OnnxFormat(Format):
    """ONNX, converted by tf2onnx and run by ONNX Runtime."""

    name, suffix, modules = "onnx", ".onnx", ("tf2onnx", "onnx", "onnxruntime")
    opset = 17

    def _write(self, signature: NumericSignature, path: Path, quantize: str) -> None:
        import onnx
        import tf2onnx

        from rnnzoo.conversion.onnx_weights import compress_weights, quantize_products

        function = signature.trace(self.portable)
        model, _ = tf2onnx.convert.from_function(function, input_signature=signature.specs, opset=self.opset)
        if quantize == "int8":
            model = quantize_products(model, path.parent)
        if quantize != "none":
            compress_weights(model.graph, quantize)
        onnx.checker.check_model(model)
        onnx.save(model, path)

    def load(self, path: Path, threads: int = 0) -> Runner:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options)
        names = [output.name for output in session.get_outputs()]
        inputs = {i.name for i in session.get_inputs()}  # the converter drops inputs that no result depends on

        def run(given: Arrays) -> Arrays:
            return dict(zip(names, session.run(None, {k: v for k, v in given.items() if k in inputs}), strict=True))

        return run


class LiteRTFormat(Format):
    """LiteRT (TensorFlow Lite), with built-in operations alone."""

    name, suffix, modules, portable = "litert", ".tflite", ("ai_edge_litert",), True

    def _write(self, signature: NumericSignature, path: Path, quantize: str) -> None:
        folder = save_signature(signature, path, self.portable)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[signature.name])
        if quantize != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize == "float16":
            converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())

    def load(self, path: Path, threads: int = 0) -> Runner:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=threads or None)
        (name,) = interpreter.get_signature_list()
        runner = interpreter.get_signature_runner(name)
        inputs = set(interpreter.get_signature_list()[name]["inputs"])
        return lambda given: runner(**{key: value for key, value in given.items() if key in inputs})


class OpenVINOFormat(Format):
    """OpenVINO's intermediate representation: an .xml file and a .bin file with the weights."""

    name, suffix, modules = "openvino", ".xml", ("openvino", "nncf")

    def _write(self, signature: NumericSignature, path: Path, quantize: str) -> None:
        import openvino

        model = openvino.convert_model(save_signature(signature, path, self.portable))
        if quantize == "int8":
            _compress_openvino(model)
        openvino.save_model(model, path, compress_to_fp16=quantize == "float16")

    def load(self, path: Path, threads: int = 0) -> Runner:
        import openvino

        # by default processors with bfloat16 round to it
        options = {"INFERENCE_PRECISION_HINT": "f32", **({"INFERENCE_NUM_THREADS": threads} if threads else {})}
        compiled = openvino.Core().compile_model(path, "CPU", options)
        inputs = {name for port in compiled.inputs for name in port.names}

        def run(given: Arrays) -> Arrays:
            results = compiled({key: value for key, value in given.items() if key in inputs})
            return {name: np.array(value) for port, value in results.items() for name in port.names}

        return run


def _compress_openvino(model: Any) -> None:
    """Stores the weights of an OpenVINO model, and of the bodies of its loops, as int8."""
    import logging

    import nncf

    nncf.set_log_level(logging.ERROR)
    for operation in model.get_ops():
        if operation.get_type_name() in ("Loop", "TensorIterator"):
            _compress_openvino(operation.get_function())
    nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)


def save_signature(signature: NumericSignature, path: Path, portable: bool) -> str:
    """Saves a signature as a SavedModel beside a file that is written; returns its folder."""
    function = signature.trace(portable).get_concrete_function()
    module = tf.Module()
    module.weights = list(function.graph.variables)
    folder = str(path.with_suffix(".saved_model"))
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, folder, signatures={signature.name: function}, options=options)
    return folder


FORMATS: dict[str, Format] = {f.name: f for f in (OnnxFormat(), LiteRTFormat(), OpenVINOFormat())}
