"""Encoder-decoders against their peers, in one process, interleaved.

    python benchmarks/seq2seq.py [--rounds 10] [--what train decode] [--json FILE]

`train`: a training step (forward, loss, gradients of all weights) of an LSTM encoder, an LSTM decoder and
attention, against the same network of keras.layers.LSTM and keras.layers.Attention (dot) or AdditiveAttention,
and of torch.nn (dot) when torch is installed. `decode`: greedy decoding in one graph call against a Python loop
over `model.predict_on_batch`, which writes symbol after symbol; beam search of 4 against greedy. Cases take
turns; the smallest of `--rounds` times counts.
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
from rnnzoo.spec import BOS, SPECIAL_TOKENS

SHAPES = [
    (64, 20, 20, 1000, 256),
    (128, 10, 10, 40, 128),
    (32, 40, 40, 4000, 256),
]  # batch, places, time, symbols, units
SCORES = ("dot", "additive")


def spec_for(places, length, symbols):
    known = (*SPECIAL_TOKENS, *map(str, range(symbols - len(SPECIAL_TOKENS))))
    return rnnzoo.TaskSpec(
        inputs="pair",
        outputs="token",
        per_step=True,
        input_size=symbols,
        output_size=symbols,
        loss="cross_entropy",
        metrics=("error_rate",),
        vocabulary=known,
        level="word",
        source="tokens",
        source_vocabulary=known,
        source_level="word",
        output_length=length,
    )


def data_for(batch, places, length, symbols):
    """Sources of several lengths, what was written before, and what is to be written."""
    rng = np.random.default_rng(0)
    source = rng.integers(len(SPECIAL_TOKENS), symbols, (batch, places)).astype("int32")
    source[np.arange(places) >= rng.integers(places // 2, places + 1, batch)[:, None]] = 0
    target = rng.integers(len(SPECIAL_TOKENS), symbols, (batch, length)).astype("int32")
    previous = np.concatenate([np.full((batch, 1), BOS, "int32"), target[:, :-1]], 1)
    return source, previous, target


def ours(shape, score):
    _, places, length, symbols, units = shape
    return rnnzoo.create_model(
        "seq2seq", spec_for(places, length, symbols), units=units, embedding=units, attention=score
    )


def of_keras(shape, score):
    """The same network of Keras's layers."""
    *_, symbols, units = shape
    source, previous = (keras.Input([None], dtype="int32") for _ in range(2))
    embedded = keras.layers.Embedding(symbols, units, mask_zero=True)(source)
    memory, *state = keras.layers.LSTM(units, return_sequences=True, return_state=True)(embedded)
    h = keras.layers.LSTM(units, return_sequences=True)(
        keras.layers.Embedding(symbols, units)(previous), initial_state=state
    )
    if score == "additive":  # which has no matrices of its own
        query, key = (keras.layers.Dense(units, use_bias=False)(t) for t in (h, memory))
        c = keras.layers.AdditiveAttention()([query, memory, key])
    else:
        c = keras.layers.Attention()([h, memory])
    y = keras.layers.Dense(units, "tanh", use_bias=False)(keras.layers.Concatenate()([c, h]))
    return keras.Model([source, previous], keras.layers.Dense(symbols)(y))


def training_case(model, data, jit):
    source, previous, target = map(tf.constant, data)
    weights = [v.value for v in model.trainable_variables]

    @tf.function(jit_compile=jit)
    def step():
        with tf.GradientTape() as tape:
            logits = model([source, previous], training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits))
        found = tape.gradient(loss, weights)
        return [loss, *(tf.convert_to_tensor(g) for g in found)]

    return lambda: [t.numpy() for t in step()]


def torch_case(shape, data):
    """The same network of torch.nn with dot attention, or None without torch."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    *_, symbols, units = shape
    layers = torch.nn.ModuleDict(
        {
            "source": torch.nn.Embedding(symbols, units),
            "target": torch.nn.Embedding(symbols, units),
            "encoder": torch.nn.LSTM(units, units, batch_first=True),
            "decoder": torch.nn.LSTM(units, units, batch_first=True),
            "combine": torch.nn.Linear(2 * units, units, bias=False),
            "head": torch.nn.Linear(units, symbols),
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
            for name, make in (("keras", of_keras), ("rnnzoo", ours)):
                model = make(shape, score)
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
    print("decoding: ms, and ratio to greedy in one graph call")
    for shape in SHAPES:
        batch, _, length, symbols, _ = shape
        source = data_for(*shape[:4])[0]
        model, peer = ours(shape, "additive"), of_keras(shape, "additive")
        # no end before the last step, so that all write as much
        model.head.bias.assign(tf.one_hot(BOS, symbols) * -1e9)
        given = tf.constant(source)
        greedy = tf.function(lambda m=model, g=given: m.greedy(g))
        beams = tf.function(lambda m=model, g=given: m.beam_search(g, 4))

        def loop(peer=peer, source=source, length=length, batch=batch):
            written = np.full((batch, 1), BOS, "int32")
            for _ in range(length):
                logits = peer.predict_on_batch([source, written])
                written = np.concatenate([written, logits[:, -1].argmax(-1)[:, None].astype("int32")], 1)

        cases = {"greedy": lambda f=greedy: f()[0].numpy(), "beam 4": lambda f=beams: f()[0].numpy(), "loop": loop}
        best = measure(cases, rounds)
        rows.append({"shape": shape, "ms": best})
        print(
            f"{shape!s:26s} " + "  ".join(f"{n} {ms:8.1f} ({ms / best['greedy']:.1f})" for n, ms in best.items()),
            flush=True,
        )
    for name in ("beam 4", "loop"):
        print(f"geometric mean {name}: {geometric_mean(r['ms'][name] / r['ms']['greedy'] for r in rows):.1f}")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--what", nargs="+", default=["train", "decode"], choices=["train", "decode"])
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    found = {what: {"train": train, "decode": decode}[what](options.rounds) for what in options.what}
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
