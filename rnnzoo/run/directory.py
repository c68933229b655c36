"""The folders of a run and of its export: unique names, locks, protection of other runs."""

import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any

from rnnzoo.config import check_text
from rnnzoo.errors import UserError
from rnnzoo.export.folders import (
    check_export_path,
    read_export_config,
    refuse_non_empty,
    refuse_pretrained_model,
    remove_leftovers,
)
from rnnzoo.inference.model_names import find_model
from rnnzoo.run.folders import clear_run, find_newest_run, make_folder
from rnnzoo.run.settings import REMOVED, RunSettings, changed_options
from rnnzoo.utils.json_files import RUN_CONFIG, read_json, write_json
from rnnzoo.utils.locks import LOCK, FolderLock, is_empty
from rnnzoo.zoo.recipes import read_recipes

DATA_OPTIONS = ("data", "validation_data", "test_data")  # options that name data files
RUNS, EXPORTS = Path("runs"), Path("saved_models")


class RunDirectory:
    """The folder of a run and the folder of its export; a context manager that releases their locks at its end.

    The constructor checks the folders and writes nothing, except that a resumed run is locked at once; `claim` creates
    them. `run_id` is stored in the configuration of the run and of every export that it writes; an export with
    another one is not replaced unless `--overwrite` is given.

    Args:
        settings: the settings of the run.

    Raises:
        UserError: a folder is not empty, is in use by another process or lies inside the other one, or the resumed
            run had other options.
    """

    def __init__(self, settings: RunSettings):
        self.settings, run = settings, settings.run
        self.run = run
        self.name = f"{run.model}-{run.task}"
        self.run_id = uuid.uuid4().hex
        self.run_dir = Path(run.run_dir) if run.run_dir else RUNS / self.name
        self.export_dir = Path(run.export_dir) if run.export_dir else EXPORTS / self.name
        self._export_dir_given = bool(run.export_dir)
        self.resumed_config: dict[str, Any] = {}  # config.json of the resumed run
        self._locks: list[FolderLock] = []
        self.claimed = False
        try:
            if run.resume:
                self.run_dir = Path(run.run_dir) if run.run_dir else find_newest_run(RUNS, self.name)
                self._read_resumed_config()
            elif run.run_dir:
                self._lock(self.run_dir, existing_only=True)
                refuse_non_empty(self.run_dir, run.overwrite)
            self._check_nesting()
            self._check_source()
            if self._export_dir_given:
                self._lock(self.export_dir, existing_only=True)
                self.check_export()
        except BaseException:
            self.release()
            raise

    def __enter__(self) -> "RunDirectory":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def claim(self) -> None:
        """Creates the folders, locks them, and removes the files of an earlier run."""
        self.export_dir = self._make(self.export_dir, self._export_dir_given, reserved=read_recipes())
        for path in {self.export_dir, Path(self.resumed_config.get("export_dir", self.export_dir))}:
            remove_leftovers(path)
        self.check_export()
        if not self.run.resume:
            self.run_dir = self._make(self.run_dir, bool(self.run.run_dir))
            refuse_non_empty(self.run_dir, self.run.overwrite)
            clear_run(self.run_dir)
        self.claimed = True

    def write_config(self, data: dict[str, Any], engine: dict[str, Any]) -> None:
        """Writes `config.json`, with the options, data and engine of the run."""
        details = {"run_id": self.run_id, "run_dir": str(self.run_dir.resolve()), "export_dir": str(self.export_dir)}
        write_json(self.run_dir / "config.json", {**self.settings.to_json(), **details, "engine": engine, "data": data})

    def has_checkpoint(self) -> bool:
        """Returns whether a resumed run has a checkpoint to go on from."""
        return self.run.resume and any((self.run_dir / "checkpoints").glob("step-*.npz"))

    def check_export(self) -> None:
        """Raises `UserError` if the folder of the export holds something that this run may not overwrite."""
        refuse_pretrained_model(self.export_dir)
        if self._is_own(self.export_dir):
            return
        if self.run.resume and not self.run.overwrite and self.export_dir.is_dir() and not is_empty(self.export_dir):
            raise UserError(
                f"--resume: {self.export_dir} holds something that this run did not write; name another folder with "
                "--export_dir, or add --overwrite to replace it"
            )
        check_export_path(self.export_dir, self.run.overwrite)

    def release(self) -> None:
        """Releases the locks, and removes the folder of the export if it is empty."""
        for lock in self._locks[::-1]:
            lock.release()
            if lock.folder == self.export_dir and lock.folder.is_dir() and not any(lock.folder.iterdir()):
                lock.folder.rmdir()
        self._locks = []

    def _read_resumed_config(self) -> None:
        """Reads the configuration of the resumed run. Raises `UserError` if its options were different."""
        if not self.run_dir.is_dir():
            raise UserError(f"--resume: there is no run in {self.run_dir}")
        self._lock(self.run_dir)
        path = self.run_dir / "config.json"
        if not path.exists():
            refuse_non_empty(self.run_dir, self.run.overwrite)
            return
        try:
            self.resumed_config = read_json(path, RUN_CONFIG)
        except UserError as error:
            raise UserError(f"--resume: {path} is not the configuration of a run: {error}") from None
        for name, was, now in changed_options(self.resumed_config, self.settings):
            if now is REMOVED:
                raise UserError(
                    f"--resume: {self.run_dir} has {name}={was}, which is no longer an option; start a new run"
                )
            if not (name in DATA_OPTIONS and self.run.allow_changed_data):
                change = f"{name} was {_format(was)} in {self.run_dir} and is {_format(now)} now"
                raise UserError(f"--resume: {change}; give the old value")
        for name in ("export_dir", "run_dir"):
            check_text(f"{path}: {name}", self.resumed_config.get(name, ""))
        if not self._is_copy():
            self.run_id = self.resumed_config.get("run_id", self.run_id)
        if "export_dir" in self.resumed_config and not self._export_dir_given:
            self.export_dir, self._export_dir_given = Path(self.resumed_config["export_dir"]), True

    def _is_copy(self) -> bool:
        """Returns whether the run is a copy of a run that still exists, to which the recorded export then belongs."""
        first = Path(self.resumed_config.get("run_dir", self.run_dir))
        if first.resolve() == self.run_dir.resolve() or not (first / "config.json").is_file():
            return False
        try:
            return read_json(first / "config.json", RUN_CONFIG).get("run_id") == self.resumed_config.get("run_id")
        except UserError:
            return False

    def _is_own(self, folder: Path) -> bool:
        """Returns whether a folder is an export that this run wrote."""
        return self.run.resume and read_export_config(folder).get("run_id") == self.run_id

    def _check_nesting(self) -> None:
        run, export = self.run_dir.resolve(), self.export_dir.resolve()
        if run.is_relative_to(export) or export.is_relative_to(run):
            raise UserError(
                f"--run_dir={self.run_dir} and --export_dir={self.export_dir} must not be the same folder, or one "
                "inside the other"
            )

    def _check_source(self) -> None:
        """Raises `UserError` if the run would overwrite the model that it begins with."""
        if self.run.init_from and not self.run.resume:
            source = find_model(self.run.init_from).resolve()
            for name, folder in (("run_dir", self.run_dir), ("export_dir", self.export_dir)):
                if folder.resolve() == source and getattr(self.run, name):
                    raise UserError(f"--{name}={folder} is the model of --init_from; name another folder")

    def _make(self, folder: Path, named: bool, reserved: Collection[str] = ()) -> Path:
        """Creates and locks a folder; unless it is named, the first of NAME, NAME-2, ... that is free."""
        path = make_folder(folder, named, reserved)
        self._lock(path)
        return path

    def _lock(self, folder: Path, existing_only: bool = False) -> None:
        locked = {lock.folder.resolve() for lock in self._locks}
        if folder.resolve() in locked or (existing_only and not (folder / LOCK).exists()):
            return
        lock = FolderLock(folder)
        lock.acquire()
        self._locks.append(lock)


def _format(value: Any) -> str:
    """Returns the value of an option for a message."""
    return "''" if value == "" else str(value)
