"""The graph of a SavedModel, read from its file, with who calls whom."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from rnnzoo.errors import UserError

MAX_GRAPH_BYTES = 512 << 20  # of saved_model.pb
MAX_NODES = 500_000


class SavedGraph:
    """Operations, functions and objects of a SavedModel.

    Raises:
        UserError: the file is too large, damaged, or holds another number of graphs than one.
    """

    def __init__(self, path: Path):
        self.path = path
        file = path / "saved_model.pb"
        if file.stat().st_size > MAX_GRAPH_BYTES:
            raise UserError(f"{file} is not loaded: it is larger than {MAX_GRAPH_BYTES >> 20} MiB")
        stored = saved_model_pb2.SavedModel()
        try:
            stored.ParseFromString(file.read_bytes())
        except Exception as error:
            raise UserError(f"{file} is damaged: {error}") from None
        if len(stored.meta_graphs) != 1:
            raise self.refusal(f"{len(stored.meta_graphs)} graphs instead of one")
        self.meta: Any = stored.meta_graphs[0]
        self.objects: Any = self.meta.object_graph_def.nodes
        self.nodes: dict[str, Any] = {node.name: node for node in self.meta.graph_def.node}
        self.functions: dict[str, Any] = {f.signature.name: f for f in self.meta.graph_def.library.function}
        library = self.meta.graph_def.library.function
        if (len(self.nodes), len(self.functions)) != (len(self.meta.graph_def.node), len(library)):
            raise self.refusal("two operations or two functions of one name")
        count = len(self.nodes) + sum(len(f.node_def) for f in self.functions.values())
        if count > MAX_NODES:
            raise self.refusal(f"{count:,} operations")

    def refusal(self, what: str) -> UserError:
        """The error for something that is not allowed."""
        return UserError(f"{self.path} is not loaded: it holds {what}, which exports of rnnzoo do not have")

    def reachable(self, roots: Iterable[str]) -> list[str]:
        """Functions that are called from those, themselves first. Raises `UserError` for one that is not there."""
        found: dict[str, None] = {}
        waiting = list(roots)
        while waiting:
            name = waiting.pop(0)
            if name in found:
                continue
            if name not in self.functions:
                raise self.refusal(f"a call of a function {name!r} that is not there")
            found[name] = None
            waiting += [called for node in self.functions[name].node_def for called in called_functions(node)]
        return list(found)

    def ancestors(self, names: Iterable[str]) -> set[str]:
        """Operations of the graph that those depend on, themselves included. Raises `UserError` for unknown ones."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                if name not in self.nodes:
                    raise self.refusal(f"a name {name!r} of no operation")
                found.add(name)
                waiting += [operation_of(i) for i in self.nodes[name].input]
        return found

    def table_functions(self) -> Iterator[tuple[str, int, list[str]]]:
        """What tables run at load: `(name that the table gives it, number of the object, functions)`."""
        for node in self.objects:
            for child in node.children if node.WhichOneof("kind") == "resource" else ():
                if 0 <= child.node_id < len(self.objects):
                    functions = self.objects[child.node_id].function.concrete_functions
                    yield child.local_name, child.node_id, list(functions)


def called_functions(node: Any) -> Iterator[str]:
    """The functions that an operation names."""
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def operation_of(name: str) -> str:
    """The operation of a tensor's or control input's name."""
    return name.removeprefix("^").partition(":")[0]
