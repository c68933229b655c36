"""The log of a run: one JSON object a line for each evaluation, repaired line by line."""

import json
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError, name_file
from rnnzoo.json_files import LOG_ENTRY, parse_json


def append_entry(path: Path, entry: dict[str, Any]) -> None:
    """Adds a line."""
    with name_file(path), path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(entry) + "\n")


def read_log(path: Path) -> tuple[list[dict[str, Any]], int]:
    """`(entries, damaged)`: the entries, each step once and in order, and how many lines hold none."""
    entries: dict[int, dict[str, Any]] = {}
    damaged = 0
    for line in path.read_bytes().split(b"\n") if path.is_file() else []:
        if line.strip():
            try:
                entry = parse_json(line, LOG_ENTRY, "a line of the log")
                entries[entry["step"]] = entry  # of a step that was logged twice, the later one
            except UserError:
                damaged += 1
    return [entries[step] for step in sorted(entries)], damaged


def repair_log(path: Path, last_step: int) -> int:
    """Keeps the entries up to a step: what comes later will be written again. Returns how many lines were damaged."""
    entries, damaged = read_log(path)
    beside = path.with_name(path.name + ".part")
    with name_file(path):
        kept = (json.dumps(entry) + "\n" for entry in entries if entry["step"] <= last_step)
        beside.write_text("".join(kept), encoding="utf-8")
        beside.replace(path)
    return damaged
