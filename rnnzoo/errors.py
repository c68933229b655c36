"""The exception for bad input, and file names for errors that lack them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class UserError(ValueError):
    """Bad input. Its message is one line that names the offending thing and says what to do."""


class RunError(RuntimeError):
    """What was asked for is right, but something went wrong on the way; the message is one line."""


@contextlib.contextmanager
def name_file(path: Path) -> Iterator[None]:
    """Gives an `OSError` that names no file the name of the file that was being written or read."""
    try:
        yield
    except OSError as error:
        if error.filename is None or str(error.filename) == f"{path}.part":
            error.filename = str(path)
        raise
