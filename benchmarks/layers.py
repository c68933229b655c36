"""Speed of the layers, compared with Keras and torch in one process.

    python benchmarks/layers.py [--cells lstm elman] [--what train forward fit] [--rounds 10] [--json FILE]
                                [--cases keras rnnzoo torch]

Each case is the forward pass, or a training step: forward, and the gradients of the weights and
of the inputs. Cases take turns; the smallest of `--rounds` times counts, of wall time and of CPU
time. "rnnzoo" is the plain graph, with native kernels where they serve the cell; "rnnzoo-graph"
is the plain graph without them. torch.nn joins when torch is installed; its threads spin on after
a call, so 0.3 s pass before the next case.
"""

import argparse
import contextlib
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
    "two layers of lstm": lambda units, return_sequences: rnnzoo.layers.Stack(
        [rnnzoo.layers.LSTM(units), rnnzoo.layers.LSTM(units)], return_sequences=return_sequences
    ),
    "gru": rnnzoo.layers.GRU,
    "elman": rnnzoo.layers.ElmanRNN,
    "jordan": rnnzoo.layers.JordanRNN,
    "dampened": rnnzoo.layers.DampenedRNN,
    "indrnn": rnnzoo.layers.IndRNN,
    "peephole lstm": rnnzoo.layers.PeepholeLSTM,
    "layer-normalized lstm": rnnzoo.layers.LayerNormLSTM,
}
KERAS = {
    "lstm": keras.layers.LSTM,
    "lstm+recurrent_dropout": lambda units, **kw: keras.layers.LSTM(units, recurrent_dropout=0.2, **kw),
    "bidirectional lstm": lambda units, **kw: keras.layers.Bidirectional(keras.layers.LSTM(units, **kw)),
    "two layers of lstm": lambda units, return_sequences: keras.Sequential(
        [keras.layers.LSTM(units, return_sequences=True), keras.layers.LSTM(units, return_sequences=return_sequences)]
    ),
    "gru": keras.layers.GRU,
    "elman": keras.layers.SimpleRNN,
    # Keras has no such layer: its loop runs rnnzoo's cell
    "jordan": lambda units, **kw: keras.layers.RNN(rnnzoo.cells.JordanCell(units), **kw),
    "dampened": lambda units, **kw: keras.layers.RNN(rnnzoo.cells.DampenedCell(units), **kw),
    "indrnn": lambda units, **kw: keras.layers.RNN(rnnzoo.cells.IndRNNCell(units), **kw),
    "peephole lstm": lambda units, **kw: keras.layers.RNN(rnnzoo.cells.PeepholeLSTMCell(units), **kw),
    "layer-normalized lstm": lambda units, **kw: keras.layers.RNN(rnnzoo.cells.LayerNormLSTMCell(units), **kw),
}
TURN = 3  # runs of a case in each of its turns: the first one finds cold caches and sleeping threads
SHORT = 3.0  # seconds of more rounds for small shapes, whose times vary more
CASES = ("keras", "keras-xla", "rnnzoo", "rnnzoo-graph", "rnnzoo-xla", "torch")


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

    return lambda: tf.nest.map_structure(memoryview, step(x) if train else forward(x))  # waits, and copies nothing


def torch_case(cell, shape, train):
    """Returns the same for torch.nn, or None if torch is not installed or has no such layer."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    peers = {"gru": torch.nn.GRU, "elman": torch.nn.RNN}
    peers |= dict.fromkeys(("lstm", "bidirectional lstm", "two layers of lstm"), torch.nn.LSTM)
    if cell not in peers:
        return None

    torch.set_num_threads(os.cpu_count() or 1)
    batch, steps, features, units = shape
    options = {"bidirectional": cell.startswith("bidirectional"), "num_layers": 1 + cell.startswith("two")}
    layer = peers[cell](features, units, batch_first=True, **options)
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


def layer_cases(cell, shape, what, names):
    """Returns the named cases of one cell and one shape; `what` is "train", "forward" or "fit"."""
    cases = {}
    for name in names:
        if name == "torch":
            if what != "fit" and (peer := torch_case(cell, shape, what == "train")):
                cases[name] = peer
            continue
        package, _, engine = name.partition("-")
        make, jit = (KERAS if package == "keras" else RNNZOO)[cell], engine == "xla"
        run = fit_case(make, shape, jit) if what == "fit" else tensorflow_case(make, shape, jit, what == "train")
        with engine_of(engine):
            run()  # traces
        cases[name] = run
    return cases


@contextlib.contextmanager
def engine_of(name):
    """Context in which layers are traced without native kernels, for "graph"."""
    before = os.environ.get("RNNZOO_NATIVE")
    os.environ["RNNZOO_NATIVE"] = "0" if name == "graph" else before or "1"
    yield
    os.environ["RNNZOO_NATIVE"] = before or "1"


def measure(cases, rounds):
    """Returns the smallest wall and CPU time of each case in milliseconds; the cases take turns."""
    best = {name: [float("inf")] * 2 for name in cases}
    start = time.perf_counter()
    for run in cases.values():
        run()
        run()
    once = (time.perf_counter() - start) / 2
    for _ in range(max(rounds, min(4 * rounds, int(SHORT / once)))):
        for name, run in cases.items():
            for _ in range(TURN):
                wall, cpu = time.perf_counter(), time.process_time()
                run()
                times = time.perf_counter() - wall, time.process_time() - cpu
                best[name] = [min(pair) for pair in zip(best[name], times, strict=True)]
            if name == "torch":
                time.sleep(0.3)
    return tuple({name: 1e3 * seconds[i] for name, seconds in best.items()} for i in range(2))


def geometric_mean(values):
    return float(np.exp(np.mean(np.log(list(values)))))


def compare(cell, what, names, rounds):
    """Measures one cell at every shape and prints the table. Returns the rows."""
    rows = []
    print(f"\n{cell}, {TITLES[what]}: wall ms; wall and CPU time of rnnzoo over each")
    for shape in SHAPES:
        wall, cpu = measure(layer_cases(cell, shape, what, names), rounds)
        rows.append({"shape": shape, "ms": wall, "cpu_ms": cpu})
        cells = (f"{n} {ms:7.2f} ({wall['rnnzoo'] / ms:.2f} {cpu['rnnzoo'] / cpu[n]:.2f})" for n, ms in wall.items())
        print(f"{shape!s:22s} {'  '.join(cells)}", flush=True)
    means = {}
    for key in ("ms", "cpu_ms"):
        means[key] = {n: geometric_mean(r[key]["rnnzoo"] / r[key][n] for r in rows) for n in rows[0][key]}
    both = (f"{name} {ratio:.2f} {means['cpu_ms'][name]:.2f}" for name, ratio in means["ms"].items())
    print(f"geometric means of rnnzoo over each, wall and CPU: {'  '.join(both)}", flush=True)
    return {"cell": cell, "what": what, "rows": rows, "geometric_means_of_rnnzoo_over": means}


TITLES = {"train": "training step", "forward": "forward", "fit": "ten steps of model.fit"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=list(RNNZOO), choices=list(RNNZOO))
    parser.add_argument("--what", nargs="+", default=["train", "forward"], choices=list(TITLES))
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), help="must hold rnnzoo")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    tables = [compare(cell, what, options.cases, options.rounds) for cell in options.cells for what in options.what]
    if options.json:
        machine = {"cpu": platform.processor(), "cores": os.cpu_count(), "tensorflow": tf.__version__}
        text = json.dumps({"machine": machine, "tables": tables}, indent=1)
        pathlib.Path(options.json).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
