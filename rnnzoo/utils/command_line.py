"""Shared parts of the command-line programs: option parsing and one-line error messages."""

import dataclasses
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from rnnzoo import config
from rnnzoo.errors import RunError, UserError
from rnnzoo.renames import new_names

BAD_INPUT, FAILED, STOPPED = 2, 1, 130  # exit statuses
MAX_LENGTH = 1000  # characters of an error message


def run_command(body: Callable[[], int | None], verbose: bool = False) -> int:
    """Runs the body of a command and returns its exit status; an error is one line on standard error.

    The status is 0 for success, 2 for bad input, 1 for a failure, 130 for Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # characters that a terminal cannot show must not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        status = body() or 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except (UserError, flags.Error) as error:
        return print_error(str(error), BAD_INPUT)
    except RunError as error:
        return print_error(str(error), FAILED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that Python does not report it again at exit
        return FAILED
    except OSError as error:
        return print_error(f"{error.filename or 'a file'}: {error.strerror or error}", FAILED)
    except KeyboardInterrupt:
        return print_error("interrupted", STOPPED)
    except Exception as error:
        if verbose:
            traceback.print_exc()
        kind = type(error).__name__
        if kind in ("MemoryError", "ResourceExhaustedError"):  # TensorFlow's error, without importing TensorFlow
            return print_error(
                "there is not enough memory; give smaller sizes, such as --batch_size or --units", FAILED
            )
        return print_error(
            f"internal error ({kind}): {str(error)[:300]}; this is a bug in rnnzoo, please report it", FAILED
        )


def print_error(message: str, status: int) -> int:
    """Writes an error as one line of printable characters; returns the status."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(message.split()))
    print(f"error: {line if len(line) <= MAX_LENGTH else line[:MAX_LENGTH] + ' ...'}", file=sys.stderr)
    return status


def run_tool(argv: Sequence[str], options: type, usage: str, body: Callable[[Any, list[str]], int | None]) -> int:
    """Runs `body(options, paths)` of a command that takes paths and the options of a dataclass.

    `--help` prints the usage and the options; so does, as an error, a command line without a path.
    """

    def parse_and_run() -> int | None:
        given, switches, paths = parse(argv, config.flag_definitions(options), {"help": "print this text"})
        if "help" in switches:
            lines = (
                f"  --{f.name:15s} {f.metadata['help']}{config.format_default(f.default)}"
                for f in dataclasses.fields(options)
            )
            print(usage, *lines, sep="\n")
            return 0
        if not paths:
            raise UserError(usage.partition("\n")[0])
        return body(config.create_options(options, given, Path(argv[0]).stem), paths)

    return run_command(parse_and_run)


def parse(
    argv: Sequence[str], options: Iterable[tuple[str, str, str]], switches: dict[str, str]
) -> tuple[dict[str, Any], set[str], list[str]]:
    """Parses a command line into `(options, switches, other arguments)`.

    Args:
        argv: the command line.
        options: `(name, type, help)` of each option.
        switches: flags without a value, with their help.

    Raises:
        UserError: an option that was renamed.
        flags.Error: an unknown option, or a value of another type.
    """
    options = list(options)
    _refuse_unsupported(argv, {name for name, *_ in options})
    values = flags.FlagValues()
    for name, text in switches.items():
        flags.DEFINE_boolean(name, False, text, flag_values=values, short_name=name[0] if name == "help" else None)
    config.define_flags(options, values)
    rest = values(list(argv))[1:]
    given = {name: values[name].value for name in values if values[name].present}
    return (
        {name: value for name, value in given.items() if name not in switches and name != "h"},
        {name for name in switches if values[name].value},
        rest,
    )


def _refuse_unsupported(argv: Sequence[str], names: set[str]) -> None:
    """Raises `UserError` for renamed options, and for absl's own flags, which exist on every command line."""
    for argument in argv[1:]:
        if not argument.startswith("-"):
            continue
        name = argument.lstrip("-").partition("=")[0]
        if name in ("flagfile", "undefok"):
            raise UserError(f"there is no option --{name}")
        for old in (name, name.removeprefix("no")):
            new = [other for other in new_names(old) if other in names]
            if new and old not in names:
                raise UserError(f"--{old} was renamed to --{' and --'.join(new)}")
