"""Size limits for the constants of a SavedModel, and for results computed from constants alone."""

import collections
import math
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import types_pb2

from rnnzoo.inference.safety.saved_model_graph import SavedGraph, operation_of

MAX_BYTES = 1 << 30  # of all constants as they are in memory, which may be more than in the file
MAX_ELEMENTS = 1 << 24  # of a result computed from constants
# operations whose results may be far larger than their inputs: no export computes one from constants alone
GROWING = {"BroadcastTo", "Fill", "LinSpace", "OneHot", "Tile", "Pad", "PadV2", "MirrorPad", "RaggedRange"}
GROWING |= {"ScatterNd", "SparseToDense", "MatrixDiag", "MatrixDiagV2", "MatrixDiagV3", "Diag", "TensorListReserve"}


def check_constants(graph: SavedGraph) -> None:
    """Raises `UserError` for constants that are too large: a shape may be far larger than the values in the file."""
    total = sum(map(_constant_bytes, graph.all_nodes()))
    for node in graph.objects:  # each makes a copy
        if node.WhichOneof("kind") == "constant" and node.constant.operation in graph.nodes:
            total += _constant_bytes(graph.nodes[node.constant.operation])
    if total > MAX_BYTES:
        raise graph.refusal(f"constants of more than {MAX_BYTES >> 20} MiB ({total >> 20:,} MiB)")
    for name, function in graph.functions.items():
        _check_growth(graph, {node.name: node for node in function.node_def}, f"function {name}")
    _check_growth(graph, graph.nodes, "the graph")


def _check_growth(graph: SavedGraph, nodes: dict[str, Any], place: str) -> None:
    """Raises `UserError` for a large result computed from constants alone, as TensorFlow does at load."""
    inputs = {name: [operation_of(i) for i in node.input if not i.startswith("^")] for name, node in nodes.items()}
    consumers = collections.defaultdict(list)
    for name, names in inputs.items():
        for i in names:
            consumers[i].append(name)
    elements: dict[str, float] = {
        name: _elements(node.attr["value"].tensor) for name, node in nodes.items() if node.op == "Const"
    }
    pending = collections.deque(elements)
    while pending:
        for name in consumers[pending.popleft()]:
            if name in elements or not all(i in elements for i in inputs[name]):
                continue
            sizes = [elements[i] for i in inputs[name]]
            size: float = (
                _range_size(nodes, inputs[name]) if nodes[name].op == "Range" else math.prod(max(1, n) for n in sizes)
            )
            if nodes[name].op in GROWING or size > MAX_ELEMENTS:
                raise graph.refusal(f"the operation {nodes[name].op} of constants ('{name}' in {place})")
            elements[name] = size
            pending.append(name)


def _range_size(nodes: dict[str, Any], inputs: list[str]) -> float:
    """Returns the number of elements in a range of constants; infinite if they cannot be read."""
    if any(nodes[i].op != "Const" for i in inputs):
        return math.inf
    start, limit, delta = (tf.make_ndarray(nodes[i].attr["value"].tensor).item() for i in inputs)
    return abs(limit - start) / abs(delta) if delta else math.inf


def _constant_bytes(node: Any) -> int:
    """Returns the bytes in memory of the constants in the attributes of an operation."""
    return sum(_bytes(value.tensor) + sum(map(_bytes, value.list.tensor)) for value in node.attr.values())


def _elements(tensor: Any) -> int:
    return math.prod(abs(dim.size) for dim in tensor.tensor_shape.dim)


def _bytes(tensor: Any) -> int:
    """Returns the bytes in memory of a constant."""
    if not tensor.dtype:
        return 0
    return _elements(tensor) * (8 if tensor.dtype == types_pb2.DT_STRING else tf.dtypes.as_dtype(tensor.dtype).size)
