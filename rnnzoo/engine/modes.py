"""Modes in which loops are traced: for training, for export, and for conversion to other formats."""

import contextlib
import contextvars
import sys
import types
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from rnnzoo.cells.ops import in_xla

_EXPORTING: contextvars.ContextVar[bool] = contextvars.ContextVar("exporting", default=False)
_PORTABLE: contextvars.ContextVar[bool] = contextvars.ContextVar("portable", default=False)
_CONVERTING: contextvars.ContextVar[bool] = contextvars.ContextVar("converting", default=False)
LITERT_CONVERTERS = ("keras.src.export.litert", "tensorflow.lite.")  # modules that trace a model to convert it
CONVERTERS = (*LITERT_CONVERTERS, "keras.src.export.onnx", "keras.src.export.openvino", "tf2onnx")
SAVERS = (*LITERT_CONVERTERS, "keras.src.export", "tensorflow.python.saved_model", "tf2onnx")


@contextlib.contextmanager
def export_mode(portable: bool = False, converting: bool = False) -> Iterator[None]:
    """Context in which graphs are traced without custom gradients, which exports do not need.

    Args:
        portable: whether loops over time use only operations that LiteRT converts at any batch size and length.
        converting: whether other operations must be known to ONNX and OpenVINO too; `portable` implies it.
    """
    tokens = [(_EXPORTING, _EXPORTING.set(True)), (_PORTABLE, _PORTABLE.set(portable))]
    tokens.append((_CONVERTING, _CONVERTING.set(converting or portable)))
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


def in_export_mode() -> bool:
    """Whether graphs are traced in `export_mode`."""
    return _EXPORTING.get()


def needs_portable_loop(unroll: bool, training: Any) -> bool:
    """Whether a loop over time must be convertible by LiteRT, which has no lists of tensors of unknown shape.

    True in `export_mode(portable=True)`, for a layer with `unroll` (the option with which Keras's own layers convert),
    and while Keras or TensorFlow trace a model for LiteRT; never in training, eagerly or under XLA.
    """
    if training or tf.executing_eagerly() or in_xla():
        return False
    return unroll or _PORTABLE.get() or _is_called_by(LITERT_CONVERTERS)


def may_be_converted() -> bool:
    """Whether the graph being traced is to be converted to LiteRT, ONNX or OpenVINO."""
    return _CONVERTING.get() or _is_called_by(CONVERTERS)


def may_be_saved() -> bool:
    """Whether the graph being traced is likely to be stored, to run without this package.

    True while Keras, TensorFlow or tf2onnx trace a model to save or convert it, and in a function's
    `get_concrete_function`.
    """
    return _is_called_by(SAVERS) or any(f.f_code.co_name == "get_concrete_function" for f in running_frames())


def _is_called_by(modules: tuple[str, ...]) -> bool:
    return any(frame.f_globals.get("__name__", "").startswith(modules) for frame in running_frames())


def running_frames() -> Iterator[types.FrameType]:
    """Yields the frames of the running functions, from the inside out."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back
