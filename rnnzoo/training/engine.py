"""The engine that computes a run: native kernels, cuDNN, XLA, or the plain graph."""

from typing import Any

from rnnzoo.engine import cudnn, native
from rnnzoo.errors import UserError
from rnnzoo.layers import RNN

Engine = dict[str, Any]  # as in `config.json`: its name, and of native kernels their digest and the width of vectors


def choose_engine(model: Any, jit_compile: Any = "auto") -> Engine:
    """Returns the engine of a model.

    By default XLA compiles a model unless native kernels, or cuDNN on a GPU, run all its recurrent layers: the kernels
    are then faster, and nothing has to be compiled when a run starts (docs/results.md).
    """
    if jit_compile is True and model.supports_xla:
        return {"name": "xla"}
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, RNN)]
    by_cudnn = [not cudnn.find_problem(layer.cell, True, layer.truncate) for layer in layers]
    by_kernels = [layer.truncate is None and native.serves(layer.cell) for layer in layers]
    if jit_compile == "auto":
        jit_compile = not layers or not (all(by_cudnn) or all(by_kernels))
    if jit_compile and model.supports_xla:
        return {"name": "xla"}
    if any(by_cudnn):
        return {"name": "cudnn"}
    if not any(by_kernels):
        return {"name": "graph"}
    status = native.status()
    return {"name": "native", "kernel": status.digest, "vector_bits": status.vector_bits}


def describe_engine(engine: Engine) -> str:
    """Returns the name of an engine and what its results depend on."""
    if engine["name"] == "native":
        return f"native kernels {engine.get('kernel', '')} ({engine.get('vector_bits', 0)}-bit vectors)"
    return {"xla": "XLA", "graph": "the plain graph", "cudnn": "cuDNN"}.get(engine["name"], str(engine["name"]))


def describe_choice(engine: Engine) -> str:
    """Describes an engine for the log, with the reason why native kernels are not used."""
    reason = native.known_reason()
    return describe_engine(engine) + (f"; native kernels are not available: {reason}" if reason else "")


def check_engine(config: dict[str, Any], now: Engine, deterministic: bool) -> str:
    """Compares the engine of a resumed run with that of its beginning; returns a line for the log if they differ.

    Args:
        config: `config.json` of the run, empty if it had not begun; versions before 0.4 did not record the engine.
        now: the engine now.
        deterministic: whether the results must be those of an uninterrupted run.

    Raises:
        UserError: they differ and the run is deterministic: its results would not be those of an uninterrupted run.
    """
    before: Engine | None = config.get("engine")
    if before is None:
        note = f"note: the run does not record its engine; it is now computed by {describe_engine(now)}"
        return note if config else ""
    if before == now:
        return ""
    change = f"the run was computed by {describe_engine(before)} and is now computed by {describe_engine(now)}"
    if not deterministic:
        return f"note: {change}: results differ in their last digits from those of an uninterrupted run"
    remedies = {
        "xla": "give --jit_compile=true",
        "graph": f"give --jit_compile=false and set the environment variable {native.SWITCH}=0",
        "cudnn": "give --jit_compile=false, on a GPU",
        "native": "give --jit_compile=false, with the TensorFlow, C compiler and processor that the run began with",
    }
    remedy = remedies.get(before["name"], "start a new run")
    raise UserError(f"--resume: {change}; for identical results {remedy}; or give --nodeterministic")
