"""Static analysis of a cell: its step is traced once to find what its parts depend on."""

import dataclasses
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells import Cell
from rnnzoo.cells.activations import ActivationCache, use_activation_cache
from rnnzoo.cells.ops import in_xla

TRACE_BATCH = 7919  # batch size of the traced step, which no other axis has


@dataclasses.dataclass(frozen=True)
class CellTrace:
    """Properties of a cell's step.

    Attributes:
        output_state: index of the state that the output is, or None.
        x_plus_r: whether x and r enter as a sum, so that they have the same gradient.
        step_uses_weights: whether `step` itself, and not only `recurrent`, uses weights or constants.
        r: specifications of r, a nest of `[batch, ...]`.
        output: specification of the output.
        activations: specifications of the cached activations; empty if they cannot be cached for each row.
    """

    output_state: int | None
    x_plus_r: bool
    step_uses_weights: bool
    r: Any
    output: tf.TensorSpec
    activations: list


def trace_cell(cell: Cell, x: Any, state: tuple, consts: Any, weights: list[tf.Tensor]) -> CellTrace:
    """Traces one step of a built cell in a temporary graph, for `x [time, batch, ...]`.

    Raises:
        ValueError: the cell uses random numbers, or creates weights, in `recurrent` or `step`.
    """
    graph = tf.__internal__.FuncGraph("step")
    with graph.as_default():

        def placeholder(t: tf.Tensor) -> tf.Tensor:
            return tf.compat.v1.placeholder(t.dtype, [TRACE_BATCH, *t.shape[1:]])

        x = tree.map_structure(lambda t: tf.compat.v1.placeholder(t.dtype, [TRACE_BATCH, *t.shape[2:]]), x)
        state, consts = tree.map_structure(placeholder, (state, consts))
        weight_inputs = [tf.compat.v1.placeholder(w.dtype, w.shape) for w in weights]
        with bind_weights(cell, weight_inputs):
            r = tree.map_structure(placeholder, cell.recurrent(state, consts))
            with use_activation_cache(ActivationCache()) as activations:
                output, new_state = cell.step(x, r, state, consts)
        _check_purity(cell, graph, len(weights))
        targets = [t for t in [output, *new_state] if t.dtype.is_floating]
        # not a GradientTape, which would keep the graph alive forever
        sources = [float_tensors(x), float_tensors(r), [*weight_inputs, *float_tensors(consts)]]
        gradients = iter(tf.gradients(targets, tree.flatten(sources)))
        d_x, d_r, d_weights = ([next(gradients) for _ in group] for group in sources)

    uses_weights = any(d is not None for d in d_weights)
    cacheable = all(t.shape.rank and t.shape[0] == TRACE_BATCH and TRACE_BATCH not in t.shape[1:] for t in activations)
    return CellTrace(
        output_state=next((i for i, s in enumerate(new_state) if s is output), None),
        x_plus_r=len(d_x) == len(d_r) == 1 and d_x[0] is d_r[0] and d_x[0] is not None,
        step_uses_weights=uses_weights,
        r=tree.map_structure(_batch_spec, r),
        output=_batch_spec(output),
        activations=[_batch_spec(t) for t in activations] if cacheable and not (uses_weights or in_xla()) else [],
    )


def _batch_spec(t: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec([None, *t.shape[1:]], t.dtype)


def _check_purity(cell: Cell, graph: Any, num_weights: int) -> None:
    name = type(cell).__name__
    if len(cell.weights) != num_weights:
        raise ValueError(f"{name} creates weights in recurrent() or step(): create them, and its layers, in build()")
    graph_def = graph.as_graph_def()
    nodes = [*graph_def.node, *(node for function in graph_def.library.function for node in function.node_def)]
    random_ops = sorted({node.op for node in nodes if "Random" in node.op or "Multinomial" in node.op})
    if random_ops:
        raise ValueError(
            f"{name} uses random numbers ({random_ops[0]}) in recurrent() or step(), which run again in the backward "
            "pass: sample them in project() or constants()"
        )


def bind_weights(cell: Any, values: list) -> keras.StatelessScope:
    """Context in which the variables of a cell have the values of these tensors, the inputs of a custom gradient."""
    scope = keras.StatelessScope()
    for variable, value in zip(cell.weights, values, strict=True):
        scope.add_update((variable, value))
    return scope


def cast_weights(cell: Any) -> list[tf.Tensor]:
    """Returns the weights of a cell in its compute dtype."""
    tensors = [tf.convert_to_tensor(v) for v in cell.weights]
    return [tf.cast(t, cell.compute_dtype) if t.dtype.is_floating else t for t in tensors]


def float_tensors(nest: Any) -> list:
    """Returns the floating-point tensors of a nest, those that have a gradient."""
    return [t for t in tree.flatten(nest) if t.dtype.is_floating]
