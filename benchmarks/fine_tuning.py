"""Shakespeare from a model of source code against from nothing: bits per character of the test after few steps.

python benchmarks/fine_tuning.py input.txt [NAME]      # input.txt: Tiny Shakespeare; prints a Markdown table
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json

from rnnzoo.run.cli import main as train

STEPS = (100, 300, 1000)
CASES = {  # name: flags
    "from nothing": ["--model=lstm", "--units={units}", "--output_dropout={output_dropout}"],
    "from {name}": ["--init_from={name}"],
    "from {name}, embedding and core frozen": ["--init_from={name}", "--freeze=embedding,core"],
}


def bits(data, steps, flags):
    """Bits per character of the test after a run of so many steps, with its own schedule of the learning rate."""
    with tempfile.TemporaryDirectory() as folder:
        folders = [f"--run_dir={folder}/run", f"--export_dir={folder}/export"]
        options = [f"--data={data}", f"--steps={steps}", "--eval_every=100", "--learning_rate=2e-3", "--verbosity=0"]
        if train(["train.py", "--task=char_lm", *flags, *options, *folders]):
            sys.exit("a run failed")
        return json.loads(Path(folder, "run", "result.json").read_text())["metrics"]["test"]["bits_per_char"]


def main():
    import rnnzoo

    data, name = sys.argv[1], (sys.argv[2:] or ["lstm-char_lm-python"])[0]
    options = rnnzoo.load_pretrained(name).get_config()["options"]
    print(f"| | {' | '.join(f'{steps} steps' for steps in STEPS)} |")
    print("|---" * (len(STEPS) + 1) + "|")
    for title, flags in CASES.items():
        values = {"name": name, "units": options["units"], "output_dropout": options["output_dropout"]}
        row = [bits(data, steps, [flag.format(**values) for flag in flags]) for steps in STEPS]
        print(f"| {title.format(**values)} | {' | '.join(f'{value:.3f}' for value in row)} |", flush=True)


if __name__ == "__main__":
    main()
