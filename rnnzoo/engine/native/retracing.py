"""Functions that hold a native kernel are traced again when they are saved.

A SavedModel that holds the kernels' operations can be loaded only where the same library is loaded, so they must never
be saved. While `tf.saved_model.save` or `get_concrete_function` runs, layers are traced for the graph engine
(`modes.may_be_saved`). The former traces functions again by itself; for the latter, the cache of a function that was
traced with kernels returns nothing, so that TensorFlow traces it again. So it does where a function that XLA compiles
calls it.
"""

import sys
from typing import Any

import tensorflow as tf
from tensorflow.core.function.polymorphism.function_cache import FunctionCache

from rnnzoo.cells.ops import in_xla
from rnnzoo.engine.modes import may_be_saved, running_frames

TRACING_FUNCTION = "_maybe_define_function"  # of TensorFlow: looks into the cache of a function, and traces it
CALLING_FUNCTION = "call_function"  # of TensorFlow: calls trace_function, which calls TRACING_FUNCTION


class _MarkedCache(FunctionCache):
    """The cache of a function that was traced with kernels; it returns nothing where they must not be."""

    __slots__ = ()

    def lookup(self, *arguments: Any, **named: Any) -> Any:
        found = super().lookup(*arguments, **named)
        if found is None or (tf.executing_eagerly() and sys._getframe(3).f_code.co_name == CALLING_FUNCTION):
            return found
        if may_be_saved() or in_xla():
            return None
        _mark_caches()  # a function that calls the found one holds its kernels too
        return found


def allows_kernels() -> bool:
    """Whether an operation of the kernels may be created here; functions that are being traced are then marked."""
    return tf.executing_eagerly() or (not may_be_saved() and _mark_caches() > 0)


def _mark_caches() -> int:
    """Marks the caches of the functions that are being traced; returns their number, 0 in a graph of another kind."""
    count = 0
    for frame in running_frames():
        if frame.f_code.co_name == TRACING_FUNCTION:
            cache = getattr(frame.f_locals.get("tracing_options"), "function_cache", None)
            if type(cache) in (FunctionCache, _MarkedCache):
                cache.__class__ = _MarkedCache
                count += 1
    return count
