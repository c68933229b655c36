"""What an exported model of text says to each line: `python -m rnnzoo.predict EXPORT < lines > answers`."""

import codecs
import contextlib
import dataclasses
import itertools
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from absl import flags

from rnnzoo import config
from rnnzoo.errors import UserError
from rnnzoo.predictor import PredictOptions, Predictor

__all__ = ["PredictOptions", "Predictor", "main", "predict"]

USAGE = (
    "usage: python -m rnnzoo.predict EXPORT [--input=FILE --output=FILE --beam=N --nbest=N --attention_plot=FILE.png]"
)
PROGRESS = 2.0  # seconds between lines about the progress


def predict(predictor: Predictor, source: Iterable[bytes], sink: BinaryIO) -> list[str]:
    """Answers line by line; returns what was wrong with those that could not be read, whose answers are empty."""
    options, wrong, started = predictor.options, [], time.monotonic()
    plotted, shown = options.attention_plot is None, started
    numbered = enumerate(source, 1)
    while batch := list(itertools.islice(numbered, options.batch_size)):
        answers: dict[int, str] = {}
        readable: dict[int, str] = {}
        for number, line in batch:
            try:
                line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                text = line.rstrip(b"\r\n").decode(predictor.encoding)
                reason = predictor.refuse(text) if text.strip() else ""
            except UnicodeError:
                reason = f"not {predictor.encoding} text"
            if reason:
                wrong.append(f"line {number}: {reason}")
            elif text.strip():
                readable[number] = text
        if readable:
            answers = dict(zip(readable, predictor.answer(list(readable), list(readable.values())), strict=True))
        if readable and not plotted:
            predictor.plot(next(iter(readable.values())), Path(options.attention_plot or ""))
            plotted = True
        for number, _ in batch:
            sink.write(answers.get(number, "").encode("utf-8", "replace") + b"\n")
        if time.monotonic() - shown > PROGRESS:
            shown = time.monotonic()
            print(f"{batch[-1][0]:,} lines, {shown - started:.0f} s", file=sys.stderr)
    sink.flush()
    if not plotted:
        wrong.append("--attention_plot: there was no line to draw")
    return wrong


@contextlib.contextmanager
def _places(options: PredictOptions) -> Iterator[tuple[Iterable[bytes], BinaryIO]]:
    """What is read and written; a file has its name when all is written."""
    with contextlib.ExitStack() as stack:
        source: Any = stack.enter_context(Path(options.input).open("rb")) if options.input else sys.stdin.buffer
        if options.output is None:
            yield source, sys.stdout.buffer
            return
        path = Path(options.output).resolve()
        if path.exists() and not path.is_file():  # a device or a pipe: nothing can take its place
            yield source, stack.enter_context(path.open("wb"))
            return
        beside = path.with_name(path.name + ".part")
        try:
            with beside.open("wb") as sink:
                yield source, sink
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, 1 if a line could not be read, 2 for bad input."""
    argv = list(sys.argv if argv is None else argv)
    if {"--help", "-h"} & set(argv):
        helps = (f"  --{f.name:15s} {f.metadata['help']}" for f in dataclasses.fields(PredictOptions))
        print(USAGE, *helps, sep="\n")
        return 0
    values = flags.FlagValues()
    config.define_flags([PredictOptions], values)
    try:
        paths = values(argv)[1:]
        if len(paths) != 1:
            raise UserError(USAGE)
        given = {name: values[name].value for name in values if values[name].present}
        options = config.make(PredictOptions, given, "predict")
        predictor = Predictor(paths[0], options)
        with _places(options) as (source, sink):
            wrong = predict(predictor, source, sink)
    except (UserError, flags.Error) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    for message in wrong:
        print(f"error: {message}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
