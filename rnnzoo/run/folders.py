"""Creation and names of run folders."""

import re
from collections.abc import Collection
from pathlib import Path

from rnnzoo.errors import UserError

RUN_FILES = ("config.json", "log.jsonl", "result.json", "model.keras", "curve.png", "forecast.png", "attention.png")


def make_folder(folder: Path, named: bool, reserved: Collection[str] = ()) -> Path:
    """Creates a folder: `folder`, which may exist, if `named`, else the first of NAME, NAME-2, ... that does not exist.

    Args:
        folder: the folder.
        named: whether the user named it.
        reserved: names that are not chosen unless the user named them.

    Raises:
        UserError: a file, or a broken link, is in its place or above it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{folder.parent} is a file or a broken link; name another folder") from None
    number = 1
    while True:
        path = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        number += 1
        if path.name in reserved and not named:
            continue
        try:
            path.mkdir(exist_ok=named)
            return path
        except FileExistsError:
            if named:
                raise UserError(f"{path} is a file or a broken link; name a folder") from None


def find_newest_run(root: Path, name: str) -> Path:
    """Returns the run with this name and the highest number. Raises `UserError` if there is none."""
    runs = {
        int(m[1] or 1): p
        for p in root.glob(f"{name}*")
        if (m := re.fullmatch(rf"{re.escape(name)}(?:-(\d+))?", p.name))
    }
    if not runs:
        raise UserError(f"--resume: there is no run {root / name}; name one with --run_dir")
    return runs[max(runs)]


def clear_run(run_dir: Path) -> None:
    """Removes the files of an earlier run from its folder; other files remain."""
    for name in RUN_FILES:
        (run_dir / name).unlink(missing_ok=True)
    for path in (run_dir / "checkpoints").glob("*.npz"):
        path.unlink()
