"""Predictions of an exported model for lines of text or numbers, or for a CSV file.

python -m rnnzoo.predict EXPORT < lines > answers
python -m rnnzoo.predict FORECAST_EXPORT --input=history.csv --output=forecast.csv
"""

import codecs
import contextlib
import dataclasses
import itertools
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rnnzoo.data.files import check_file
from rnnzoo.errors import UserError
from rnnzoo.inference.predict_options import PredictOptions
from rnnzoo.utils import command_line, startup

if TYPE_CHECKING:
    from rnnzoo.inference.predictor import Predictor

__all__ = ["PredictOptions", "main", "predict"]

USAGE = (
    "usage: python -m rnnzoo.predict EXPORT [--input=FILE --output=FILE --beam=N --nbest=N --attention_plot=FILE.png]"
)
PROGRESS_INTERVAL = 2.0  # seconds


def predict(predictor: "Predictor", source: Iterable[bytes], sink: BinaryIO) -> list[str]:
    """Writes a line of predictions for each line of input.

    Args:
        predictor: the predictor of an export.
        source: the input lines, as bytes.
        sink: the output file.

    Returns:
        A message for each line that could not be read; its line of output is empty.
    """
    options, problems, started = predictor.options, [], time.monotonic()
    plotted, shown = options.attention_plot is None, started
    numbered = enumerate(source, 1)
    while batch := list(itertools.islice(numbered, options.batch_size)):
        readable, unreadable = _decode(predictor, batch)
        problems += unreadable
        answers: dict[int, str] = {}
        if readable:
            answers = dict(zip(readable, predictor.predict_lines(list(readable), list(readable.values())), strict=True))
        if readable and not plotted:
            predictor.plot(next(iter(readable.values())), Path(options.attention_plot or ""))
            plotted = True
        for number, _ in batch:
            sink.write(answers.get(number, "").encode("utf-8", "replace") + b"\n")
        if time.monotonic() - shown > PROGRESS_INTERVAL:
            shown = time.monotonic()
            print(f"{batch[-1][0]:,} lines, {shown - started:.0f} s", file=sys.stderr)
    sink.flush()
    if not plotted:
        problems.append("--attention_plot: the input has no line to plot")
    return problems


def _decode(predictor: "Predictor", batch: list[tuple[int, bytes]]) -> tuple[dict[int, str], list[str]]:
    """Decodes numbered lines: the texts that are not empty by number, and a message for each unreadable line."""
    texts: dict[int, str] = {}
    problems = []
    for number, line in batch:
        try:
            line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            text = line.rstrip(b"\r\n").decode(predictor.encoding)
            text.encode("utf-8")  # refuses unpaired surrogates
            reason = predictor.find_problem(text) if text.strip() else ""
        except UnicodeError:
            reason = f"not {predictor.encoding} text"
        if reason:
            problems.append(f"line {number}: {reason}")
        elif text.strip():
            texts[number] = text
    return texts, problems


@contextlib.contextmanager
def _open_files(options: PredictOptions) -> Iterator[tuple[Iterable[bytes], BinaryIO]]:
    """Opens input and output; an output file has a temporary name until it is complete."""
    with contextlib.ExitStack() as stack:
        source: Any = sys.stdin.buffer
        if options.input:
            try:
                source = stack.enter_context(Path(options.input).open("rb"))
            except OSError as error:
                raise UserError(f"--input={options.input}: {error.strerror}") from None
        if options.output is None:
            yield source, sys.stdout.buffer
            return
        path = Path(options.output).resolve()
        if path.exists() and not path.is_file():  # a device or a pipe, which cannot be replaced
            yield source, stack.enter_context(path.open("wb"))
            return
        if not path.parent.is_dir():
            raise UserError(f"--output={options.output}: there is no folder {path.parent}")
        temporary = path.with_name(path.name + ".part")
        try:
            with temporary.open("wb") as sink:
                yield source, sink
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def __getattr__(name: str) -> Any:
    if name == "Predictor":  # imports TensorFlow, which `--help` does not need
        from rnnzoo.inference.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 1 if a line could not be read, 2 for bad input."""
    return command_line.run_tool(sys.argv if argv is None else argv, PredictOptions, USAGE, _main)


def _main(options: PredictOptions, paths: list[str]) -> int:
    if len(paths) > 1:
        raise UserError(USAGE)
    with startup.suppress_import_messages():
        from rnnzoo.inference.predictor import Predictor

    predictor = Predictor(paths[0], options)
    if predictor.spec.is_forecast:
        return _forecast(predictor, options)
    with _open_files(options) as (source, sink):
        problems = predict(predictor, source, sink)
    for message in problems:
        print(f"error: {message}", file=sys.stderr)
    return 1 if problems else 0


def _forecast(predictor: "Predictor", options: PredictOptions) -> int:
    """Writes the forecast for a CSV file."""
    from rnnzoo.inference.forecasting import forecast_table

    with tempfile.TemporaryDirectory() as folder:
        path = Path(options.input or folder)
        if not options.input:  # a table is read twice
            path = Path(folder) / "standard input"
            path.write_bytes(sys.stdin.buffer.read())
        table = forecast_table(predictor.signatures, predictor.spec, check_file(str(path), "input"), options)
        with _open_files(dataclasses.replace(options, input=str(path))) as (_, sink):
            sink.write(table)
            sink.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
