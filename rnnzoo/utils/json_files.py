"""Reading and writing JSON files, checked against a schema.

A schema is a type or a tuple of types; a dictionary of the schemas of its keys, which are optional if they end with a
question mark; a list of one schema, that of every item; or `object`, which matches anything.
"""

import json
import stat
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError, first_line, name_file_in_errors

MAX_BYTES = 64 << 20  # no JSON file of rnnzoo is as large
MAX_INT = 2**63 - 1
NUMBER = (int, float)

DATA = {
    "digest": str,
    "vocabulary": str,
    "count": int,
    "size": int,
    "files": [{"name": str, "size": int, "sha256": str}],
}
RUN_CONFIG = {
    "model": str,
    "task": str,
    "model_options": dict,
    "task_options": dict,
    "training": dict,
    "rnnzoo?": str,
    "export_dir?": str,
    "run_id?": str,
    "run_dir?": str,
    "init_from?": str,
    "data?": DATA,
    "engine?": {"name": str, "kernel?": str, "vector_bits?": int},
}
LOG_ENTRY = {"step": int, "loss": NUMBER, "validation": {"loss": NUMBER}, "seconds": NUMBER}
EXPORT_CONFIG = {"spec": dict, "rnnzoo?": str, "run_id?": str, "task?": str, "task_options?": dict}
MODEL_CONFIG = {**EXPORT_CONFIG, "model": str, "options": dict}


def read_json(path: Path, schema: Any) -> Any:
    """Reads a JSON file. Raises `UserError` if it cannot be read or does not match the schema."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path} is not a regular file")
        if status.st_size > MAX_BYTES:
            raise UserError(f"{path} is larger than {MAX_BYTES >> 20} MiB: it is no configuration of rnnzoo")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeError:
        raise UserError(f"{path} is damaged: it is not UTF-8 text") from None
    return parse_json(text, schema, str(path))


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file atomically."""
    temporary = path.with_name(path.name + ".part")
    with name_file_in_errors(path):
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)


def parse_json(text: str | bytes, schema: Any, name: str) -> Any:
    """Parses a JSON text; `name` is its origin in error messages. Raises `UserError`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} is damaged: it is not JSON ({first_line(error)})") from None
    check_schema(value, schema, name)
    return value


def check_schema(value: Any, schema: Any, where: str) -> None:
    """Raises `UserError` unless a value matches a schema."""
    if isinstance(schema, dict):
        _check_type(value, dict, where)
        for key, inner in schema.items():
            name = key.removesuffix("?")
            if name in value:
                check_schema(value[name], inner, f"{where}: {name}" if ": " not in where else f"{where}.{name}")
            elif not key.endswith("?"):
                raise UserError(f"{where} is damaged: '{name}' is missing")
    elif isinstance(schema, list):
        _check_type(value, list, where)
        for i, item in enumerate(value):
            check_schema(item, schema[0], f"{where}[{i}]")
    else:
        _check_type(value, schema, where)


def _check_type(value: Any, expected: Any, where: str) -> None:
    types = expected if isinstance(expected, tuple) else (expected,)
    right = isinstance(value, types) and (not isinstance(value, bool) or bool in types or object in types)
    right = right and not (isinstance(value, int) and abs(value) > MAX_INT)
    if not right:
        names = " or ".join(t.__name__ for t in types)
        raise UserError(f"{where} is damaged: {names} expected, got {repr(value)[:60]}")
