"""Structure of the package: imports go one way and without cycles, files and functions are short."""

import ast
import sys
from pathlib import Path

import rnnzoo
from tests.helpers import fresh_python

ROOT = Path(rnnzoo.__file__).parent
ORDER = [
    {"errors", "renames"},
    {"config", "registry", "serialization", "spec"},
    {"utils"},
    {"cells"},
    {"compositions"},
    {"engine"},
    {"layers"},
    {"interop", "models"},
    {"data"},
    {"tasks"},
    {"training"},
    {"export"},
    {"inference"},
    {"inspect"},
    {"walkthrough"},
    {"generate", "predict"},
    {"api"},
    {"zoo"},
    {"run", "server"},
    {"evaluate", "launch", "serve"},
    {"conversion"},
    {"convert"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
NETWORKS, DATA = {"cells", "compositions", "engine", "layers", "models", "interop"}, {"data", "tasks"}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 200, 40
REQUIRED = {"absl", "filelock", "keras", "numpy", "rnnzoo", "tensorflow"}
# modules that are imported where the packages of their extra were found
OF_EXTRAS = {f"rnnzoo.server.{module}" for module in ("app", "limiter", "metrics", "running")}


def module_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in ROOT.rglob("*.py")}


def imports(nodes):
    """Yields the modules of the package that some nodes import."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "rnnzoo":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "rnnzoo")


def room_of(module):
    return module.split(".")[1]


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def test_imports_go_one_way():
    assert len(FILES) > 100
    for path in FILES:
        own = room_of(module_of(path))
        assert own in LEVEL, f"{path}: a room that ORDER does not list"
        for module in imports(ast.walk(parse(path))):
            if module == "rnnzoo":
                continue
            other = room_of(module)
            apart = {own, other} & NETWORKS and {own, other} & DATA
            assert LEVEL[other] <= LEVEL[own] and not apart, f"{path.relative_to(ROOT)} imports {module}"


def test_no_import_cycles():
    graph = {module: set(imports(parse(path).body)) - {module, "rnnzoo"} for module, path in MODULES.items()}
    del graph["rnnzoo"]
    # a package is imported before its modules, and imports them
    graph = {module: {o for o in others if not module.startswith(f"{o}.")} for module, others in graph.items()}
    while removable := [module for module, others in graph.items() if not others & graph.keys()]:
        for module in removable:
            del graph[module]
    assert not graph, f"these modules import each other: {sorted(graph)}"


def outside_functions(tree):
    """Yields the nodes of a tree that are run when its module is imported."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from outside_functions(node)


def test_importing_needs_no_optional_packages():
    known = REQUIRED | sys.stdlib_module_names
    for path in MODULES.values():
        nodes, module = list(outside_functions(parse(path))), module_of(path)
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
        if module in OF_EXTRAS:
            assert not {name.partition(".")[0] for name in names} <= known, f"{module}: not in OF_EXTRAS any more"
            continue
        for name in names:
            assert name.partition(".")[0] in known, f"{path.relative_to(ROOT)} imports {name}, of an extra"
            assert name not in OF_EXTRAS, f"{path.relative_to(ROOT)} imports {name}, which needs an extra"


def test_files_and_functions_are_short():
    for path in FILES:
        name, text = path.relative_to(ROOT), path.read_text(encoding="utf-8")
        assert text.count("\n") <= MAX_FILE_LINES, f"{name} has {text.count(chr(10))} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                assert lines <= MAX_FUNCTION_LINES, f"{name}: {node.name} has {lines} lines"


def test_importing_defines_no_flags_and_all_public_names():
    code = """
import keras, tensorflow
from absl import flags
before = set(flags.FLAGS)
import rnnzoo
print(set(flags.FLAGS) == before, [n for n in rnnzoo.__all__ if not hasattr(rnnzoo, n)])
"""
    assert fresh_python(code).strip() == "True []"
