"""Whether a SavedModel holds only what exports of this package hold; its files are read, nothing in them is run."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorflow.core.framework import types_pb2

from rnnzoo import allowed_operations as allowed
from rnnzoo.errors import UserError
from rnnzoo.saved_model_graph import SavedGraph, called_functions, operation_of

MAX_CONSTANT_BYTES = 1 << 30  # of all constants as they are in memory, which may be more than in the file
OTHER_FORMATS = ("saved_model.pbtxt", "saved_model.cpb")
OBJECTS = {"user_object", "bare_concrete_function", "constant", "function", "resource", "variable"}
CONTAINERS = {f"trackable_{kind}_wrapper" for kind in ("dict", "list", "tuple")}
REVIVED = {"_generic_user_object", "signature_map", *CONTAINERS}
CLASSES = {"", "tf.TrackableConstant", "tf.StaticHashTable"}
MAIN_OP = "saved_model_main_op"
INIT_SIGNATURE = "__saved_model_init_op"
AT_LOAD = {  # by the name under which a table has the function: what it may do
    "_create_resource": allowed.TABLE_CREATOR,
    "_initialize": allowed.TABLE_INITIALIZER,
    "_destroy_resource": allowed.TABLE_DESTROYER,
}
FILE_OPERATIONS = ("SaveV2", "RestoreV2", "ShardedFilename", "MergeV2Checkpoints")
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
ALLOW_HINT = "; if it is of a cell of your own, and harmless: load(path, allow_ops=[...])"

Place = tuple[frozenset[str], str]  # the operations that are allowed there, and its name


def check_saved_model(path: Path, allow_ops: Iterable[str] = ()) -> None:
    """Raises `UserError`, which names the offending thing and its place, unless all of a SavedModel is allowed."""
    for name in OTHER_FORMATS:
        if (path / name).exists():
            raise UserError(f"{path} is not loaded: it holds {name}, which exports of rnnzoo do not have")
    graph = SavedGraph(path)
    _check_objects(graph)
    _check_operations(graph, frozenset(allow_ops))
    _check_constants(graph)
    _check_main_op(graph)
    _check_saver(graph)


def _check_objects(graph: SavedGraph) -> None:
    """The Python objects that loading makes, and the assets that they would read."""
    if not graph.objects:
        raise graph.refusal("no objects of TensorFlow 2 (it is a SavedModel of TensorFlow 1)")
    for asset in graph.meta.asset_file_def:
        raise graph.refusal(f"the asset {asset.filename!r}")
    for name in graph.meta.collection_def:
        if name != MAIN_OP:
            raise graph.refusal(f"the collection {name!r}")
    for number, node in enumerate(graph.objects):
        kind = node.WhichOneof("kind")
        if kind not in OBJECTS:
            raise graph.refusal(f"an object of kind {kind} (object {number})")
        if kind == "user_object" and node.user_object.identifier not in REVIVED:
            raise graph.refusal(f"an object of kind {node.user_object.identifier!r} (object {number})")
        if node.registered_name not in CLASSES or node.registered_saver:
            raise graph.refusal(f"the class {node.registered_saver or node.registered_name!r} (object {number})")
        if node.saveable_objects:
            raise graph.refusal(f"functions of its own to save and restore an object (object {number})")


def _places(graph: SavedGraph, more: frozenset[str]) -> Iterator[tuple[str, Place]]:
    """Each function with where it is called from; one that is called from two places comes twice."""
    special: dict[str, Place] = {}
    objects_at_load: set[int] = set()
    for name, number, functions in graph.table_functions():
        if name in AT_LOAD:
            objects_at_load |= {number, *(child.node_id for child in graph.objects[number].children)}
            special |= dict.fromkeys(functions, (AT_LOAD[name], f"{name} of a table"))
    ordinary: set[str] = set()
    for node in graph.nodes.values():
        called = set(called_functions(node))
        if _is_saver(graph, node.name):
            special |= dict.fromkeys(called, (allowed.SAVER, "the saver"))
        elif not called <= special.keys():
            ordinary |= called
    for number, node in enumerate(graph.objects):
        if number not in objects_at_load:
            ordinary |= {node.bare_concrete_function.concrete_function_name, *node.function.concrete_functions}
    reached: set[str] = set()
    for root, place in special.items():
        functions = graph.reachable([root])
        reached.update(functions)
        yield from ((function, place) for function in functions)
    called_otherwise = set(graph.reachable(sorted(ordinary - {""})))
    for function in graph.functions:
        if function in called_otherwise or function not in reached:
            yield function, (allowed.COMPUTATION | more, "a signature")


def _check_operations(graph: SavedGraph, more: frozenset[str]) -> None:
    """Raises `UserError` for an operation that is not allowed where it is; one that is allowed nowhere comes first."""
    places = [(allowed.GRAPH, "the graph", graph.nodes.values())]
    for function, (operations, place) in _places(graph, more):
        places.append((operations, f"function {function} ({place})", graph.functions[function].node_def))
    refused = [(node, place) for operations, place, nodes in places for node in nodes if node.op not in operations]
    if refused:
        node, place = min(refused, key=lambda pair: pair[0].op in allowed.EVERYWHERE)
        error = graph.refusal(f"the operation {node.op} ('{node.name}' in {place})")
        raise UserError(f"{error}{ALLOW_HINT}") if place.endswith("(a signature)") else error


def _check_constants(graph: SavedGraph) -> None:
    """Raises `UserError` for constants that are too large: a shape may be far larger than the values in the file."""
    total = 0
    for nodes in (graph.nodes.values(), *(function.node_def for function in graph.functions.values())):
        for node in nodes:
            if node.op == "Const":
                tensor = node.attr["value"].tensor
                wide = tensor.dtype in (types_pb2.DT_INT64, types_pb2.DT_DOUBLE, types_pb2.DT_STRING)
                total += math.prod(abs(dim.size) for dim in tensor.tensor_shape.dim) * (8 if wide else 4)
            if total > MAX_CONSTANT_BYTES:
                raise graph.refusal(f"constants of more than {MAX_CONSTANT_BYTES >> 20} MiB ('{node.name}')")


def _check_main_op(graph: SavedGraph) -> None:
    """What a session runs when it loads: tables are filled, and nothing else."""
    names = {operation_of(value) for value in graph.meta.collection_def[MAIN_OP].node_list.value}
    if INIT_SIGNATURE in graph.meta.signature_def:
        outputs = graph.meta.signature_def[INIT_SIGNATURE].outputs
        names |= {operation_of(info.name) for info in outputs.values()}
    initializers = {f for name, _, functions in graph.table_functions() if name == "_initialize" for f in functions}
    for name in graph.ancestors(names):
        node = graph.nodes[name]
        fills_a_table = node.op in CALLS and set(called_functions(node)) <= initializers
        if not (fills_a_table or node.op in ("NoOp", "Const", "HashTableV2")):
            raise graph.refusal(f"the operation {node.op} ('{name}') in its main_op")


def _is_saver(graph: SavedGraph, name: str) -> bool:
    saver = graph.meta.saver_def
    return bool(name) and name in {operation_of(saver.save_tensor_name), operation_of(saver.restore_op_name)}


def _check_saver(graph: SavedGraph) -> None:
    """Names of checkpoint files come from who loads or saves, not from the graph."""
    given = operation_of(graph.meta.saver_def.filename_tensor_name)
    for name, node in graph.nodes.items():
        if _is_saver(graph, name):
            if given != operation_of(next(iter(node.input), "")) or graph.nodes[given].op != "Placeholder":
                raise graph.refusal(f"a saver ('{name}') whose file name is not the one that it is given")
            for function in graph.reachable(called_functions(node)):
                _check_file_names(graph, graph.functions[function])


def _check_file_names(graph: SavedGraph, function: Any) -> None:
    """Raises `UserError` unless every file name begins with the first argument and stays in its folder."""
    given = next((argument.name for argument in function.signature.input_arg), "")
    nodes = {node.name: node for node in function.node_def}
    for node in function.node_def:
        if node.op not in FILE_OPERATIONS:
            continue
        waiting = list(node.input if node.op == "MergeV2Checkpoints" else node.input[:1])
        seen: set[str] = set()
        while waiting:
            name = operation_of(waiting.pop())
            if name in nodes and name not in seen:
                waiting += [i for i in nodes[name].input if not i.startswith("^")]
                for text in nodes[name].attr["value"].tensor.string_val:
                    if text.startswith(b"/") or b".." in text:
                        raise graph.refusal(f"the file name {text!r} ('{name}' in function {function.signature.name})")
            seen.add(name)
        if given not in seen:
            raise graph.refusal(f"the operation {node.op} ('{node.name}') with a file name of its own")
