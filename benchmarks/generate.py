"""Text generation by one call of an exported graph, against a loop over `model.predict`.

    python benchmarks/generate.py [--length 1000] [--calls 200]

Prints both times, their ratio, how often the graph was traced, and how memory grows over many calls.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import rnnzoo


def resident():
    """Resident memory of this process now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def predict_loop(model, length):
    """What tutorials do: the whole text so far through `model.predict` for every character, here its last 100."""
    ids = [2]
    for _ in range(length):
        logits = model.predict(np.array([ids[-100:]], "int32"), verbose=0)[0, -1]
        ids.append(int(np.argmax(logits[3:])) + 3)
    return ids


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=200)
    options = parser.parse_args()
    task = rnnzoo.create_task("char_lm", data_size=200_000)
    model = rnnzoo.create_model("lstm", task.spec)
    with tempfile.TemporaryDirectory() as folder:
        generate = tf.saved_model.load(str(rnnzoo.export_saved_model(model, f"{folder}/lm"))).signatures["generate"]

    def call(seed, length=options.length):
        numbers = {"length": length, "temperature": 1.0, "top_k": 0, "seed": seed}
        return generate(prompt=tf.constant(["def "]), **{name: tf.constant([value]) for name, value in numbers.items()})

    call(0)
    start = time.perf_counter()
    call(1)
    graph = time.perf_counter() - start
    predict_loop(model, 3)
    start = time.perf_counter()
    predict_loop(model, options.length // 10)
    loop = 10 * (time.perf_counter() - start)
    print(f"{options.length} characters: graph {graph:.3f} s, predict loop {loop:.1f} s, ratio {loop / graph:.0f}")
    for i in range(20):
        call(i, 100)
    before = resident()
    for i in range(options.calls):
        call(i, 100)
    print(f"{options.calls} calls: memory {before:.0f} MiB before, {resident():.0f} MiB after")


if __name__ == "__main__":
    main()
