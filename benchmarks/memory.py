"""Memory and speed of reading large files: the peak of a process, over that with a small file of the same kind.

    python benchmarks/memory.py [--megabytes 1000] [--cases char_lm word_lm pairs g2p tag forecast classify]

Writes files of that size to a temporary folder, and starts processes that read each of them, train a network for 20
steps and evaluate it. The second process finds the encoded data in the cache folder. Prints a Markdown table.
"""

import argparse
import datetime
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

TRAIN = """
import json, resource, sys, time
import rnnzoo
from rnnzoo.tasks import create_task
from rnnzoo.training import Trainer, TrainingOptions
model, task, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
began = time.perf_counter()
task = create_task(task, **options)
seconds = time.perf_counter() - began
training = TrainingOptions(steps=20, eval_every=20, jit_compile=False)
trainer = Trainer(rnnzoo.create_model(model, task.spec, units=32), task, training)
for _ in trainer.run():
    pass
trainer.evaluate("validation")
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
MODELS = {
    "char_lm": "elman",
    "word_lm": "elman",
    "pairs": "seq2seq",
    "g2p": "seq2seq",
    "tag": "bidirectional",
    "forecast": "elman",
    "classify": "elman",
}
HEADERS = {"forecast": "date,a,b,c,d,e\n", "classify": "text,label\n"}
SMALL = 1  # MB
BEGIN = datetime.datetime(1990, 1, 1)


def draw_words(rng):
    """A million words of a vocabulary of 50,000, the frequent ones as frequent as in a language."""
    letters = random.Random(0)
    vocabulary = ["".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=2 + i % 9)) for i in range(50_000)]
    frequencies = 1 / np.arange(1, len(vocabulary) + 1)
    return [vocabulary[i] for i in rng.choice(len(vocabulary), 1_000_000, p=frequencies / frequencies.sum())]


def make_part(case, words, rng, number):
    """A part of a file."""
    if case == "forecast":
        rows = rng.normal(size=(20_000, 5)).cumsum(0).round(3).tolist()
        times = (BEGIN + datetime.timedelta(minutes=20_000 * number + i) for i in range(len(rows)))
        return "".join(f"{time},{','.join(map(str, row))}\n" for time, row in zip(times, rows, strict=True))
    first = int(rng.integers(len(words) - 100_000))
    part = words[first : first + 100_000]
    if case == "tag":
        return "\n".join(f"{w}\t{'ABCDEFG'[len(w) % 7]}" if i % 17 else "" for i, w in enumerate(part)) + "\n"
    if case == "g2p":  # a hundred thousand new words
        words = (f"{word}'{number * len(part) + i}" for i, word in enumerate(part))
        return "".join(f"{word} {' '.join(word.upper())}\n" for word in words)
    lines = [" ".join(part[i : i + 18]) for i in range(0, len(part), 18)]
    if case == "pairs":
        return "".join(f"{line}\t{' '.join(line.split()[::2])} .\n" for line in lines)
    if case == "classify":
        return "".join(f'"{line}, ""yes""",{len(line) % 2}\n' for line in lines)
    return "\n".join(lines) + "\n"


def write(path, case, megabytes, words):
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write(HEADERS.get(case, ""))
        number = 0
        while file.tell() < megabytes * 1e6:
            file.write(make_part(case, words, rng, number))
            number += 1


def run(folder, case, path):
    """Seconds of reading and peak of the memory, in MiB, of a process."""
    options = {"data": str(path), "validation_fraction": 0.005, "test_fraction": 0.005}
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-c", TRAIN, MODELS[case], case, json.dumps(options)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--cases", nargs="+", choices=MODELS, default=list(MODELS))
    arguments = parser.parse_args()
    words = draw_words(np.random.default_rng(0))
    print(f"| task | reading {arguments.megabytes} MB | again | memory | with {SMALL} MB | difference |")
    print("|---|---|---|---|---|---|")
    for case in arguments.cases:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(folder / "small", case, SMALL, words)
            write(folder / "large", case, arguments.megabytes, words)
            _, small = run(folder, case, folder / "small")
            (first, large), (again, _) = (run(folder, case, folder / "large") for _ in range(2))
        speed = f"{first:.0f} s, {arguments.megabytes / first:.1f} MB/s"
        row = [f"`{case}`", speed, f"{again:.1f} s", f"{large:.0f} MiB", f"{small:.0f} MiB", f"{large - small:.0f} MiB"]
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
