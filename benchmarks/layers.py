"""Layers against their peers, in one process, interleaved.

    python benchmarks/layers.py [--cells lstm elman] [--rounds 10] [--json FILE]

Each case is the forward pass, or a training step: forward, and the gradients of the weights and
of the inputs. Cases take turns; the smallest of `--rounds` times counts. torch.nn joins when
torch is installed; its threads spin on after a call, so 0.3 s pass before the next case.
"""

import argparse
import importlib.util
import json
import os
import platform
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import rnnzoo

SHAPES = [(32, 100, 128, 256), (16, 200, 256, 512), (64, 100, 64, 128), (32, 50, 32, 64), (1, 500, 64, 256)]
SHAPES.append((128, 35, 200, 200))  # batch, time, input, units

OURS = {
    "lstm": rnnzoo.layers.LSTM,
    "lstm+recurrent_dropout": lambda units, **kw: rnnzoo.layers.LSTM(units, recurrent_dropout=0.2, **kw),
    "elman": rnnzoo.layers.ElmanRNN,
    "jordan": rnnzoo.layers.JordanRNN,
    "dampened": rnnzoo.layers.DampenedRNN,
}
KERAS = {
    "lstm": keras.layers.LSTM,
    "lstm+recurrent_dropout": lambda units, **kw: keras.layers.LSTM(units, recurrent_dropout=0.2, **kw),
    "elman": keras.layers.SimpleRNN,
    # no layer of Keras computes these: its loop runs our cell
    "jordan": lambda units, **kw: keras.layers.RNN(rnnzoo.cells.JordanCell(units), **kw),
    "dampened": lambda units, **kw: keras.layers.RNN(rnnzoo.cells.DampenedCell(units), **kw),
}


def tensorflow_case(make, shape, jit, train):
    """A function that runs the layer once and waits for its result."""
    batch, steps, features, units = shape
    layer = make(units, return_sequences=True)
    x = tf.random.stateless_normal([batch, steps, features], [1, 2])
    layer.build(x.shape)
    weights = [v.value for v in layer.trainable_variables]

    @tf.function(jit_compile=jit)
    def forward(x):
        return layer(x, training=False)

    @tf.function(jit_compile=jit)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * y)
        return tape.gradient(loss, [*weights, x])

    return lambda: tf.nest.map_structure(lambda t: t.numpy(), step(x) if train else forward(x))


def torch_case(cell, shape, train):
    """The same by torch.nn, or None where it has no such layer."""
    if cell not in ("lstm", "elman") or importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    batch, steps, features, units = shape
    layer = (torch.nn.LSTM if cell == "lstm" else torch.nn.RNN)(features, units, batch_first=True)
    x = torch.randn(batch, steps, features, requires_grad=train)

    def step():
        y, _ = layer(x)
        layer.zero_grad()
        x.grad = None
        (y * y).sum().backward()

    def forward():
        with torch.no_grad():
            layer(x)

    return step if train else forward


def measure(cases, rounds):
    """The smallest time of each case in milliseconds, the cases taking turns."""
    best = dict.fromkeys(cases, float("inf"))
    for run in cases.values():
        run()
        run()
    for _ in range(rounds):
        for name, run in cases.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
            if name == "torch":
                time.sleep(0.3)
    return {name: 1e3 * seconds for name, seconds in best.items()}


def geometric_mean(values):
    return float(np.exp(np.mean(np.log(list(values)))))


def compare(cell, train, rounds):
    """Measures one cell at every shape and prints the table. Returns the rows."""
    rows = []
    print(f"\n{cell}, {'training step' if train else 'forward'}: ms, and ratio to keras in the plain graph")
    for shape in SHAPES:
        cases = {
            "keras": tensorflow_case(KERAS[cell], shape, False, train),
            "keras-xla": tensorflow_case(KERAS[cell], shape, True, train),
            "rnnzoo": tensorflow_case(OURS[cell], shape, False, train),
            "rnnzoo-xla": tensorflow_case(OURS[cell], shape, True, train),
        }
        if peer := torch_case(cell, shape, train):
            cases["torch"] = peer
        best = measure(cases, rounds)
        rows.append({"shape": shape, "ms": best})
        cells = "  ".join(f"{name} {ms:7.1f} ({ms / best['keras']:.2f})" for name, ms in best.items())
        print(f"{str(shape):22s} {cells}", flush=True)
    means = {n: geometric_mean(r["ms"][n] / r["ms"]["keras"] for r in rows) for n in rows[0]["ms"]}
    print("geometric mean         " + "  ".join(f"{name} {ratio:.2f}" for name, ratio in means.items()))
    if "torch" in means:
        print(
            f"over torch: plain {means['rnnzoo'] / means['torch']:.2f}, xla {means['rnnzoo-xla'] / means['torch']:.2f}"
        )
    return {"cell": cell, "train": train, "rows": rows, "geometric_means_over_keras": means}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=list(OURS), choices=list(OURS))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", choices=["train", "forward"])
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    passes = {"train": [True], "forward": [False]}.get(options.only, [True, False])
    tables = [compare(cell, train, options.rounds) for cell in options.cells for train in passes]
    if options.json:
        machine = {"cpu": platform.processor(), "cores": os.cpu_count(), "tensorflow": tf.__version__}
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "tables": tables}, file, indent=1)


if __name__ == "__main__":
    main()
