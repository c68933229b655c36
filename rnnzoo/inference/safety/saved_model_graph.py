"""The graph of a SavedModel, read from its file, with its call graph."""

import collections
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from rnnzoo.errors import UserError
from rnnzoo.inference.safety.allowed_operations import EVERYWHERE

MAX_GRAPH_BYTES = 32 << 20  # of saved_model.pb: a vocabulary of a million words takes half of that
MAX_NODES, MAX_OBJECTS = 500_000, 50_000


class SavedGraph:
    """Operations, functions and objects of a SavedModel.

    Raises:
        UserError: the file is too large, damaged, or does not hold exactly one graph.
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
            raise self.refusal("two operations or two functions with the same name")
        count = len(self.nodes) + sum(len(f.node_def) for f in self.functions.values())
        if count > MAX_NODES or len(self.objects) > MAX_OBJECTS:
            raise self.refusal(f"{count:,} operations and {len(self.objects):,} objects")
        for name in self.functions:
            if name in EVERYWHERE or op_def_registry.get(name) is not None:
                raise self.refusal(f"a function with the name of an operation, {name}")
        self.calls = {
            name: sorted({called for node in f.node_def for called in called_functions(node)})
            for name, f in self.functions.items()
        }

    def refusal(self, what: str) -> UserError:
        """Returns the error for something that is not allowed."""
        return UserError(f"{self.path} is not loaded: it holds {what}, which exports of rnnzoo do not have")

    def all_nodes(self) -> Iterator[Any]:
        """Yields every operation of the graph and of its functions."""
        yield from self.nodes.values()
        for function in self.functions.values():
            yield from function.node_def

    def reachable(self, roots: Iterable[str]) -> list[str]:
        """Returns functions and all functions that they call. Raises `UserError` for missing functions."""
        reached: dict[str, None] = {}
        pending = collections.deque(roots)
        while pending:
            name = pending.popleft()
            if name in reached:
                continue
            if name not in self.functions:
                raise self.refusal(f"a call of a function {name!r} that does not exist")
            reached[name] = None
            pending += self.calls[name]
        return list(reached)

    def ancestors(self, names: Iterable[str]) -> set[str]:
        """Returns operations and all operations that they depend on. Raises `UserError` for unknown ones."""
        reached: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in reached:
                if name not in self.nodes:
                    raise self.refusal(f"a reference to an operation {name!r} that does not exist")
                reached.add(name)
                pending += [operation_of(i) for i in self.nodes[name].input]
        return reached

    def table_functions(self) -> Iterator[tuple[str, int, str]]:
        """Yields the functions that tables run at load: `(role in the table, number of the object, function)`."""
        for node in self.objects:
            for child in node.children if node.WhichOneof("kind") == "resource" else ():
                if not 0 <= child.node_id < len(self.objects):
                    raise self.refusal(f"a child {child.local_name!r} that is no object")
                for function in self.objects[child.node_id].function.concrete_functions:
                    yield child.local_name, child.node_id, function


def called_functions(node: Any) -> Iterator[str]:
    """Yields the functions named in the attributes of an operation."""
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def operation_of(name: str) -> str:
    """Returns the operation in the name of a tensor or control input."""
    return name.removeprefix("^").partition(":")[0]
