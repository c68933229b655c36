"""Memory of training on a large text, over that of TensorFlow alone.

    python benchmarks/memory.py [--megabytes 200]

Writes a text of that size to a temporary folder, trains on it for a few steps in a process of its own, and prints the
peak resident memory beside that of a process that trains the same network on a small text.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRAIN = """
import resource, sys
from rnnzoo.run.cli import main
status = main(sys.argv)
print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
sys.exit(status)
"""


IMPORT = "import resource, tensorflow; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"


def run(folder, code, *flags):
    """Runs Python code in a process; returns its peak resident memory in MiB and its time in seconds."""
    start = time.perf_counter()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", code, *flags]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1]), time.perf_counter() - start


def train(folder, name, *flags):
    """Runs a short training on a text in a process; returns the same."""
    options = [
        "--steps=20",
        "--eval_every=20",
        "--units=128",
        "--verbosity=0",
        "--validation_fraction=0.005",
        "--test_fraction=0.005",
    ]
    return run(folder, TRAIN, f"--data={name}", *options, *flags)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=200)
    size = parser.parse_args().megabytes * 10**6
    words = ["".join(random.Random(i).choices("abcdefghijklmnopqrstuvwxyz", k=3 + i % 7)) for i in range(3000)]
    with tempfile.TemporaryDirectory() as folder:
        line = " ".join(random.Random(0).choices(words, k=20_000)) + "\n"
        (Path(folder) / "small.txt").write_text(line)
        with (Path(folder) / "large.txt").open("w") as file:
            for _ in range(size // len(line)):
                file.write(line)
        print(f"import tensorflow: {run(folder, IMPORT)[0]:.0f} MiB")
        for title, flags in (("native kernels", []), ("XLA", ["--jit_compile"])):
            small, _ = train(folder, "small.txt", *flags)
            large, seconds = train(folder, "large.txt", *flags)
            text = f"{size / 1e6:.0f} MB of text {large:.0f} MiB ({large - small:.0f} more), {seconds:.0f} s in all"
            print(f"{title}: small text {small:.0f} MiB, {text}", flush=True)


if __name__ == "__main__":
    main()
