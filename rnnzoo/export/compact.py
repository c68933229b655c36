"""Reduction of the file size of a SavedModel: short node names, no shapes that loaders infer."""

from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2


def shorten_names(folder: Path) -> None:
    """Renames the nodes of every function of a SavedModel to their operation and number, such as `MatMul_7`.

    The name of a node repeats the names of its layers, and every input repeats the name of its node; these names,
    and the shapes that loaders infer again, are half of the file. The names of functions, arguments and results, and
    their shapes, do not change.
    """
    path = folder / "saved_model.pb"
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString(path.read_bytes())
    for graph in stored.meta_graphs:
        for function in graph.graph_def.library.function:
            _rename_nodes(function)
    path.write_bytes(stored.SerializeToString(deterministic=True))


def _rename_nodes(function: Any) -> None:
    taken = {argument.name for argument in function.signature.input_arg}
    names: dict[str, str] = {}
    for number, node in enumerate(function.node_def):
        name = f"{node.op}_{number}"
        while name in taken:
            name += "_"
        names[node.name] = name

    def rename(reference: str) -> str:
        """Renames a reference: `node:output:0`, `^node` or the name of an argument."""
        mark = "^" if reference.startswith("^") else ""
        name, colon, rest = reference.removeprefix("^").partition(":")
        return f"{mark}{names.get(name, name)}{colon}{rest}"

    for node in function.node_def:
        node.name = names[node.name]
        node.input[:] = [rename(reference) for reference in node.input]
        node.attr.pop("_class", None)  # colocation constraints by node name
        node.attr.pop("_output_shapes", None)
    for results in (function.ret, function.control_ret):
        for key in list(results):
            results[key] = rename(results[key])
