"""Checks of the objects of a SavedModel, which TensorFlow creates, and partly calls, when it loads the model."""

import math
from pathlib import Path
from typing import Any

import tensorflow as tf

from rnnzoo.inference.safety.saved_model_graph import SavedGraph

OBJECTS = {"user_object", "bare_concrete_function", "constant", "function", "resource", "variable"}
CONTAINERS = {f"trackable_{kind}_wrapper" for kind in ("dict", "list", "tuple")}
REVIVED = {"_generic_user_object", "signature_map", *CONTAINERS}
CLASSES = {  # registered classes by the kind of object
    "constant": {"tf.TrackableConstant"},
    "resource": {"tf.StaticHashTable"},
}
MAIN_OP = "saved_model_main_op"
AT_LOAD = ("_create_resource", "_initialize", "_destroy_resource")
# children whose names begin with an underscore: TensorFlow calls some by their names
PRIVATE = {"user_object": {"_table", "_letters"}, "resource": {"_initializer", *AT_LOAD}}
SLACK = 1 << 20  # bytes by which the files of variables may be smaller than the variables


def check_objects(graph: SavedGraph) -> None:
    """Raises `UserError` for an object, a child, an asset or a collection that exports of this package do not have."""
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
        if node.registered_name not in CLASSES.get(kind, {""}) or node.registered_saver:
            name = node.registered_saver or node.registered_name
            raise graph.refusal(f"the class {name!r} for a {kind} (object {number})")
        if node.saveable_objects:
            raise graph.refusal(f"functions of its own to save and restore an object (object {number})")
        _check_children(graph, number, node, kind)
    _check_variables(graph)


def _check_children(graph: SavedGraph, number: int, node: Any, kind: str) -> None:
    """Checks children and dependencies by name: TensorFlow looks up and calls some of them when it loads the model."""
    for edge in (*node.children, *node.dependencies):
        name = edge.local_name
        if not 0 <= edge.node_id < len(graph.objects):
            raise graph.refusal(f"a child {name!r} that is no object (object {number})")
        if name.startswith("_") and name not in PRIVATE.get(kind, ()):
            raise graph.refusal(f"a child {name!r} of a {kind} (object {number})")
    for name in AT_LOAD if kind == "resource" else ():
        targets = [graph.objects[child.node_id] for child in node.children if child.local_name == name]
        if len(targets) != 1 or len(targets[0].function.concrete_functions) != 1:
            raise graph.refusal(f"a table whose {name} is not one function (object {number})")
    if kind == "resource" and node.dependencies:
        raise graph.refusal(f"a table with dependencies (object {number})")


def _check_variables(graph: SavedGraph) -> None:
    """Raises `UserError` for variables that are larger than their files."""
    total = 0
    for node in graph.objects:
        if node.WhichOneof("kind") == "variable":
            width = tf.dtypes.as_dtype(node.variable.dtype).size
            total += math.prod(abs(dim.size) for dim in node.variable.shape.dim) * width
    file_bytes = sum(file.stat().st_size for file in _variable_files(graph.path))
    if total > file_bytes + SLACK:
        raise graph.refusal(f"variables of {total:,} bytes in files of {file_bytes:,}")


def _variable_files(path: Path) -> list[Path]:
    return [file for file in (path / "variables").glob("variables.data-*") if file.is_file()]
