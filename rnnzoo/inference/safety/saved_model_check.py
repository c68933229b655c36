"""Check of a SavedModel, without running it: it may hold only the parts that exports of this package have."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.inference.safety import allowed_operations as allowed
from rnnzoo.inference.safety.saved_model_constants import check_constants
from rnnzoo.inference.safety.saved_model_graph import SavedGraph, called_functions, operation_of
from rnnzoo.inference.safety.saved_model_objects import MAIN_OP, check_objects

OTHER_FORMATS = ("saved_model.pbtxt", "saved_model.cpb", "debug")  # other files that TensorFlow reads
INIT_SIGNATURE = "__saved_model_init_op"
AT_LOAD = {  # allowed operations of the functions of a table, by their role
    "_create_resource": allowed.TABLE_CREATOR,
    "_initialize": allowed.TABLE_INITIALIZER,
    "_destroy_resource": allowed.TABLE_DESTROYER,
}
FILE_OPERATIONS = ("SaveV2", "RestoreV2", "ShardedFilename", "MergeV2Checkpoints")
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
ALLOW_HINT = "; if it belongs to a cell of your own and is harmless, use load(path, allow_ops=[...])"

Place = tuple[frozenset[str], str]  # allowed operations, and the name of the place


def check_saved_model(path: Path, allow_ops: Iterable[str] = ()) -> None:
    """Raises `UserError`, which names the offending part, unless everything in a SavedModel is allowed."""
    for name in OTHER_FORMATS:
        if (path / name).exists():
            raise UserError(f"{path} is not loaded: it holds {name}, which exports of rnnzoo do not have")
    graph = SavedGraph(path)
    _check_operations(graph, frozenset(allow_ops))
    check_objects(graph)
    check_constants(graph)
    _check_main_op(graph)
    _check_saver(graph)


def _places(graph: SavedGraph, more: frozenset[str]) -> Iterator[tuple[str, Place]]:
    """Yields each function with the places that call it; a function called from two places comes twice."""
    special: dict[Place, list[str]] = {}
    objects_at_load: set[int] = set()
    for name, number, function in graph.table_functions():
        if name in AT_LOAD:
            children = (child.node_id for child in graph.objects[number].children)
            same = {i for i in children if graph.objects[i].bare_concrete_function.concrete_function_name == function}
            objects_at_load |= {number, *same}
            special.setdefault((AT_LOAD[name], f"{name} of a table"), []).append(function)
    at_load = {function for functions in special.values() for function in functions}
    ordinary: set[str] = set()
    for node in graph.nodes.values():
        called = set(called_functions(node))
        if _is_saver(graph, node.name):
            special.setdefault((allowed.SAVER, "the saver"), []).extend(called)
        else:
            ordinary |= called - at_load
    for number, node in enumerate(graph.objects):
        if number not in objects_at_load:
            ordinary |= {node.bare_concrete_function.concrete_function_name, *node.function.concrete_functions}
    reached: set[str] = set()
    for place, roots in special.items():
        functions = graph.reachable(roots)
        reached.update(functions)
        yield from ((function, place) for function in functions)
    called_otherwise = set(graph.reachable(sorted(ordinary - {""})))
    for function in graph.functions:
        if function in called_otherwise or function not in reached:
            yield function, (allowed.COMPUTATION | more, "a signature")


def _check_operations(graph: SavedGraph, more: frozenset[str]) -> None:
    """Raises `UserError` for an operation that is not allowed in its place; those allowed nowhere come first."""
    places = [(allowed.GRAPH, "the graph", graph.nodes.values())]
    for function, (operations, place) in _places(graph, more):
        places.append((operations, f"function {function} ({place})", graph.functions[function].node_def))
    refused = [(node, place) for operations, place, nodes in places for node in nodes if node.op not in operations]
    if refused:
        node, place = min(refused, key=lambda pair: pair[0].op in allowed.EVERYWHERE)
        error = graph.refusal(f"the operation {node.op} ('{node.name}' in {place})")
        raise UserError(f"{error}{ALLOW_HINT}") if place.endswith("(a signature)") else error


def _check_main_op(graph: SavedGraph) -> None:
    """Checks that the main operation, which a session runs when it loads the model, only fills tables."""
    names = {operation_of(value) for value in graph.meta.collection_def[MAIN_OP].node_list.value}
    if INIT_SIGNATURE in graph.meta.signature_def:
        outputs = graph.meta.signature_def[INIT_SIGNATURE].outputs
        names |= {operation_of(info.name) for info in outputs.values()}
    initializers = {function for name, _, function in graph.table_functions() if name == "_initialize"}
    for name in graph.ancestors(names):
        node = graph.nodes[name]
        fills_a_table = node.op in CALLS and set(called_functions(node)) <= initializers
        if not (fills_a_table or node.op in ("NoOp", "Const", "HashTableV2")):
            raise graph.refusal(f"the operation {node.op} ('{name}') in its main_op")


def _is_saver(graph: SavedGraph, name: str) -> bool:
    saver = graph.meta.saver_def
    return bool(name) and name in {operation_of(saver.save_tensor_name), operation_of(saver.restore_op_name)}


def _check_saver(graph: SavedGraph) -> None:
    """Checks that the saver takes the names of checkpoint files from its caller."""
    filename_input = operation_of(graph.meta.saver_def.filename_tensor_name)
    for name, node in graph.nodes.items():
        if _is_saver(graph, name):
            is_input = filename_input == operation_of(next(iter(node.input), ""))
            if not is_input or graph.nodes[filename_input].op != "Placeholder":
                raise graph.refusal(f"a saver ('{name}') that does not take its file name from its caller")
            for function in graph.reachable(called_functions(node)):
                _check_file_names(graph, graph.functions[function])


def _check_file_names(graph: SavedGraph, function: Any) -> None:
    """Raises `UserError` unless every file name begins with the first argument and stays in its folder."""
    filename_argument = next((argument.name for argument in function.signature.input_arg), "")
    nodes = {node.name: node for node in function.node_def}
    for node in function.node_def:
        if node.op not in FILE_OPERATIONS:
            continue
        pending = list(node.input if node.op == "MergeV2Checkpoints" else node.input[:1])
        seen: set[str] = set()
        while pending:
            name = operation_of(pending.pop())
            if name in nodes and name not in seen:
                pending += [i for i in nodes[name].input if not i.startswith("^")]
                for text in nodes[name].attr["value"].tensor.string_val:
                    if text.startswith(b"/") or b".." in text:
                        raise graph.refusal(f"the file name {text!r} ('{name}' in function {function.signature.name})")
            seen.add(name)
        if filename_argument not in seen:
            raise graph.refusal(f"the operation {node.op} ('{node.name}') with a file name of its own")
