"""Where a run writes: names that never collide, nothing overwritten unasked, and the run that goes on."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.export.saved_model import refuse_export, refuse_full
from rnnzoo.serialization import apply_renames

MAY_DIFFER = ("rnnzoo", "steps", "epochs", "eval_every", "checkpoint_every", "early_stop")


class Places:
    """The folders of a run. `claim` writes; before it nothing is touched."""

    def __init__(self, run: Any, options: dict[str, Any]):
        self.run, self.options = run, options
        self.name = f"{run.model}-{run.task}"
        recorded = None
        if run.resume:
            self.run_dir = Path(run.run_dir) if run.run_dir else _newest(Path("runs"), self.name)
            recorded = self._agree()
        elif run.run_dir:
            refuse_full(Path(run.run_dir), run.overwrite)
        self._export = run.export_dir or recorded
        if self._export and self._export != recorded:
            refuse_export(Path(self._export), run.overwrite)

    def claim(self) -> None:
        """Makes the folders and writes `config.json`."""
        run = self.run
        if not run.resume:
            self.run_dir = _claim(run.run_dir, Path("runs"), self.name)
            _clear(self.run_dir)
        self.export_dir = _claim(self._export, Path("saved_models"), self.name)
        write_json(self.run_dir / "config.json", {**self.options, "export_dir": str(self.export_dir)})

    def release(self) -> None:
        """Removes the export's folder if nothing was written to it."""
        if self.export_dir.is_dir() and not any(self.export_dir.iterdir()):
            self.export_dir.rmdir()

    def _agree(self) -> str | None:
        """The export folder of the run that goes on. Raises `UserError` if it was started with other options."""
        if not self.run_dir.is_dir():
            raise UserError(f"--resume: there is no run in {self.run_dir}")
        path = self.run_dir / "config.json"
        if not path.exists():
            refuse_full(self.run_dir, self.run.overwrite)
            return None
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise UserError(f"--resume: {path} is not the configuration of a run") from None
        for name, was, now in _differences(_current(before), self.options):
            raise UserError(f"--resume: {name} was {was} in {self.run_dir} and is {now} now; give what it was")
        return before.get("export_dir")


def _current(options: Any) -> dict[str, Any]:
    """The options of a run of any version, with the names of this one."""
    parts = options.items() if isinstance(options, dict) else ()
    flat = apply_renames("option", dict(parts))
    return {name: apply_renames("option", part) if isinstance(part, dict) else part for name, part in flat.items()}


def _differences(before: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Options that differ, but for those that a run may change on its way."""
    for name, value in now.items():
        if name in MAY_DIFFER:
            continue
        was = before.get(name, value)  # an option that there was not yet
        if isinstance(value, dict):
            yield from _differences(was if isinstance(was, dict) else {}, value)
        elif was != value:
            yield name, was, value


def _newest(root: Path, name: str) -> Path:
    """The run of that name with the highest number."""
    found = {
        int(m[1] or 1): p
        for p in root.glob(f"{name}*")
        if (m := re.fullmatch(rf"{re.escape(name)}(?:-(\d+))?", p.name))
    }
    if not found:
        raise UserError(f"--resume: there is no run {root / name}; name one with --run_dir")
    return found[max(found)]


def _claim(given: str | None, root: Path, name: str) -> Path:
    """The folder given, or the first of root/name, root/name-2 ... that is not there; made, so that it is ours."""
    if given:
        Path(given).mkdir(parents=True, exist_ok=True)
        return Path(given)
    number = 1
    while True:
        path = root / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            number += 1


def _clear(run_dir: Path) -> None:
    """Removes what an earlier run left here; files that are not of a run stay."""
    for path in [
        run_dir / n
        for n in (
            "config.json",
            "log.jsonl",
            "result.json",
            "model.keras",
            "curve.png",
            "forecast.png",
            "attention.png",
        )
    ]:
        path.unlink(missing_ok=True)
    for path in (run_dir / "checkpoints").glob("*.npz"):
        path.unlink()


def write_json(path: Path, value: Any) -> None:
    """Writes a whole JSON file or none."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)
