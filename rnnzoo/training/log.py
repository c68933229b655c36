"""The log of a run, `log.jsonl`: one JSON object on each line for each evaluation."""

import json
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError, name_file_in_errors
from rnnzoo.utils.json_files import LOG_ENTRY, parse_json


def append_entry(path: Path, entry: dict[str, Any]) -> None:
    """Appends an entry to the log."""
    with name_file_in_errors(path), path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(entry) + "\n")


def read_log(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Reads the log.

    Returns:
        The entries, ordered by step and each step once, and the number of damaged lines.
    """
    entries: dict[int, dict[str, Any]] = {}
    damaged = 0
    for line in path.read_bytes().split(b"\n") if path.is_file() else []:
        if line.strip():
            try:
                entry = parse_json(line, LOG_ENTRY, "a line of the log")
                entries[entry["step"]] = entry  # the later entry of a step that was logged twice
            except UserError:
                damaged += 1
    return [entries[step] for step in sorted(entries)], damaged


def repair_log(path: Path, last_step: int) -> int:
    """Removes damaged lines, and entries after a step, from the log; returns the number of damaged lines."""
    entries, damaged = read_log(path)
    temporary = path.with_name(path.name + ".part")
    with name_file_in_errors(path):
        kept = (json.dumps(entry) + "\n" for entry in entries if entry["step"] <= last_step)
        temporary.write_text("".join(kept), encoding="utf-8")
        temporary.replace(path)
    return damaged
