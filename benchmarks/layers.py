"""Speed of the layers, compared with Keras and torch in one process.

    python benchmarks/layers.py [--cells lstm elman] [--what train forward fit] [--rounds 10] [--json FILE]

Each case is the forward pass, or a training step: forward, and the gradients of the weights and
of the inputs. Cases take turns; the smallest of `--rounds` times counts. torch.nn joins when
torch is installed; its threads spin on after a call, so 0.3 s pass before the next case.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import platform
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import rnnzoo

SHAPES = [(32, 100, 128, 256), (16, 200, 256, 512), (64, 100, 64, 128), (32, 50, 32, 64), (1, 500, 64, 256)]
SHAPES.append((128, 35, 200, 200))  # batch, time, input, units

RNNZOO = {
    "lstm": rnnzoo.layers.LSTM,
    "lstm+recurrent_dropout": lambda units, **kw: rnnzoo.layers.LSTM(units, recurrent_dropout=0.2, **kw),
    "bidirectional lstm": lambda units, **kw: rnnzoo.layers.Bidirectional(rnnzoo.layers.LSTM(units, **kw)),
    "gru": rnnzoo.layers.GRU,
    "elman": rnnzoo.layers.ElmanRNN,
    "jordan": rnnzoo.layers.JordanRNN,
    "dampened": rnnzoo.layers.DampenedRNN,
}
KERAS = {
    "lstm": keras.layers.LSTM,
    "lstm+recurrent_dropout": lambda units, **kw: keras.layers.LSTM(units, recurrent_dropout=0.2, **kw),
    "bidirectional lstm": lambda units, **kw: keras.layers.Bidirectional(keras.layers.LSTM(units, **kw)),
    "gru": keras.layers.GRU,
    "elman": keras.layers.SimpleRNN,
    # Keras has no such layer: its loop runs rnnzoo's cell
    "jordan": lambda units, **kw: keras.layers.RNN(rnnzoo.cells.JordanCell(units), **kw),
    "dampened": lambda units, **kw: keras.layers.RNN(rnnzoo.cells.DampenedCell(units), **kw),
}


def tensorflow_case(make, shape, jit, train):
    """Returns a function that runs the layer once and waits for its result."""
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
    """Returns the same for torch.nn, or None if torch is not installed or has no such layer."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    peers = {"lstm": torch.nn.LSTM, "bidirectional lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "elman": torch.nn.RNN}
    if cell not in peers:
        return None

    torch.set_num_threads(os.cpu_count() or 1)
    batch, steps, features, units = shape
    layer = peers[cell](features, units, batch_first=True, bidirectional=cell.startswith("bidirectional"))
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


def fit_case(make, shape, jit):
    """Returns a function that runs `model.fit` over ten batches, with unknown batch and time dimensions."""
    batch, steps, features, units = shape
    model = keras.Sequential([keras.Input([None, features]), make(units), keras.layers.Dense(1)])
    model.compile("adam", "mse", jit_compile=jit)
    x = np.random.default_rng(0).normal(size=(batch * 10, steps, features)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, x[:, 0, :1])).batch(batch).cache()
    return lambda: model.fit(data, verbose=0)


def layer_cases(cell, shape, what):
    """Returns all cases of one cell and one shape; `what` is "train", "forward" or "fit"."""
    cases = {}
    for name, make in (("keras", KERAS[cell]), ("rnnzoo", RNNZOO[cell])):
        for suffix, jit in (("", False), ("-xla", True)):
            if what == "fit":
                cases[name + suffix] = fit_case(make, shape, jit)
            else:
                cases[name + suffix] = tensorflow_case(make, shape, jit, what == "train")
    if what != "fit" and cell == "lstm+recurrent_dropout":
        cases["rnnzoo without"] = tensorflow_case(RNNZOO["lstm"], shape, False, what == "train")
    if what != "fit" and (peer := torch_case(cell, shape, what == "train")):
        cases["torch"] = peer
    return cases


def measure(cases, rounds):
    """Returns the smallest time of each case in milliseconds; the cases take turns."""
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


def compare(cell, what, rounds):
    """Measures one cell at every shape and prints the table. Returns the rows."""
    rows = []
    print(f"\n{cell}, {TITLES[what]}: ms, and ratio to keras in the plain graph")
    for shape in SHAPES:
        best = measure(layer_cases(cell, shape, what), rounds)
        rows.append({"shape": shape, "ms": best})
        cells = "  ".join(f"{name} {ms:7.1f} ({ms / best['keras']:.2f})" for name, ms in best.items())
        print(f"{shape!s:22s} {cells}", flush=True)
    means = {n: geometric_mean(r["ms"][n] / r["ms"]["keras"] for r in rows) for n in rows[0]["ms"]}
    print("geometric mean         " + "  ".join(f"{name} {ratio:.2f}" for name, ratio in means.items()))
    if "torch" in means:
        plain, xla = (geometric_mean(r["ms"][n] / r["ms"]["torch"] for r in rows) for n in ("rnnzoo", "rnnzoo-xla"))
        print(f"over torch: plain {plain:.2f}, xla {xla:.2f}")
    return {"cell": cell, "what": what, "rows": rows, "geometric_means_over_keras": means}


TITLES = {"train": "training step", "forward": "forward", "fit": "ten steps of model.fit"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=list(RNNZOO), choices=list(RNNZOO))
    parser.add_argument("--what", nargs="+", default=["train", "forward"], choices=list(TITLES))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    tables = [compare(cell, what, options.rounds) for cell in options.cells for what in options.what]
    if options.json:
        machine = {"cpu": platform.processor(), "cores": os.cpu_count(), "tensorflow": tf.__version__}
        text = json.dumps({"machine": machine, "tables": tables}, indent=1)
        pathlib.Path(options.json).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
