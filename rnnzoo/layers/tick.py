"""One tick of a cell as the engine sees it: what its parts depend on, and its weights as arguments."""

import contextlib
import contextvars
import dataclasses
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


@contextlib.contextmanager
def plain_loop() -> Iterator[None]:
    """Inside, graphs are traced without the custom gradient: for export, where none is needed."""
    token = IN_PLAIN_LOOP.set(True)
    try:
        yield
    finally:
        IN_PLAIN_LOOP.reset(token)


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
        with bound(cell, owned), tf.GradientTape(persistent=True) as tape:
            tape.watch([floats(x), floats(consts), owned])
            r = tree.map_structure(like, cell.recurrent(state, consts))
            tape.watch(r)
            with noting(Notes()) as noted:
                output, new_state = cell.step(x, r, state, consts)
        _refuse_impure(cell, graph, len(weights))
        targets = [t for t in [output, *new_state] if t.dtype.is_floating]
        d_x, d_r = tape.gradient(targets, [floats(x), r])
        d_owned = tape.gradient(targets, [*owned, *floats(consts)])
    flat_x, flat_r = tree.flatten(d_x), tree.flatten(d_r)

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
