"""Speed of batched tree networks, compared with recursion node by node in one process.

    python benchmarks/trees.py [--rounds 5] [--what recursion linear] [--json FILE]

`recursion`: a training step (forward, loss at the root, gradients of all weights) of a binary Tree-LSTM over trees of
the shapes of sentences (random, 19 words) and of ListOps, against the same equations applied node by node in eager
TensorFlow, and in torch when it is installed. `linear`: microseconds a node of a training step from 1,000 nodes
to 1,000,000, in trees of 1,000 nodes, and for one chain of up to 100,000. The smallest of `--rounds` times counts.
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
from rnnzoo.data import listops
from rnnzoo.data.trees import tree_structure

BATCHES = (25, 256)
KINDS = {"sentences": 150, "listops": 48}  # units of the published networks


def sample_binary_tree(rng, leaves):
    """Samples a binary tree; returns the children of each node."""
    children, roots = [()] * leaves, list(range(leaves))
    while len(roots) > 1:
        i = int(rng.integers(len(roots) - 1))
        children.append((roots[i], roots[i + 1]))
        roots[i : i + 2] = [len(children) - 1]
    return children


def sample_trees(kind, batch):
    rng = np.random.default_rng(0)
    if kind == "sentences":
        return [sample_binary_tree(rng, 19) for _ in range(batch)]
    return [tree.children for tree, _ in listops.generate_expressions(rng, batch, 200, set()).values()]


def stack_structures(trees):
    structures = np.zeros((len(trees), max(map(len, trees)), 3), "int32")
    for row, tree in enumerate(trees):
        structures[row, : len(tree)] = tree_structure(tree)
    return structures


def rnnzoo_case(trees, inputs, units):
    """Returns a recursive layer, and a function that runs a training step of it."""
    layer = rnnzoo.layers.Recursive(rnnzoo.compositions.BinaryTreeLSTM(units))
    inputs, arrays = tf.constant(inputs), tf.constant(stack_structures(trees))
    layer(inputs[:1], arrays[:1])
    weights = [v.value for v in layer.trainable_variables]

    @tf.function
    def step(inputs, arrays):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(layer(inputs, arrays) ** 2)
        return [loss, *tape.gradient(loss, weights)]

    return layer, lambda: [t.numpy() for t in step(inputs, arrays)]


def eager_case(trees, inputs, layer):
    """Returns a training step in eager TensorFlow, node by node, with the same weights."""
    W, U, b = weights = [v.value for v in layer.trainable_variables]
    units, zeros = layer.composition.units, tf.zeros([1, layer.composition.units])

    def node(x, children):
        x_f, x_i, x_u, x_o = tf.split(x @ W + b, 4, 1)
        (h_1, c_1), (h_2, c_2) = children or [(zeros, zeros)] * 2
        r = tf.concat([h_1, h_2], 1) @ U
        i, u, o = (r[:, k * units : (k + 1) * units] for k in range(3))
        f_1, f_2 = tf.sigmoid(x_f + r[:, 3 * units : 4 * units]), tf.sigmoid(x_f + r[:, 4 * units :])
        c = tf.sigmoid(x_i + i) * tf.tanh(x_u + u) + f_1 * c_1 + f_2 * c_2
        return tf.sigmoid(x_o + o) * tf.tanh(c), c

    def step():
        with tf.GradientTape() as tape:
            tape.watch(weights)
            roots = []
            for x, tree in zip(inputs, trees, strict=True):
                states = []
                for row, children in zip(x, tree, strict=False):
                    states.append(node(row[None], [states[k] for k in children]))
                roots.append(states[-1][0])
            loss = tf.reduce_mean(tf.concat(roots, 0) ** 2)
        return [loss.numpy(), *(g.numpy() for g in tape.gradient(loss, weights))]

    return step


def torch_case(trees, inputs, layer):
    """Returns the same for torch, or None if it is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    W, U, b = weights = [torch.tensor(np.asarray(v), requires_grad=True) for v in layer.trainable_variables]
    units = layer.composition.units
    zeros, inputs = torch.zeros(1, units), torch.from_numpy(inputs)

    def node(x, children):
        x_f, x_i, x_u, x_o = torch.addmm(b, x, W).chunk(4, 1)
        (h_1, c_1), (h_2, c_2) = children or [(zeros, zeros)] * 2
        i, u, o, f_1, f_2 = (torch.cat([h_1, h_2], 1) @ U).split(units, 1)
        c = torch.sigmoid(x_i + i) * torch.tanh(x_u + u)
        c = c + torch.sigmoid(x_f + f_1) * c_1 + torch.sigmoid(x_f + f_2) * c_2
        return torch.sigmoid(x_o + o) * torch.tanh(c), c

    def step():
        for weight in weights:
            weight.grad = None
        roots = []
        for x, tree in zip(inputs, trees, strict=True):
            states = []
            for row, children in zip(x, tree, strict=False):
                states.append(node(row[None], [states[k] for k in children]))
            roots.append(states[-1][0])
        loss = (torch.cat(roots) ** 2).mean()
        loss.backward()
        return [loss.detach().numpy(), *(weight.grad.numpy() for weight in weights)]

    return step


def recursion(rounds):
    rows = []
    print("training step: ms, and ratio to rnnzoo")
    for kind, units in KINDS.items():
        for batch in BATCHES:
            trees = sample_trees(kind, batch)
            max_nodes = max(map(len, trees))
            inputs = np.random.default_rng(1).normal(size=(batch, max_nodes, units)).astype("float32")
            inputs[np.arange(max_nodes) >= np.array([len(tree) for tree in trees])[:, None]] = 0
            keras.utils.set_random_seed(0)
            layer, step = rnnzoo_case(trees, inputs, units)
            cases = {"rnnzoo": step, "eager": eager_case(trees, inputs, layer)}
            if peer := torch_case(trees, inputs, layer):
                cases["torch"] = peer
            for other in list(cases.values())[1:]:
                for a, b in zip(step(), other(), strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
            best = measure(cases, rounds)
            rows.append({"kind": kind, "batch": batch, "nodes": sum(map(len, trees)), "ms": best})
            shown = "  ".join(f"{name} {ms:8.1f} ({ms / best['rnnzoo']:.1f})" for name, ms in best.items())
            print(f"{kind:10s} batch {batch:4d}, {sum(map(len, trees)):7,} nodes  {shown}", flush=True)
    for name in ("eager", "torch"):
        if all(name in row["ms"] for row in rows):
            print(f"geometric mean {name}: {geometric_mean(r['ms'][name] / r['ms']['rnnzoo'] for r in rows):.1f}")
    return rows


def linear(rounds):
    rows, rng = [], np.random.default_rng(0)
    print("training step, 16 units: microseconds a node")
    chain = [()] + [part for i in range(50_000) for part in ((), (2 * i, 2 * i + 1))]
    cases = {
        f"{n:9,} nodes in trees": [sample_binary_tree(rng, 500) for _ in range(n // 1000)]
        for n in (1000, 10**4, 10**5, 10**6)
    }
    cases |= {f"{n:9,} nodes in a chain": [chain[:n]] for n in (1001, 10_001, 100_001)}
    for name, trees in cases.items():
        inputs = rng.normal(size=(len(trees), max(map(len, trees)), 16)).astype("float32")
        best = measure({name: rnnzoo_case(trees, inputs, 16)[1]}, rounds)[name]
        each = 1000 * best / sum(map(len, trees))
        rows.append({"case": name, "ms": best, "us_per_node": each})
        print(f"{name}: {best:10.1f} ms, {each:6.2f} us a node", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--what", nargs="+", default=["recursion", "linear"], choices=["recursion", "linear"])
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    results = {what: {"recursion": recursion, "linear": linear}[what](options.rounds) for what in options.what}
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
