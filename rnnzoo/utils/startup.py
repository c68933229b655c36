"""Fast start-up of the command-line programs, without TensorFlow's log messages."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

TRAIN = Path(__file__).parents[2] / "train.py"
SCRIPT = "rnnzoo-train"


def is_command() -> bool:
    """Returns whether this process is `train.py`, `rnnzoo-train` or `python -m rnnzoo...`.

    These import TensorFlow only when they need it; `import rnnzoo` imports it at once.
    """
    program = sys.argv[0] if sys.argv else ""
    if program == "-m":
        return module_name().startswith("rnnzoo.")
    return Path(program).stem == SCRIPT or (Path(program).name == TRAIN.name and Path(program).resolve() == TRAIN)


def module_name() -> str:
    """Returns the module of `python -m MODULE` while Python looks for it; empty for another command."""
    after = sys.orig_argv[sys.orig_argv.index("-m") + 1 :] if "-m" in sys.orig_argv else []
    return after[0] if after and sys.argv[:1] == ["-m"] else ""


@contextlib.contextmanager
def suppress_import_messages(enabled: bool = True) -> Iterator[None]:
    """Context that hides the messages of imported libraries on standard error, and shows them if an import fails.

    Does nothing unless `enabled`, or if TensorFlow is imported already.
    """
    if not enabled or "tensorflow" in sys.modules:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        before = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(before, 2)
            kept.seek(0)
            os.write(2, kept.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
