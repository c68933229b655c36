"""Every pretrained model in every format: sizes of the files, and the largest difference from the SavedModel.

python benchmarks/pretrained_formats.py [NAME ...]      # about half a minute a model; prints a Markdown table
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import rnnzoo
from rnnzoo.conversion.converter import convert_export
from rnnzoo.conversion.formats import FORMATS, ConversionError


def measure(name, to):
    """The size in KiB of all files of a format, and the largest difference of an answer."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            files = convert_export(name, to, Path(folder) / "out").files
        except (ConversionError, rnnzoo.UserError) as error:
            return f"no: {str(error)[:60]}"
    return f"{sum(file.size for file in files) / 1024:.0f}, {max(file.difference for file in files):.0e}"


def main():
    names = [name for pattern in sys.argv[1:] or ["*"] for name in rnnzoo.list_pretrained(pattern)]
    print(f"| model | {' | '.join(f'{to}: KiB, difference' for to in FORMATS)} |")
    print("|---" * (len(FORMATS) + 1) + "|")
    for name in names:
        print(f"| {name} | {' | '.join(measure(name, to) for to in FORMATS)} |", flush=True)


if __name__ == "__main__":
    main()
