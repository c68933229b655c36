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
from rnnzoo.cli import main
status = main(sys.argv)
print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
sys.exit(status)
"""


def peak(folder, name):
    """Peak resident memory in MiB of a short run on a text, and its time."""
    flags = [f"--data={name}", "--steps=20", "--eval_every=20", "--units=128", "--verbosity=0", "--held_out=0.01"]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, *flags],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1]), time.perf_counter() - start


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
        small, _ = peak(folder, "small.txt")
        large, seconds = peak(folder, "large.txt")
    more, text = large - small, f"{size / 1e6:.0f} MB of text"
    print(f"small text {small} MiB, {text} {large} MiB: {more} MiB more, {seconds:.0f} s in all")


if __name__ == "__main__":
    main()
