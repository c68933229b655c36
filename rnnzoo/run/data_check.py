"""Comparison of the data of a resumed run with those it began with."""

import json
import zlib
from pathlib import Path
from typing import Any

from rnnzoo.data.file_recorder import describe_changes
from rnnzoo.errors import UserError
from rnnzoo.run.directory import RunDirectory
from rnnzoo.run.settings import RunSettings
from rnnzoo.utils.json_files import DATA, check_schema


def compute_checksum(settings: RunSettings, data: dict[str, Any]) -> int:
    """Returns a checksum, of 31 bits, of the options and the data, which must be equal in all processes of a run."""
    options = settings.to_json(with_paths=False)
    options["task_options"] = {key: value for key, value in options["task_options"].items() if "data" not in key}
    return zlib.crc32(json.dumps([options, data["digest"], data["vocabulary"]], sort_keys=True).encode()) >> 1


def check_data(directory: RunDirectory, data: dict[str, Any], files: list[Path]) -> str:
    """Checks the data against those of the resumed run; returns a warning if the run did not record them.

    Raises:
        UserError: the data changed, or lie in a folder that this run writes to.
    """
    for path in files:
        for folder in (directory.export_dir, *([] if directory.run.resume else [directory.run_dir])):
            if path.resolve().is_relative_to(folder.resolve()):
                raise UserError(f"{path} is data and lies in {folder}, where this run writes; move one of them")
    before = directory.resumed_config.get("data")
    if before is None:
        warning = "warning: the run does not record its data: they are assumed to be the same"
        return warning if directory.resumed_config else ""
    check_schema(before, DATA, f"{directory.run_dir / 'config.json'}: data")
    changed = describe_changes(before, data)
    if changed and not directory.run.allow_changed_data:
        raise UserError(
            f"--resume: the data changed since {directory.run_dir} began: {changed}; start a new run, or give "
            "--allow_changed_data to continue with the current data"
        )
    if before["vocabulary"] != data["vocabulary"]:
        raise UserError(
            f"--resume: the data changed since {directory.run_dir} began, and with them the vocabulary, which the "
            "weights depend on; start a new run"
        )
    return ""
