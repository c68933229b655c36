"""The names of runs and of their files."""

import re
from pathlib import Path

from rnnzoo.errors import UserError

OWN_FILES = ("config.json", "log.jsonl", "result.json", "model.keras", "curve.png", "forecast.png", "attention.png")


def make_folder(folder: Path, named: bool) -> Path:
    """Makes a folder, which may be there if it is named; otherwise the first of NAME, NAME-2 ... that is not there.

    Raises:
        UserError: there is a file, or a link that leads nowhere, in its place or above it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{folder.parent} is a file, or a link that leads nowhere; name another folder") from None
    number = 1
    while True:
        path = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            path.mkdir(exist_ok=named)
            return path
        except FileExistsError:
            if named:
                raise UserError(f"{path} is a file, or a link that leads nowhere; name a folder") from None
            number += 1


def newest_run(root: Path, name: str) -> Path:
    """The run of that name with the highest number. Raises `UserError` if there is none."""
    found = {
        int(m[1] or 1): p
        for p in root.glob(f"{name}*")
        if (m := re.fullmatch(rf"{re.escape(name)}(?:-(\d+))?", p.name))
    }
    if not found:
        raise UserError(f"--resume: there is no run {root / name}; name one with --run_dir")
    return found[max(found)]


def clear_run(run_dir: Path) -> None:
    """Removes what an earlier run left in its folder; files that are not of a run stay."""
    for name in OWN_FILES:
        (run_dir / name).unlink(missing_ok=True)
    for path in (run_dir / "checkpoints").glob("*.npz"):
        path.unlink()
