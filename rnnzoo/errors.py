"""Exceptions for bad input and failed runs, and helpers for error messages."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class UserError(ValueError):
    """Bad input. Its message is one line that names the problem and the remedy."""


def refuse_glob_pattern(path: Path) -> None:
    """Raises `UserError` for the path of a SavedModel that TensorFlow would treat as a glob pattern."""
    if any(character in str(path) for character in "*?["):
        raise UserError(f"{path}: TensorFlow cannot read a SavedModel from a path with *, ? or [; choose another name")


class RunError(RuntimeError):
    """A failure that is not caused by bad input, such as a loss that is not finite. Its message is one line."""


@contextlib.contextmanager
def name_file_in_errors(path: Path) -> Iterator[None]:
    """Context in which an `OSError` without a file name gets `path` as its file name."""
    try:
        yield
    except OSError as error:
        if error.filename is None or str(error.filename) == f"{path}.part":
            error.filename = str(path)
        raise


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, cut to a readable length."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def add_path(path: Path, error: Exception) -> str:
    """Returns the message of an error, with the path of the file if it lacks it."""
    return str(error) if str(path) in str(error) else f"{path}: {error}"
