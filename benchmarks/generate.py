"""Text generation by one call of an exported graph, against a loop over Keras's layers in a `tf.function`.

    python benchmarks/generate.py [--length 1000] [--rounds 10] [--calls 200]

Both generate the whole text in one graph and keep the state of the LSTM between time steps. They take turns. Prints
the smallest wall times with their CPU times, their ratios, and the growth of memory over many calls.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

import rnnzoo
from rnnzoo.spec import SPECIAL_TOKENS, UNKNOWN


def resident():
    """Returns the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def keras_generate(spec, units, embedding_size, length):
    """Returns a function that generates text by Keras's layers of the same sizes, and reads and decodes it as text."""
    embedding = keras.layers.Embedding(spec.input_size, embedding_size)
    cell, head = keras.layers.LSTMCell(units), keras.layers.Dense(spec.output_size)
    vocabulary = tf.constant(spec.vocabulary)
    lookup = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(vocabulary, tf.range(len(spec.vocabulary))), UNKNOWN
    )
    head(cell(embedding(tf.constant([1])), cell.get_initial_state(1))[0])

    @tf.function
    def generate(prompt):
        ids = lookup[tf.strings.unicode_split(prompt, "UTF-8")]
        state = cell.get_initial_state(1)
        for token in ids[:-1]:
            _, state = cell(embedding(token[None]), state)
        token, tokens = tf.reshape(ids[-1], [1]), tf.TensorArray(tf.int32, length)
        for i in tf.range(length):
            h, state = cell(embedding(token), state)
            token = tf.random.categorical(head(h)[:, len(SPECIAL_TOKENS) :], 1, tf.int32)[0] + len(SPECIAL_TOKENS)
            tokens = tokens.write(i, token[0])
        return tf.strings.reduce_join(tf.gather(vocabulary, tokens.stack()))

    return lambda: generate(tf.constant("def "))


def measure(cases, rounds):
    """Returns the smallest `(wall, CPU)` time of each case in seconds; the cases take turns."""
    times = {name: [] for name in cases}
    for round_number in range(rounds + 1):
        for name, run in cases.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            if round_number:  # the first one traces the graph
                times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: min(values) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=200)
    options = parser.parse_args()
    task = rnnzoo.create_task("char_lm", data_size=200_000)
    model = rnnzoo.create_model("lstm", task.spec)
    sizes = model.get_config()["options"]
    with tempfile.TemporaryDirectory() as folder:
        signatures = tf.saved_model.load(str(rnnzoo.export_saved_model(model, f"{folder}/lm"))).signatures

    def generate(length, seed=1):
        numbers = {"length": length, "temperature": 1.0, "top_k": 0, "seed": seed}
        arguments = {name: tf.constant([value]) for name, value in numbers.items()}
        return signatures["generate"](prompt=tf.constant(["def "]), **arguments)["text"].numpy()

    peer = keras_generate(task.spec, sizes["units"], sizes["embedding"], options.length)
    times = measure({"rnnzoo": lambda: generate(options.length), "keras": lambda: peer().numpy()}, options.rounds)
    for name, (wall, cpu) in times.items():
        ratios = ", ".join(f"{a / b:.2f}" for a, b in zip((wall, cpu), times["keras"], strict=True))
        print(f"{name}: {options.length} characters in {wall:.3f} s, CPU {cpu:.3f} s; ratios to keras {ratios}")
    for i in range(20):
        generate(100, i)
    before = resident()
    for i in range(options.calls):
        generate(100, i)
    print(f"{options.calls} calls: memory {before:.0f} MiB before, {resident():.0f} MiB after")


if __name__ == "__main__":
    main()
