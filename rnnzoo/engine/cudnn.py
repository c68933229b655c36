"""LSTM and GRU layers on a GPU by cuDNN, through Keras's functions for it, which take our weights as they are.

XLA has no operation for it, and exports must run on any device, so graphs for them use the loop over time. A second
derivative is not available. The calls were traced and compared with a reference, and never ran on a GPU.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras.src import backend

from rnnzoo.cells import Cell
from rnnzoo.cells.ops import in_xla, weight
from rnnzoo.engine.modes import in_export_mode
from rnnzoo.engine.recorder import is_recording

KERNELS = ("lstm", "gru")  # native kernels of the same equations as cuDNN's


def is_chosen(use_cudnn: Any, cell: Cell, training: Any, truncate: int | None, unroll: bool) -> bool:
    """Returns whether cuDNN is to run a layer. Raises `ValueError` if it must, and cannot."""
    if not use_cudnn or in_xla() or in_export_mode() or is_recording():
        return False
    problem = find_problem(cell, training, truncate, unroll)
    if problem and use_cudnn is True:
        raise ValueError(f"use_cudnn=True, and cuDNN cannot run this layer: {problem}")
    return not problem


def find_problem(cell: Cell, training: Any = False, truncate: int | None = None, unroll: bool = False) -> str:
    """Returns why cuDNN cannot run a layer; empty if it can."""
    kernel = cell.native_kernel() if "native_kernel" in vars(type(cell)) else None
    if kernel is None or kernel.name not in KERNELS or cell.kernel is None:
        return "its equations, activations or options are not cuDNN's"
    for problem, applies in (
        ("it has no bias", not cell.use_bias),
        ("it has recurrent dropout", cell.recurrent_dropout and training),
        ("it truncates the gradient", truncate),
        ("it is unrolled", unroll),
        ("its states have another precision than its inputs", cell.compute_dtype != cell.variable_dtype),
        ("there is no GPU", not tf.config.list_logical_devices("GPU")),
    ):
        if applies:
            return problem
    return ""


def run_or_loop(
    cell: Cell,
    prepare: Callable[[], tuple],
    state: tuple,
    mask: tf.Tensor | None,
    go_backwards: bool,
    return_sequences: bool,
    loop: Callable[[], tuple] | None,
) -> tuple[tf.Tensor, tuple]:
    """Runs a layer by cuDNN, or by the loop if a mask pads otherwise than at the end, or a whole row.

    Args:
        cell: a cell without a problem, see `find_problem`.
        prepare: returns a tuple that begins with the inputs `[batch, time, features]`, with dropout, zero at padding.
        state: the initial state.
        mask: `[batch, time]`, or None.
        go_backwards: whether to read from the last step to the first.
        return_sequences: whether to return the outputs of all steps.
        loop: returns the same as this function; None: such a mask is an error.

    Returns:
        Outputs and final state, as `rnnzoo.engine.scan.scan`.
    """

    def run() -> tuple[tf.Tensor, tuple]:
        return _run(cell, prepare()[0], state, mask, go_backwards, return_sequences)

    if loop is None:
        try:
            return run()
        except NotImplementedError:
            problem = "TensorFlow has no cuDNN here" if mask is None else "the mask pads otherwise than at the end"
            raise ValueError(f"use_cudnn=True, and cuDNN cannot run this layer: {problem}") from None
    if mask is None:
        return run()
    lengths = tf.reduce_sum(tf.cast(mask, tf.int32), 1)
    is_right_padding = tf.reduce_all(mask == tf.sequence_mask(lengths, tf.shape(mask)[1])) & tf.reduce_all(lengths > 0)
    return tf.cond(is_right_padding, run, loop)


def _run(
    cell: Any, inputs: tf.Tensor, state: tuple, mask: tf.Tensor | None, go_backwards: bool, return_sequences: bool
) -> tuple[tf.Tensor, tuple]:
    names = ("kernel", "recurrent_kernel", "bias")
    weights = {name: weight(getattr(cell, name), cell.compute_dtype) for name in names}
    options: dict[str, Any] = {"reset_after": True} if len(state) == 1 else {}
    function = backend.gru if len(state) == 1 else backend.lstm
    last, outputs, final = function(
        inputs,
        *state,
        mask,
        **weights,
        activation=keras.activations.tanh,
        recurrent_activation=keras.activations.sigmoid,
        return_sequences=True,
        go_backwards=go_backwards,
        **options,
    )
    if not return_sequences:
        return last, tuple(final)
    if mask is not None and not go_backwards:  # padding repeats the last output; read backwards, it comes first
        outputs = tf.where(tf.expand_dims(mask, -1), outputs, last[:, None])
    return outputs, tuple(final)
