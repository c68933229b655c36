"""Tree compositions against NumPy node by node, finite differences and one another."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnzoo
from rnnzoo.data.trees import parse_tree, tree_structure
from rnnzoo.layers import Recursive
from tests.helpers import assert_close, randomise

UNITS = 4
NAMES = rnnzoo.COMPOSITIONS.list()
UNORDERED = ("tree-gru", "tree-lstm-childsum")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def tree_rnn(p, x, c):
    return [np.tanh(np.concatenate(pad(c, 0, 2)) @ p["recurrent_kernel"] + p["bias"]) if c else x]


def rntn(p, x, c):
    if not c:
        return [x]
    ab = np.concatenate(pad(c, 0, 2))
    V = p["tensor"].reshape(2 * UNITS, UNITS, 2 * UNITS)
    bilinear = np.array([ab @ V[:, k] @ ab for k in range(UNITS)])
    return [np.tanh(bilinear + ab @ p["recurrent_kernel"] + p["bias"])]


def binary(p, x, c):
    x_f, x_i, x_u, x_o = np.split(x @ p["kernel"] + p["bias"], 4)
    U = np.split(p["recurrent_kernel"], 5, 1)
    h, c = np.concatenate(pad(c, 0, 2)), pad(c, 1, 2)
    i, u, o = sigmoid(x_i + h @ U[0]), np.tanh(x_u + h @ U[1]), sigmoid(x_o + h @ U[2])
    cell = i * u + sum(sigmoid(x_f + h @ U[3 + k]) * c[k] for k in range(2))
    return [o * np.tanh(cell), cell]


def childsum(p, x, c):
    x_f, x_i, x_u, x_o = np.split(x @ p["kernel"] + p["bias"], 4)
    U_f, U_i, U_u, U_o = np.split(p["recurrent_kernel"], 4, 1)
    h = sum((s[0] for s in c), np.zeros(UNITS))
    i, u, o = sigmoid(x_i + h @ U_i), np.tanh(x_u + h @ U_u), sigmoid(x_o + h @ U_o)
    cell = i * u + sum(sigmoid(x_f + s[0] @ U_f) * s[1] for s in c)
    return [o * np.tanh(cell), cell]


def gru(p, x, c):
    x_z, x_r, x_n = np.split(x @ p["kernel"] + p["bias"], 3)
    U_z, U_r, U_n = np.split(p["recurrent_kernel"], 3, 1)
    h = sum((s[0] for s in c), np.zeros(UNITS))
    z = sigmoid(x_z + h @ U_z)
    n = np.tanh(x_n + sum((sigmoid(x_r + s[0] @ U_r) * s[0] for s in c), np.zeros(UNITS)) @ U_n)
    return [z * h + (1 - z) * n]


def pad(children, which, arity):
    return [*(s[which] for s in children), *[np.zeros(UNITS)] * (arity - len(children))]


ORACLES = {
    "tree-rnn": tree_rnn,
    "rntn": rntn,
    "tree-lstm-binary": binary,
    "tree-lstm-childsum": childsum,
    "tree-gru": gru,
}


def by_hand(layer, x, children):
    """The output of every node, one after another."""
    weights = {w.name: np.asarray(w, "float64") for w in layer.composition.weights}
    name = next(n for n in NAMES if type(layer.composition) is rnnzoo.COMPOSITIONS[n])
    states = []
    for row, below in zip(np.asarray(x, "float64"), children, strict=True):
        states.append(ORACLES[name](weights, row, [states[i] for i in below]))
    return np.array([s[0] for s in states])


def random_tree(rng, nodes, arity):
    """Returns the children of each node of a random tree."""
    children, roots = [], []
    for _ in range(nodes):
        size = int(rng.integers(0, min(arity, len(roots)) + 1)) if roots else 0
        chosen = [roots.pop(int(rng.integers(len(roots)))) for _ in range(size)]
        children.append(tuple(chosen))
        roots.append(len(children) - 1)
    while len(roots) > 1:
        children.append(tuple(roots[:arity]))
        roots = [*roots[arity:], len(children) - 1]
    return children


def batch_of(trees, rng, dtype="float32", inside=True, places=None):
    """`(inputs, tree_structure)`, each tree's nodes shuffled and padded at random places."""
    places = places or max(map(len, trees)) + 3
    inputs = rng.normal(size=(len(trees), places, UNITS)).astype(dtype)
    arrays = np.zeros((len(trees), places, 3), "int32")
    where = []
    for row, tree in enumerate(trees):
        at = rng.permutation(places)[: len(tree)]
        s = tree_structure(tree)
        s[:, 0] = np.where(s[:, 0], at[s[:, 0] - 1] + 1, 0)
        arrays[row, at] = s
        where.append(at)
        if not inside:
            inputs[row][arrays[row, :, 2] > 1] = 0
    return inputs, arrays, where


def layer_for(name, outputs="nodes", dtype=None):
    layer = Recursive(rnnzoo.COMPOSITIONS[name](UNITS, dtype=dtype), outputs, dtype=dtype)
    layer.build((None, None, UNITS))
    randomise(layer)
    return layer


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_equals_numpy_node_by_node(name, seed, sizes):
    rng = np.random.default_rng(seed)
    trees = [random_tree(rng, size, 4 if name in UNORDERED else 2) for size in sizes]
    inputs, arrays, where = batch_of(trees, rng)
    layer = layer_for(name, "both")
    root, nodes = layer(inputs, arrays)
    for row, (tree, at) in enumerate(zip(trees, where, strict=True)):
        expected = by_hand(layer, inputs[row, at], tree)
        assert_close(nodes[row].numpy()[at], expected, 1e-5)
        assert_close(root[row], expected[-1], 1e-5)
        padding = np.setdiff1d(np.arange(nodes.shape[1]), at)
        assert not nodes[row].numpy()[padding].any()


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("name", NAMES)
def test_gradient_equals_finite_differences(name, graph):
    """Gradients of inputs and weights in float64, for a loss on all nodes and the root; zero at padding."""
    rng = np.random.default_rng(1)
    trees = [random_tree(rng, size, 2) for size in (1, 6, 9)]
    inputs, arrays, where = batch_of(trees, rng, "float64")
    layer = layer_for(name, "both", "float64")
    at_root, at_nodes = rng.normal(size=(3, UNITS)), rng.normal(size=(*inputs.shape[:2], UNITS))

    def loss(x):
        root, nodes = layer(x, arrays)
        return tf.reduce_sum(root**2 * at_root) + tf.reduce_sum(nodes**2 * at_nodes)

    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(x)
        return tape.gradient(value, [x, *(v.value for v in layer.trainable_variables)])

    actual = [g.numpy() for g in (tf.function(gradients) if graph else gradients)(tf.constant(inputs))]
    for row, at in enumerate(where):
        padding = np.setdiff1d(np.arange(inputs.shape[1]), at)
        assert not actual[0][row, padding].any()
    run, step = tf.function(loss), 1e-6
    for number, g in enumerate(actual):
        direction = rng.normal(size=g.shape)
        ends = []
        for sign in (1, -1):
            if number:
                variable = layer.trainable_variables[number - 1]
                before = variable.numpy()
                variable.assign(before + sign * step * direction)
                ends.append(float(run(tf.constant(inputs))))
                variable.assign(before)
            else:
                ends.append(float(run(tf.constant(inputs + sign * step * direction))))
        assert_close((ends[0] - ends[1]) / (2 * step), np.sum(g * direction), 1e-6, 1e-6)


@pytest.mark.parametrize("name", UNORDERED)
def test_children_of_unordered_compositions_can_be_permuted(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 5, UNITS)).astype("float32")
    layer = layer_for(name, "root")
    one, other = (layer(x, [tree_structure([(), (), (), (1, 0), order])]) for order in ((2, 3), (3, 2)))
    assert_close(one, other, 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_batched_trees_equal_single_trees_in_one_trace(name):
    rng = np.random.default_rng(2)
    trees = [random_tree(rng, size, 2) for size in (1, 30, 7)]
    layer = layer_for(name, "root")
    traces = []

    @tf.function(
        reduce_retracing=True,
        input_signature=[tf.TensorSpec([None, None, UNITS]), tf.TensorSpec([None, None, 3], tf.int32)],
    )
    def run(inputs, arrays):
        traces.append(1)
        return layer(inputs, arrays)

    inputs, arrays, where = batch_of(trees, rng)
    together = run(inputs, arrays)
    for row in range(len(where)):
        alone = run(inputs[row : row + 1], arrays[row : row + 1])
        assert_close(together[row], alone[0], 1e-6)
    assert len(traces) == 1
    nothing = run(inputs, np.zeros_like(arrays))
    assert nothing.shape == (3, UNITS) and not nothing.numpy().any()


def test_left_branching_trees_equal_an_elman_network():
    """W = [U; W_x], h_0 the first leaf."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 6, UNITS)).astype("float32")
    children = [(), (), (0, 1)]
    for leaf in range(3, 11, 2):
        children += [(), (leaf - 1, leaf)]
    layer = layer_for("tree-rnn", "root")
    leaves = [i for i, below in enumerate(children) if not below]
    inputs = np.zeros((2, len(children), UNITS), "float32")
    inputs[:, leaves] = x
    W, b = layer.get_weights()
    elman = rnnzoo.layers.ElmanRNN(UNITS)
    elman.build((None, None, UNITS))
    elman.set_weights([W[UNITS:], W[:UNITS], b])
    expected = elman(x[:, 1:], initial_state=tf.constant(x[:, 0]))
    assert_close(layer(inputs, np.stack([tree_structure(children)] * 2)), expected, 1e-6)


@pytest.mark.parametrize("shape", ["deep", "wide"])
def test_deep_trees_with_thousands_of_nodes(shape):
    """A chain of 1,000 levels, and a node with 5,000 children; the gradient reaches every leaf."""
    if shape == "deep":
        children = [()] + [part for i in range(999) for part in ((), (2 * i, 2 * i + 1))]
        layer = layer_for("tree-lstm-binary", "nodes")
    else:
        children = [(), *[()] * 4998, tuple(range(4999))]
        layer = layer_for("tree-lstm-childsum", "nodes")
    arrays = tree_structure(children)[None]
    assert arrays[..., 2].max() == (1000 if shape == "deep" else 2)
    x = tf.random.stateless_normal([1, len(children), UNITS], (1, 2))

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, arrays) ** 2)
        return tape.gradient(loss, x)

    actual = gradient(x).numpy()[0]
    assert np.isfinite(actual).all() and (np.abs(actual).sum(-1)[[not c for c in children]] > 0).all()


def assert_floats_do_not_round(name):
    """A structure of floating-point numbers, the default of `keras.Input`, is not rounded to float16."""
    chain = tree_structure([(), *((i,) for i in range(2100))])[None]
    layer = Recursive(rnnzoo.COMPOSITIONS[name](2, dtype="mixed_float16"), dtype="mixed_float16")
    assert layer(tf.ones([1, 2101, 2]), tf.constant(chain, tf.float32)).dtype == tf.float16


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tree-lstm-childsum", "rntn"])
def test_keras_file_and_mixed_precision(name, tmp_path):
    rng = np.random.default_rng(4)
    inputs, arrays, _ = batch_of([random_tree(rng, 9, 2), random_tree(rng, 4, 2)], rng)
    sources = keras.Input([None, UNITS]), keras.Input([None, 3], dtype="int32")
    model = keras.Model(sources, Recursive(rnnzoo.COMPOSITIONS[name](UNITS))(*sources))
    model.save(tmp_path / "tree.keras")
    again = keras.models.load_model(tmp_path / "tree.keras")
    assert_close(again([inputs, arrays]), model([inputs, arrays]), 0, 0)
    model.compile("adam", "mse")
    before = model.evaluate([inputs, arrays], np.zeros((2, UNITS)), verbose=0)
    model.fit([inputs, arrays], np.zeros((2, UNITS)), epochs=20, verbose=0)
    assert model.evaluate([inputs, arrays], np.zeros((2, UNITS)), verbose=0) < before
    assert_floats_do_not_round(name)
    half = Recursive(rnnzoo.COMPOSITIONS[name](UNITS, dtype="mixed_bfloat16"), dtype="mixed_bfloat16")
    half.build((None, None, UNITS))
    half.set_weights(model.get_weights())
    assert half(inputs, arrays).dtype == tf.bfloat16
    assert_close(tf.cast(half(inputs, arrays), tf.float32), model([inputs, arrays]), 0.05, 0.05)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_of_a_loop_around_a_layer(name):
    layer, x, tree = layer_for(name), tf.ones([1, 3, UNITS]), tf.constant([[[3, 0, 1], [3, 1, 1], [0, 0, 2]]])
    layer(x, tree)

    def gradients(run):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(run(x) ** 2)
        return tape.gradient(loss, [x, *layer.trainable_variables])

    in_a_loop = tf.function(
        lambda: gradients(lambda x: tf.map_fn(lambda row: layer(row[None], tree)[0], x)), autograph=False
    )
    for actual, expected in zip(in_a_loop(), gradients(lambda x: layer(x, tree)), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_invalid_structures_are_refused():
    layer = layer_for("tree-rnn")
    three = [tree_structure([(), (), (), (0, 1, 2)])]
    with pytest.raises(tf.errors.InvalidArgumentError, match="a node has more than the 2 children"):
        layer(tf.zeros([1, 4, UNITS]), three)
    upside_down = [[[3, 0, 1], [3, 1, 2], [0, 0, 2]]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="level of a node is not above that of its children"):
        layer(tf.zeros([1, 3, UNITS]), tf.constant(upside_down))
    fine, two = [[3, 0, 1], [3, 1, 1], [0, 0, 2]], tf.zeros([2, 3, UNITS])
    for bad, message in (
        ([[4, 0, 1], [3, 1, 1], [0, 0, 2]], "parent of a node is not in its tree"),
        ([[2, 0, 1], [0, 0, 0], [0, 0, 0]], "parent of a node is padding"),
        ([[3, 0, 1], [3, 0, 1], [0, 0, 2]], "two children of a node have the same child index"),
        ([[0, 0, 2], [0, 0, 0], [0, 0, 0]], "level of a node without children is not 1"),
        ([[3, -1, 1], [3, 1, 1], [0, 0, 2]], "must be at least 0"),
        ([[3, 0, -1], [3, 1, 1], [0, 0, 2]], "level must be 0 at padding"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            layer(two, tf.constant([fine, bad]))
    assert layer(two, tf.constant([fine, [[7, 7, 0]] * 3]))[1].numpy().any() == 0  # what stands at padding
    with pytest.raises(ValueError, match="do not have the same nodes"):
        layer(tf.zeros([2, 5, UNITS]), tf.constant([fine, fine]))
    with pytest.raises(ValueError, match="composition must be one of"):
        Recursive("tree-rnn")
    with pytest.raises(ValueError, match="must have units=4 features, got 7"):
        Recursive(rnnzoo.compositions.TreeRNN(4)).build((None, None, 7))
    with pytest.raises(ValueError, match="cannot be compiled by XLA"):
        tf.function(layer, jit_compile=True)(tf.zeros([1, 4, UNITS]), tf.constant(three))
    with pytest.raises(ValueError, match="outputs must be 'root', 'nodes' or 'both', got 'all'"):
        Recursive(rnnzoo.compositions.TreeGRU(4), "all")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("( a ( b c )", "column 1: an opening parenthesis that is never closed"),
        ("( a b ) )", "column 9: a closing parenthesis that was never opened"),
        ("( a ( ) )", "column 7: nothing between these parentheses"),
        ("( a b ) c", "column 9: a second tree"),
        ("", "column 1: no tree"),
    ],
)
def test_invalid_parentheses(text, message):
    with pytest.raises(rnnzoo.UserError) as error:
        parse_tree(text)
    assert message in str(error.value)


def test_labelled_parentheses():
    tree = parse_tree("(3 (2 It) (4 (2 's) (3 good)))", labelled=True)
    assert tree.tokens == ["It", "'s", "good", "", ""]
    assert tree.children == [(), (), (), (1, 2), (0, 3)]
    assert tree.labels == ["2", "2", "3", "4", "3"]
    with pytest.raises(rnnzoo.UserError, match="column 2: a label must follow"):
        parse_tree("((2 a) (3 b))", labelled=True)
