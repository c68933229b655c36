"""Rooms import one way, and importing the package does nothing but import."""

import ast
from pathlib import Path

import rnnzoo
from tests.helpers import fresh_python

ROOT = Path(rnnzoo.__file__).parent
ORDER = [
    {"errors", "serialization", "startup"},
    {"registry", "config", "spec", "json_files"},
    {"commands", "figures", "folders", "locks"},
    {"cells"},
    {"compositions"},
    {"layers"},
    {"models", "interop"},
    {"tasks"},
    {"training"},
    {"export"},
    {"allowed_operations", "estimate"},
    {"keras_file_check", "saved_model_graph"},
    {"saved_model_constants", "saved_model_objects"},
    {"saved_model_check"},
    {"loading"},
    {"inspect"},
    {"plot", "predict_options", "report", "run_directory", "samples"},
    {"generate", "predict", "predictor", "run"},
    {"api"},
    {"catalogue", "cli"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
APART = {("models", "tasks"), ("tasks", "models"), ("tasks", "layers"), ("tasks", "cells"), ("layers", "models")}


def room_of(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imports(path):
    """The rooms that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "rnnzoo":
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from [a.name.split(".")[1] for a in node.names if a.name.startswith("rnnzoo.")]


def test_imports_go_one_way():
    files = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]
    assert len(files) > 25
    for path in files:
        own = room_of(path)
        for other in imports(path):
            name = str(path.relative_to(ROOT))
            assert own in LEVEL, f"{name}: a room that ORDER does not list"
            if other != own and other in LEVEL:
                assert LEVEL[other] <= LEVEL[own] and (own, other) not in APART, f"{name} imports {other}"


def test_importing_defines_no_flag_and_all_names_are_there():
    code = """
import keras, tensorflow
from absl import flags
before = set(flags.FLAGS)
import rnnzoo
print(set(flags.FLAGS) == before, [n for n in rnnzoo.__all__ if not hasattr(rnnzoo, n)])
"""
    assert fresh_python(code).strip() == "True []"
