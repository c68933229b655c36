"""Native kernels: layers of LSTM, GRU and Elman cells in one operation, compiled on first use by the C compiler.

They are used where the environment variable `RNNZOO_NATIVE` is 1, a compiler is found and the kernels agree with the
graph engine. `status()` describes the state of a process.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import tensorflow as tf

from rnnzoo.cells.base import Cell, NativeKernel
from rnnzoo.cells.ops import in_xla
from rnnzoo.engine.modes import in_export_mode
from rnnzoo.engine.native.library import SWITCH, Library, UnavailableError, load_library
from rnnzoo.engine.native.self_check import check_library

_STATE: dict[str, Any] = {}  # "library" or "reason", once decided


class Status(NamedTuple):
    """Whether the native kernels are used, and why not.

    Attributes:
        available: whether they are used.
        reason: why they are not; empty if they are.
        path: the shared library, or "".
        digest: digest of source, TensorFlow, compiler and processor, or "".
    """

    available: bool
    reason: str
    path: str
    digest: str


def status() -> Status:
    """Returns whether the native kernels are used in this process, and why not; compiles them on the first call.

    >>> status().available in (True, False)
    True
    """
    library = _get_library()
    if library is None:
        return Status(False, _STATE.get("reason", f"{SWITCH} is not 1"), "", "")
    return Status(True, "", str(library.path), library.digest)


def find_native(cell: Cell, inputs: tf.Tensor, state: tuple) -> tuple[Library, NativeKernel] | None:
    """Returns the kernels and the declaration of a cell that they can run, or None.

    A declaration counts for the class that makes it, not for subclasses, whose equations may be others.
    """
    if os.environ.get(SWITCH) != "1" or in_xla() or in_export_mode() or "native_kernel" not in vars(type(cell)):
        return None
    kernel = cell.native_kernel()
    tensors = [inputs, *state, *cell.weights]
    if kernel is None or cell.kernel is None or any(tf.as_dtype(t.dtype) != tf.float32 for t in tensors):
        return None
    if inputs.shape.rank != 3 or not inputs.shape[-1]:
        return None
    library = _get_library()
    return None if library is None else (library, kernel)


def _get_library() -> Library | None:
    if os.environ.get(SWITCH) != "1":
        return None
    if not _STATE:
        with ThreadPoolExecutor(1) as fresh:  # a thread without the graph and the tapes of this one
            fresh.submit(_decide).result()
    return _STATE.get("library")


def _decide() -> None:
    try:
        library = load_library()
        check_library(library)
        _STATE["library"] = library
    except UnavailableError as error:
        _STATE["reason"] = str(error)
