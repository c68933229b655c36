"""What the commands of this package share: options from flags, and one line for each error."""

import dataclasses
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from absl import flags

from rnnzoo import config
from rnnzoo.errors import RunError, UserError

BAD_INPUT, FAILED, STOPPED = 2, 1, 130  # exit statuses
LONGEST = 1000  # characters of an error


def run(body: Callable[[], int | None], verbose: bool = False) -> int:
    """Runs the body of a command; returns its exit status, and writes one line to standard error for what went wrong.

    The status is 0, 2 for bad input, 1 for what went wrong on the way, 130 for Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show must not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        status = body() or 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except (UserError, flags.Error) as error:
        return fail(str(error), BAD_INPUT)
    except RunError as error:
        return fail(str(error), FAILED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that Python, at its end, does not complain too
        return FAILED
    except OSError as error:
        return fail(f"{error.filename or 'a file'}: {error.strerror or error}", FAILED)
    except MemoryError:
        return fail("there is not enough memory; give smaller sizes, such as --batch_size or --units", FAILED)
    except KeyboardInterrupt:
        return fail("stopped at once", STOPPED)
    except Exception as error:
        if verbose:
            traceback.print_exc()
        kind = type(error).__name__
        if kind == "ResourceExhaustedError":  # of TensorFlow, which need not be imported here
            return fail("there is not enough memory; give smaller sizes, such as --batch_size or --units", FAILED)
        return fail(f"internal error ({kind}): {str(error)[:300]}; this is a fault of rnnzoo, please report it", FAILED)


def fail(message: str, status: int) -> int:
    """Writes an error as one line of printable characters; returns the status."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(message.split()))
    print(f"error: {line if len(line) <= LONGEST else line[:LONGEST] + ' ...'}", file=sys.stderr)
    return status


def help_lines(cls: type) -> Iterator[str]:
    """A line for each option of a dataclass, with its default."""
    for field in dataclasses.fields(cls):
        shown = "" if field.default is None or field.default is False or field.default == "" else f" [{field.default}]"
        yield f"  --{field.name:15s} {field.metadata['help']}{shown}"


def parse(
    argv: Sequence[str], options: Iterable[tuple[str, str, str]], switches: dict[str, str]
) -> tuple[dict[str, Any], set[str], list[str]]:
    """`(options given, switches given, other arguments)`. Raises `flags.Error`.

    `options` are `(name, type, help)`, `switches` flags without a value that are none of them.
    """
    for argument in argv[1:]:
        if argument.lstrip("-").partition("=")[0] in ("flagfile", "undefok"):  # absl's own, on every command line
            raise UserError(f"there is no option {argument.partition('=')[0]}")
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
