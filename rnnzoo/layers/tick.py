"""One tick of a cell as the engine sees it: what its parts depend on, and its weights as arguments."""

import contextlib
import contextvars
import dataclasses
import sys
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.activations import Notes, noting
from rnnzoo.cells.ops import in_xla

ROWS = 7919  # of the tick that is traced: as many as no other axis has
IN_PLAIN_LOOP: contextvars.ContextVar[bool] = contextvars.ContextVar("plain", default=False)
_PORTABLE: contextvars.ContextVar[bool] = contextvars.ContextVar("portable", default=False)
LITERT_CONVERTERS = ("keras.src.export.litert", "tensorflow.lite.")  # modules that trace a model to convert it


@contextlib.contextmanager
def plain_loop(portable: bool = False) -> Iterator[None]:
    """Context in which graphs are traced without custom gradients, as exports need none.

    Args:
        portable: whether loops over time use only operations that LiteRT converts at any batch size and length.
    """
    tokens = IN_PLAIN_LOOP.set(True), _PORTABLE.set(portable)
    try:
        yield
    finally:
        IN_PLAIN_LOOP.reset(tokens[0])
        _PORTABLE.reset(tokens[1])


def is_portable(unroll: bool, training: Any) -> bool:
    """Whether a loop over time must be one that LiteRT converts: it has no lists of tensors of unknown shape.

    True in `plain_loop(portable=True)`, for a layer with `unroll` (the option with which Keras's own layers convert),
    and while Keras or TensorFlow trace a model for LiteRT; never in training, eagerly or under XLA.
    """
    if training or tf.executing_eagerly() or in_xla():
        return False
    return unroll or _PORTABLE.get() or _is_called_by(LITERT_CONVERTERS)


def _is_called_by(modules: tuple[str, ...]) -> bool:
    frame: Any = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(modules):
            return True
        frame = frame.f_back
    return False


@dataclasses.dataclass(frozen=True)
class Tick:
    """What one tick of a cell looks like, found by tracing it once."""

    output_state: int | None  # the state that the output is, if it is one
    same_x_r: bool  # whether x and r enter as a sum, so that their gradients are one
    step_has_weights: bool  # whether `step` itself reads weights or constants
    r: Any  # specification of r, `[batch, ...]`
    output: tf.TensorSpec
    noted: list  # specifications of what its activations give; empty if that cannot be noted for each row


def trace_tick(cell: Cell, x: Any, state: tuple, consts: Any, weights: list[tf.Tensor]) -> Tick:
    """Traces a tick in a graph that is thrown away. Raises `ValueError` if the cell draws random numbers."""
    graph = tf.__internal__.FuncGraph("tick")
    with graph.as_default():

        def like(t: tf.Tensor) -> tf.Tensor:
            return tf.compat.v1.placeholder(t.dtype, [ROWS, *t.shape[1:]])

        x = tree.map_structure(lambda t: tf.compat.v1.placeholder(t.dtype, [ROWS, *t.shape[2:]]), x)
        state, consts = tree.map_structure(like, (state, consts))
        owned = [tf.compat.v1.placeholder(w.dtype, w.shape) for w in weights]
        with bound(cell, owned):
            r = tree.map_structure(like, cell.recurrent(state, consts))
            with noting(Notes()) as noted:
                output, new_state = cell.step(x, r, state, consts)
        _refuse_impure(cell, graph, len(weights))
        targets = [t for t in [output, *new_state] if t.dtype.is_floating]
        # not a GradientTape: it would keep the graph alive for ever
        sources = [floats(x), floats(r), [*owned, *floats(consts)]]
        found = iter(tf.gradients(targets, tree.flatten(sources)))
        flat_x, flat_r, d_owned = ([next(found) for _ in group] for group in sources)

    has_weights = any(d is not None for d in d_owned)
    by_rows = all(t.shape.rank and t.shape[0] == ROWS and ROWS not in t.shape[1:] for t in noted)

    def spec(t: tf.Tensor) -> tf.TensorSpec:
        return tf.TensorSpec([None, *t.shape[1:]], t.dtype)

    return Tick(
        output_state=next((i for i, s in enumerate(new_state) if s is output), None),
        same_x_r=len(flat_x) == len(flat_r) == 1 and flat_x[0] is flat_r[0] and flat_x[0] is not None,
        step_has_weights=has_weights,
        r=tree.map_structure(spec, r),
        output=spec(output),
        noted=[spec(t) for t in noted] if by_rows and not (has_weights or in_xla()) else [],
    )


def _refuse_impure(cell: Cell, graph: Any, weights: int) -> None:
    name = type(cell).__name__
    if len(cell.weights) != weights:
        raise ValueError(f"{name} makes weights in recurrent() or step(): make them, and build its layers, in build()")
    whole = graph.as_graph_def()
    nodes = [*whole.node, *(node for function in whole.library.function for node in function.node_def)]
    noise = sorted({node.op for node in nodes if "Random" in node.op or "Multinomial" in node.op})
    if noise:
        raise ValueError(
            f"{name} draws random numbers ({noise[0]}) in recurrent() or step(), which run again "
            "on the way back: draw them in project() or constants()"
        )


def bound(cell: Cell, values: list) -> keras.StatelessScope:
    """Inside, the cell's variables read as these tensors: arguments of the custom gradient, cast once."""
    scope = keras.StatelessScope()
    for variable, value in zip(cell.weights, values, strict=True):
        scope.add_update((variable, value))
    return scope


def cast_weights(cell: Cell) -> list[tf.Tensor]:
    """The cell's weights as it computes with them."""
    tensors = [tf.convert_to_tensor(v) for v in cell.weights]
    return [tf.cast(t, cell.compute_dtype) if t.dtype.is_floating else t for t in tensors]


def floats(nest: Any) -> list:
    """The tensors of a nest that have a gradient."""
    return [t for t in tree.flatten(nest) if t.dtype.is_floating]
