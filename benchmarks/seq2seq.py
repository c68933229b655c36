"""Speed of encoder-decoders, compared with Keras and torch in one process.

    python benchmarks/seq2seq.py [--rounds 10] [--what train decode] [--json FILE]

`train`: a training step (forward, loss, gradients of all weights) of an LSTM encoder, an LSTM decoder and
attention, against the same network of keras.layers.LSTM and keras.layers.Attention (dot) or AdditiveAttention,
and of torch.nn (dot) when torch is installed. `decode`: greedy decoding of all time steps against the same loop over
Keras's layers in a `tf.function`, both with the states kept between steps; beam search of 4 against greedy. The cases
take turns; the smallest of `--rounds` times counts.
"""

import argparse
import importlib.util
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from layers import geometric_mean, measure

import rnnzoo
from rnnzoo.spec import BOS, EOS, SPECIAL_TOKENS

SHAPES = [
    (64, 20, 20, 1000, 256),
    (128, 10, 10, 40, 128),
    (32, 40, 40, 4000, 256),
]  # batch, source time steps, target time steps, vocabulary size, units
SCORES = ("dot", "additive")


def spec_for(source_length, length, size):
    vocabulary = (*SPECIAL_TOKENS, *map(str, range(size - len(SPECIAL_TOKENS))))
    return rnnzoo.TaskSpec(
        inputs="pair",
        outputs="token",
        per_step=True,
        input_size=size,
        output_size=size,
        loss="cross_entropy",
        metrics=("error_rate",),
        vocabulary=vocabulary,
        level="word",
        source="tokens",
        source_vocabulary=vocabulary,
        source_level="word",
        output_length=length,
    )


def data_for(batch, source_length, length, size):
    """Returns sources of several lengths, decoder inputs and targets."""
    rng = np.random.default_rng(0)
    source = rng.integers(len(SPECIAL_TOKENS), size, (batch, source_length)).astype("int32")
    lengths = rng.integers(source_length // 2, source_length + 1, batch)
    source[np.arange(source_length) >= lengths[:, None]] = 0
    target = rng.integers(len(SPECIAL_TOKENS), size, (batch, length)).astype("int32")
    previous = np.concatenate([np.full((batch, 1), BOS, "int32"), target[:, :-1]], 1)
    return source, previous, target


def rnnzoo_model(shape, score):
    _, source_length, length, size, units = shape
    spec = spec_for(source_length, length, size)
    return rnnzoo.create_model("seq2seq", spec, units=units, embedding=units, attention=score)


class KerasModel:
    """The same network of Keras's layers."""

    def __init__(self, shape, score):
        *_, size, units = shape
        self.source = keras.layers.Embedding(size, units)
        self.target = keras.layers.Embedding(size, units)
        self.encoder = keras.layers.LSTM(units, return_sequences=True, return_state=True)
        self.decoder = keras.layers.LSTM(units, return_sequences=True)
        additive = score == "additive"  # AdditiveAttention has no weight matrices
        self.query = keras.layers.Dense(units, use_bias=False) if additive else keras.layers.Identity()
        self.key = keras.layers.Dense(units, use_bias=False) if additive else keras.layers.Identity()
        self.attention = keras.layers.AdditiveAttention() if additive else keras.layers.Attention()
        self.combine = keras.layers.Dense(units, "tanh", use_bias=False)
        self.head = keras.layers.Dense(size)
        inputs = [keras.Input([None], dtype="int32") for _ in range(2)]
        self.model = keras.Model(inputs, self.logits(*inputs))

    def attend(self, h, memory, key, mask):
        c = self.attention([self.query(h), memory, key], mask=[None, mask])
        return self.head(self.combine(keras.ops.concatenate([c, h], -1)))

    def logits(self, source, previous):
        """Teacher forcing: the logits of all time steps."""
        mask = keras.ops.not_equal(source, 0)
        memory, *state = self.encoder(self.source(source), mask=mask)
        h = self.decoder(self.target(previous), initial_state=state)
        return self.attend(h, memory, self.key(memory), mask)

    def greedy(self, source, length):
        """Greedy decoding, with the states and the projected memory kept between time steps."""
        mask = source != 0
        memory, *state = self.encoder(self.source(source), mask=mask)
        key, token = self.key(memory), tf.fill([source.shape[0]], BOS)
        tokens = tf.TensorArray(tf.int32, length)
        for i in tf.range(length):
            h, state = self.decoder.cell(self.target(token), state)
            logits = self.attend(h[:, None], memory, key, mask)
            token = tf.argmax(logits[:, 0], -1, tf.int32)
            tokens = tokens.write(i, token)
        return tokens.stack()


def training_case(model, data, jit):
    source, previous, target = map(tf.constant, data)
    weights = [v.value for v in model.trainable_variables]

    @tf.function(jit_compile=jit)
    def step():
        with tf.GradientTape() as tape:
            logits = model([source, previous], training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits))
        return [loss, *(tf.convert_to_tensor(g) for g in tape.gradient(loss, weights))]

    return lambda: [t.numpy() for t in step()]


def torch_case(shape, data):
    """Returns a training step of the same network in torch, with dot attention, or None without torch."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    *_, size, units = shape
    layers = torch.nn.ModuleDict(
        {
            "source": torch.nn.Embedding(size, units),
            "target": torch.nn.Embedding(size, units),
            "encoder": torch.nn.LSTM(units, units, batch_first=True),
            "decoder": torch.nn.LSTM(units, units, batch_first=True),
            "combine": torch.nn.Linear(2 * units, units, bias=False),
            "head": torch.nn.Linear(units, size),
        }
    )
    source, previous, target = (torch.from_numpy(a).long() for a in data)
    lengths = (source != 0).sum(1)

    def step():
        layers.zero_grad()
        packed = torch.nn.utils.rnn.pack_padded_sequence(layers["source"](source), lengths, True, False)
        memory, state = layers["encoder"](packed)
        memory, _ = torch.nn.utils.rnn.pad_packed_sequence(memory, True, total_length=source.shape[1])
        h, _ = layers["decoder"](layers["target"](previous), state)
        e = (h @ memory.transpose(1, 2)).masked_fill((source == 0)[:, None], -1e30)
        y = torch.tanh(layers["combine"](torch.cat([torch.softmax(e, -1) @ memory, h], -1)))
        torch.nn.functional.cross_entropy(layers["head"](y).flatten(0, 1), target.flatten()).backward()

    return step


def train(rounds):
    rows = []
    print("training step: ms, and ratio to Keras's layers in the plain graph")
    for score in SCORES:
        for shape in SHAPES:
            data = data_for(*shape[:4])
            cases = {}
            models = {"keras": KerasModel(shape, score).model, "rnnzoo": rnnzoo_model(shape, score)}
            for name, model in models.items():
                cases |= {name: training_case(model, data, False), f"{name}-xla": training_case(model, data, True)}
            if score == "dot" and (peer := torch_case(shape, data)):
                cases["torch"] = peer
            best = measure(cases, rounds)
            rows.append({"score": score, "shape": shape, "ms": best})
            shown = "  ".join(f"{name} {ms:7.1f} ({ms / best['keras']:.2f})" for name, ms in best.items())
            print(f"{score:9s}{shape!s:26s} {shown}", flush=True)
    for name in ("keras-xla", "rnnzoo", "rnnzoo-xla"):
        print(f"geometric mean {name}: {geometric_mean(r['ms'][name] / r['ms']['keras'] for r in rows):.2f}")
    if any("torch" in r["ms"] for r in rows):
        with_torch = [r for r in rows if "torch" in r["ms"]]
        for name in ("rnnzoo", "rnnzoo-xla"):
            print(f"over torch, {name}: {geometric_mean(r['ms'][name] / r['ms']['torch'] for r in with_torch):.2f}")
    return rows


def decode(rounds):
    rows = []
    print("decoding: ms, and ratio to greedy decoding")
    for shape in SHAPES:
        _, _, length, size, _ = shape
        source = tf.constant(data_for(*shape[:4])[0])
        model, peer = rnnzoo_model(shape, "additive"), KerasModel(shape, "additive")
        # EOS is never the most probable token, so that all outputs have the same length
        model.head.bias.assign(tf.one_hot(EOS, size) * -1e9)
        functions = {
            "greedy": tf.function(lambda m=model, s=source: m.greedy(s)[0]),
            "beam 4": tf.function(lambda m=model, s=source: m.beam_search(s, 4)[0]),
            "keras": tf.function(lambda m=peer, s=source, n=length: m.greedy(s, n)),
        }
        best = measure({name: lambda f=function: f().numpy() for name, function in functions.items()}, rounds)
        rows.append({"shape": shape, "ms": best})
        shown = "  ".join(f"{name} {ms:8.1f} ({ms / best['greedy']:.2f})" for name, ms in best.items())
        print(f"{shape!s:26s} {shown}", flush=True)
    for name in ("beam 4", "keras"):
        print(f"geometric mean {name}: {geometric_mean(r['ms'][name] / r['ms']['greedy'] for r in rows):.2f}")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--what", nargs="+", default=["train", "decode"], choices=["train", "decode"])
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    results = {what: {"train": train, "decode": decode}[what](options.rounds) for what in options.what}
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
