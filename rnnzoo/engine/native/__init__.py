"""Native kernels: layers of LSTM, GRU and Elman cells in one operation, compiled on first use by the C compiler.

They are used on a CPU where a C compiler is found and the compiled kernels agree with TensorFlow; everything else runs
in the graph engine. The environment variable `RNNZOO_NATIVE=0` turns them off; `status()` describes the state of a
process.
"""

import os
import warnings
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.eager.forwardprop_util import pack_tangents

from rnnzoo.cells.base import Cell, NativeKernel
from rnnzoo.cells.ops import in_xla
from rnnzoo.engine.modes import in_export_mode
from rnnzoo.engine.native.library import SWITCH, Library, UnavailableError, WrongResultError, load_library
from rnnzoo.engine.native.retracing import allows_kernels
from rnnzoo.engine.native.self_check import check_library
from rnnzoo.engine.native.threads import run_in_new_thread
from rnnzoo.errors import first_line

_STATE: dict[str, Any] = {}  # "library" or "reason", once decided


class Status(NamedTuple):
    """Whether the native kernels are used, and why not.

    Attributes:
        available: whether they are used.
        reason: why they are not; empty if they are.
        path: the shared library, or "".
        digest: digest of source, TensorFlow, compiler and processor, or "".
        vector_bits: width of the vectors that the library was compiled for, or 0.
    """

    available: bool
    reason: str
    path: str
    digest: str
    vector_bits: int


def status() -> Status:
    """Returns whether the native kernels are used in this process, and why not; compiles them on the first call.

    >>> status().available in (True, False)
    True
    """
    library = _get_library()
    if library is None:
        return Status(False, _reason_off() or _STATE["reason"], "", "", 0)
    return Status(True, "", str(library.path), library.digest, library.vector_bits)


def known_reason() -> str:
    """Returns the reason of `status()` if it is known already; compiles nothing."""
    return _reason_off() or _STATE.get("reason", "")


def serves(cell: Cell) -> bool:
    """Returns whether the kernels run a cell in the plain graph.

    A declaration counts for the class that makes it, not for subclasses, whose equations may be others.
    """
    if "native_kernel" not in vars(type(cell)) or cell.native_kernel() is None:
        return False
    return cell.compute_dtype == cell.variable_dtype == "float32" and _get_library() is not None


def find_native(cell: Cell, inputs: tf.Tensor, state: tuple) -> tuple[Library, NativeKernel] | None:
    """Returns the kernels and the declaration of a cell that they can run, or None."""
    if in_xla() or in_export_mode() or not serves(cell) or cell.kernel is None:
        return None
    if isinstance(tf.distribute.get_strategy(), tf.distribute.ParameterServerStrategy):
        return None  # remote workers do not have the library
    if pack_tangents([inputs, *state, *map(tf.convert_to_tensor, cell.weights)]).tangents:
        return None  # forward-mode differentiation takes the gradients of operations, not custom ones
    if (inputs.dtype.is_floating and inputs.dtype != tf.float32) or any(s.dtype != tf.float32 for s in state):
        return None
    if inputs.shape.rank != 3 or not inputs.shape[-1]:
        return None
    library, kernel = _get_library(), cell.native_kernel()
    return None if library is None or not allows_kernels() else (library, kernel)


def _reason_off() -> str:
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH} is 0"
    devices = {device.device_type for device in tf.config.get_visible_devices()}
    return f"TensorFlow uses a {min(devices - {'CPU'})}" if devices - {"CPU"} else ""


def _get_library() -> Library | None:
    if _reason_off():
        return None
    if not _STATE:
        run_in_new_thread(_decide)
    return _STATE.get("library")


def _decide() -> None:
    try:
        library = load_library()
        check_library(library)
        _STATE["library"] = library
    except WrongResultError as error:
        _STATE["reason"] = str(error)
        warnings.warn(f"rnnzoo does not use its native kernels: {error}", stacklevel=2)
    except UnavailableError as error:
        _STATE["reason"] = str(error)
    except Exception as error:  # whatever prevents compilation must not prevent the use of a layer
        _STATE["reason"] = f"{type(error).__name__}: {first_line(error)}"
