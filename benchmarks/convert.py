"""Converted models against their SavedModels: size, largest difference, and time of a step, all with one thread.

    python benchmarks/convert.py [--formats onnx litert openvino] [--rounds 7]

Each model is untrained, which changes neither its size nor its time. A call of `step` or `decode_step` is one step for
one row; of `serving_default` it is a whole sequence of 50 steps (or a tree of 49 nodes), divided by their number. The
time is the least of all rounds, in which the formats take turns.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import rnnzoo
from rnnzoo.conversion import convert_export
from rnnzoo.conversion.files import silent_output
from rnnzoo.conversion.formats import FORMATS
from rnnzoo.conversion.numeric import NEXT, make_numeric_signatures
from rnnzoo.export.saved_model import make_serving
from rnnzoo.spec import SPECIAL_TOKENS

CHARACTERS = (*SPECIAL_TOKENS, *map(chr, range(33, 130)))
N, TIME, LEAVES = len(CHARACTERS), 50, 25
TEXT = rnnzoo.TaskSpec("tokens", "token", True, N, N, "cross_entropy", ("bits_per_char",), CHARACTERS)
TAGS = rnnzoo.TaskSpec("tokens", "class", True, N, 5, "cross_entropy", ("accuracy",), CHARACTERS, labels=(*"abcde",))
SERIES = rnnzoo.TaskSpec("features", "class", False, 3, 5, "cross_entropy", ("accuracy",), labels=(*"abcde",))
SCALE = {"input_scale": ((0.0,), (1.0,)), "output_scale": ((0.0,) * 10, (1.0,) * 10)}
FORECAST = rnnzoo.TaskSpec("features", "vector", False, 1, 10, "mse", ("mse",), **SCALE)
PAIRS = rnnzoo.TaskSpec(
    "pair", "token", True, N, N, "cross_entropy", ("loss",), CHARACTERS, source="tokens", source_vocabulary=CHARACTERS,
    output_length=TIME,
)  # fmt: skip
TREES = rnnzoo.TaskSpec(
    "tree", "class", False, N, 5, "cross_entropy", ("loss",), CHARACTERS, "token", (*"abcde",), arity=2
)
MODELS = {
    "language model, LSTM 256": ("lstm", TEXT, {"units": 256, "embedding": 64}, "step"),
    "tagger, bidirectional LSTM 100, CRF": ("bidirectional", TAGS, {"units": 100, "crf": True}, "serving_default"),
    "series, GRU 64": ("gru", SERIES, {"units": 64}, "serving_default"),
    "forecast, LSTM 32": ("lstm", FORECAST, {"units": 32}, "serving_default"),
    "encoder-decoder, GRU 128, attention": ("seq2seq", PAIRS, {"cell": "gru", "units": 128}, "decode_step"),
    "trees, binary LSTM 128": ("recursive", TREES, {"units": 128}, "serving_default"),
}
MODELS["encoder-decoder, GRU 128, attention"][2]["attention"] = "additive"


def example(model, serving, signature):
    """Inputs of one row by name, and the number of steps in them."""
    rng = np.random.default_rng(0)
    if model.spec.inputs == "tree":
        nodes = 2 * LEAVES - 1
        parent, child, level = (np.zeros([1, nodes], "int32") for _ in range(3))
        level[0, 0] = 1
        for i in range(1, LEAVES):  # node 2i - 1 is a leaf, node 2i joins it with the tree so far
            level[0, 2 * i - 1], level[0, 2 * i] = 1, i + 1
            parent[0, 2 * i - 1], parent[0, 2 * i - 2], child[0, 2 * i - 1] = 2 * i + 1, 2 * i + 1, 1
        ids = np.where(level == 1, rng.integers(3, N, level.shape), 0).astype("int32")
        return {"ids": ids, "parent": parent, "child_index": child, "level": level}, nodes
    if signature == "serving_default":
        if model.spec.inputs == "tokens":
            return {"ids": rng.integers(3, N, (1, TIME)).astype("int32")}, TIME
        return {"features": rng.normal(size=(1, TIME, model.spec.input_size)).astype("float32")}, TIME
    if signature == "step":
        states = {f"state_{i}": np.array(state) for i, state in enumerate(model.initial_state(1))}
        return {"inputs": np.array([5], "int32"), **states}, 1
    encode = make_numeric_signatures(serving)["encode"].trace(False)
    start = encode(tf.constant(rng.integers(3, N, (1, TIME)).astype("int32")))
    return {"inputs": np.array([5], "int32"), **{name.removeprefix(NEXT): v.numpy() for name, v in start.items()}}, 1


def milliseconds(call, least=0.1):
    """Milliseconds of a call: of as many calls as take at least `least` seconds."""
    call()
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < least:
        call()
        count += 1
    return (time.perf_counter() - started) / count * 1000


def measure(name, folder, formats, rounds):
    """Prints the rows of one model."""
    model_name, spec, options, signature = MODELS[name]
    model = rnnzoo.create_model(model_name, spec, **options)
    serving, path = make_serving(model), rnnzoo.export_saved_model(model, folder / "export")
    given, steps = example(model, serving, signature)
    tensors = [tf.constant(value) for value in given.values()]
    numeric = make_numeric_signatures(serving)[signature]
    function = numeric.trace(False).get_concrete_function()
    calls, sizes, differences = {"SavedModel": lambda: function(*tensors)}, {}, {}
    sizes["SavedModel"] = [sum(f.stat().st_size for f in path.rglob("*") if f.is_file())]
    for target in formats:
        out = folder / target / f"model{FORMATS[target].suffix}"
        (file,) = convert_export(path, target, out, signatures=[signature]).files
        sizes[target], differences[target] = [file.size], file.difference
        for quantize in ("float16", "int8"):
            smaller = folder / f"{target}-{quantize}" / out.name
            smaller.parent.mkdir()
            with silent_output():
                FORMATS[target].write(numeric, smaller, quantize)
            files = (smaller.with_suffix(suffix) for suffix in {smaller.suffix, ".bin"})
            sizes[target].append(sum(f.stat().st_size for f in files if f.is_file()))
        run = FORMATS[target].load(out, threads=1)
        calls[target] = lambda run=run: run(given)
    times = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            times[key].append(milliseconds(call) / steps)
    for key in calls:
        least = min(times[key])
        ratio = least / min(times["SavedModel"])
        size = " / ".join(f"{value / 1024:.0f}" for value in sizes[key])
        difference = f"{differences[key]:.0e}" if key in differences else ""
        print(
            f"| {name}, `{signature}` | {key} | {size} | {difference} | {least * 1000:.0f} | {ratio:.2f} |", flush=True
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=list(FORMATS))
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    print("| model, signature | format | KiB (float32 / float16 / int8) | difference | µs a step | of the SavedModel |")
    print("|---|---|---|---|---|---|")
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, Path(folder), arguments.formats, arguments.rounds)


if __name__ == "__main__":
    main()
