"""Conversion of an export to another runtime: `python -m rnnzoo.convert EXPORT --to=onnx --out=FOLDER`."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.utils import command_line, startup

USAGE = """usage: python -m rnnzoo.convert EXPORT --to=onnx|litert|openvino --out=PATH [options]

Converts the numeric signatures of an export (ids or features in, predictions out; step; encode and decode_step) to
files that ONNX Runtime, LiteRT or OpenVINO run without TensorFlow and without custom operations. PATH is a folder,
which gets a file for each signature and model.json, with the vocabulary and the order of states; or, for one
signature, a file (.onnx, .tflite or .xml).
"""


@dataclasses.dataclass(frozen=True)
class ConvertOptions:
    """Options of `python -m rnnzoo.convert`."""

    to: str | None = option(None, "format", choices=("onnx", "litert", "openvino"))
    out: str = option("", "folder, or for one signature a file")
    signature: str = option("", "signatures to convert, comma-separated; default: all, for a file serving_default")
    quantize: str = option("none", "how weights are stored", choices=("none", "float16", "int8"))
    data: str | None = option(None, "labelled file to measure the loss of --quantize on, in the format of the task")
    allow_loss: bool = option(False, "accept a metric that is more than 2 % worse after --quantize")
    overwrite: bool = option(False, "replace files of an earlier conversion")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad input, 1 for a failure."""
    argv = list(sys.argv if argv is None else argv)
    return command_line.run_tool(argv, ConvertOptions, USAGE, _convert)


def _convert(options: ConvertOptions, paths: list[str]) -> int:
    if len(paths) != 1 or not options.to or not options.out:
        raise UserError(USAGE.partition("\n")[0])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # converters log each of their stages
    with startup.suppress_import_messages():
        from rnnzoo import api  # noqa: F401  (registers everything)
        from rnnzoo.conversion.converter import convert_export, describe_quality
    conversion = convert_export(
        paths[0],
        options.to,
        Path(options.out),
        signatures=[name for name in options.signature.split(",") if name],
        quantize=options.quantize,
        task_options={"data": options.data} if options.data else None,
        allow_loss=options.allow_loss,
        overwrite=options.overwrite,
    )
    for file in conversion.files:
        size = f"{file.size / 2**20:.2f} MiB" if file.size >= 2**20 else f"{file.size / 2**10:.0f} KiB"
        print(f"{file.path}  {size}, signature {file.signature}, differs by {file.difference:.1e} from the SavedModel")
    print(f"{conversion.description}  vocabulary, labels and states")
    if conversion.quality:
        print(describe_quality(conversion.quality))
    return 0


if __name__ == "__main__":
    sys.exit(main())
