"""Converted files in a temporary folder, until they are moved to their place."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rnnzoo.conversion.formats import Format, Runner
from rnnzoo.conversion.numeric import Arrays, NumericSignature
from rnnzoo.errors import UserError

DESCRIPTION = "model.json"


class ConvertedFiles:
    """Converted files in a temporary folder, each written when it is first needed."""

    def __init__(self, folder: Path, target_format: Format, quantize: str, known: dict[str, NumericSignature]):
        self.folder, self.format, self.quantize, self.known = folder, target_format, quantize, known
        self._runners: dict[str, Runner] = {}

    def run(self, name: str, inputs: Arrays) -> Arrays:
        """Runs a signature in its runtime."""
        if name not in self._runners:
            path = self._path(name)
            path.parent.mkdir()
            with silent_output():
                self.format.write(self.known[name], path, self.quantize)
                self._runners[name] = self.format.load(path)
                return self._runners[name](inputs)  # some runtimes print at their first call
        return self._runners[name](inputs)

    def _path(self, name: str) -> Path:
        return self.folder / name / f"{name}{self.format.suffix}"

    def move(self, name: str, target: Path) -> int:
        """Moves the files of a signature to their place; returns their size."""
        self._runners.pop(name, None)
        written, size = self._path(name), 0
        for suffix in (".bin", self.format.suffix):
            file = written.with_suffix(suffix)
            if file.is_file():
                size += file.stat().st_size
                file.replace(target.with_suffix(suffix))
        return size


@contextlib.contextmanager
def silent_output() -> Iterator[None]:
    """Hides what converters print, from Python and from their libraries; their errors are raised."""
    with tempfile.TemporaryFile() as hidden:
        kept = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(hidden.fileno(), number)
            yield
        finally:
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def prepare_targets(
    names: list[str], out: Path, target_format: Format, overwrite: bool
) -> tuple[dict[str, Path], Path]:
    """Returns the file of each signature, and that of the description; creates their folder.

    Raises:
        UserError: a file exists and must not be overwritten.
    """
    if out.suffix == target_format.suffix:
        targets, description = {names[0]: out}, out.with_suffix(".json")
    else:
        targets, description = {name: out / f"{name}{target_format.suffix}" for name in names}, out / DESCRIPTION
    for file in (*targets.values(), description):
        if file.is_dir():
            raise UserError(f"{file} is a folder; choose another --out")
        if file.exists() and not overwrite:
            raise UserError(f"{file} exists; choose another --out or add --overwrite")
    description.parent.mkdir(parents=True, exist_ok=True)
    return targets, description
