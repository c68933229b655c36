"""Gradients against finite differences in float64, first and second order."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.cells import activation
from rnnzoo.layers import scan
from tests.helpers import cell, normal, often, randomise

STEP = 1e-5
MASKS = {"whole": None, "masked": np.array([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]], bool)}


class Remembering(rnnzoo.cells.ElmanCell):
    """A cell that reads a memory at every step, through a weight used in `step`; its output is not a state."""

    def build(self, input_shape):
        super().build(input_shape)
        self.gain = self.add_weight(shape=(self.units,), name="gain")

    def constants(self, inputs, training=False, memory=None):
        return memory

    def recurrent(self, state, consts):
        return rnnzoo.cells.dot(state[0], self.recurrent_kernel)

    def step(self, x, r, state, consts):
        h = tf.tanh(x + r * consts["scale"] + tf.convert_to_tensor(self.gain) * tf.sin(consts["memory"] + state[0]))
        return h * h, (h,)


CELLS = {name: {} for name in rnnzoo.list_cells()}
CELLS |= {"dampened": {"trainable_dampening": True}, "jordan": {"output_units": 3}, "feedforward": {"context": 3}}
CELLS |= {"deep+elman": {"depth": 3, "shortcut": True}, "deep+lstm": {"shortcut": True}, "deep+gru": {}}
CELLS |= {"deep+jordan": {"shortcut": True}, "deep+indrnn": {"shortcut": True, "activation": "tanh"}}
CELLS |= {"indrnn": {"activation": "tanh"}}  # relu has no derivative at 0, and differences find that
OPTIONS = {
    "projection": ("lstm", {"projection": 3}),
    "gru of 2014": ("gru", {"reset_after": False}),
    "zoneout, its mean": ("lstm", {"zoneout": 0.3}),
    "all of them": ("lstm-layernorm", {"projection": 3, "zoneout": 0.2, "forget_gate": False}),
}


def directions(f, variables, tensors, seed=0):
    """For each variable and tensor: derivative along a random direction, by autodiff and by differences."""
    rng = np.random.default_rng(seed)
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = f(tensors)
    actual = tape.gradient(loss, [*(v.value for v in variables), *tensors])
    for variable, gradient in zip(variables, actual, strict=False):
        kept, along = variable.numpy(), rng.normal(size=variable.shape)
        ends = []
        for sign in (1, -1):
            variable.assign(kept + sign * STEP * along)
            ends.append(float(f(tensors)))
        variable.assign(kept)
        yield variable.name, float(tf.reduce_sum(gradient * along)), (ends[0] - ends[1]) / (2 * STEP)
    for i, gradient in enumerate(actual[len(variables) :]):
        along = rng.normal(size=tensors[i].shape)
        moved = [[t + sign * STEP * along if i == j else t for j, t in enumerate(tensors)] for sign in (1, -1)]
        difference = (float(f(moved[0])) - float(f(moved[1]))) / (2 * STEP)
        yield f"tensor {i}", float(tf.reduce_sum(gradient * along)), difference


def loss_of(shared, mask, memory, training):
    """Returns a loss of `[x, *state, *memory]` that depends on all outputs and final states."""

    @tf.function(autograph=False)
    def loss(tensors):
        x, rest = tensors[0], list(tensors[1:])
        n = len(shared.get_initial_state(1))
        given = dict(zip(("memory", "scale"), rest[n:], strict=True)) if memory else None
        y, final = scan(shared, x, rest[:n], mask, training=training, memory=given)
        steps = tf.cast(tf.range(tf.shape(y)[1]), y.dtype)[:, None]
        parts = [tf.reduce_sum(tf.sin(y + steps))]
        return tf.add_n(parts + [tf.reduce_sum(tf.cos(s) * (i + 2.0)) for i, s in enumerate(final)])

    return loss


PASSES = {"whole, saved": ("whole", True), "masked, saved": ("masked", True), "masked, run again": ("masked", False)}
DRAWING = ("zoneout, its mean", "all of them")  # in training they draw: `test_gradients_with_dropout_and_zoneout`
QUICK = [(name, which) for name in CELLS for which in PASSES if which != "whole, saved"]
DIFFERENCES = [
    pytest.param(name, *PASSES[which], id=f"{name}, {which}", marks=() if (name, which) in QUICK else pytest.mark.slow)
    for name in [*CELLS, *OPTIONS, "remembering"]
    for which in PASSES
    if not (name in DRAWING and PASSES[which][1])
]


@pytest.mark.parametrize(("name", "mask", "training"), DIFFERENCES)
def test_finite_differences(name, mask, training):
    memory = name == "remembering"
    kind, options = OPTIONS.get(name) or (name, CELLS.get(name))
    shared = Remembering(5, dtype="float64") if memory else cell(kind, **options, dtype="float64")
    shared.build((None, 3))
    randomise(shared, scale=0.7)
    sizes = shared.state_size if isinstance(shared.state_size, list) else [shared.state_size]
    tensors = [normal(4, 5, 3, dtype="float64"), *(normal(4, n, seed=i, dtype="float64") for i, n in enumerate(sizes))]
    if memory:
        tensors += [normal(4, 5, seed=8, dtype="float64"), normal(4, 5, seed=9, dtype="float64")]
    tensors = [tf.constant(t) for t in tensors]
    f = loss_of(shared, None if MASKS[mask] is None else tf.constant(MASKS[mask]), memory, training)
    checked = 0
    for what, autodiff, difference in directions(f, shared.trainable_variables, tensors):
        assert autodiff == pytest.approx(difference, rel=1e-6, abs=1e-8), what
        assert difference != 0, what
        checked += 1
    assert checked == len(shared.trainable_variables) + len(tensors)


NOISY = {
    "dropout": ("lstm", {"recurrent_dropout": 0.5, "dropout": 0.3}),
    "zoneout": ("lstm", {"zoneout": 0.4, "zoneout_cell": 0.2}),
    "gru of 2014": ("gru", {"recurrent_dropout": 0.5, "reset_after": False}),
    "all of it": ("lstm-layernorm", {"recurrent_dropout": 0.5, "zoneout": 0.4, "projection": 3}),
}


@pytest.mark.parametrize("case", NOISY)
def test_gradients_with_dropout_and_zoneout(case):
    """Random numbers of a sequence or a step are the same in the backward pass."""
    name, options = NOISY[case]
    layer = rnnzoo.layers.RNN(cell(name, **options, seed=1, dtype="float64"), return_sequences=True, dtype="float64")
    x = tf.constant(normal(3, 6, 4, dtype="float64"))
    layer.build(x.shape)
    randomise(layer.cell, scale=0.7)
    seed = layer.cell.seed_generator.state

    def loss(tensors):
        seed.assign([7, 7])
        return tf.reduce_sum(tf.sin(layer(tensors[0], training=True)))

    for what, autodiff, difference in directions(loss, layer.trainable_variables, [x]):
        assert autodiff == pytest.approx(difference, rel=1e-6, abs=1e-8), what


@pytest.mark.parametrize("name", often("lstm", of=["lstm", "jordan", "dampened", "gru", "deep+elman"]))
def test_second_order(name):
    """The gradient of a gradient norm, by automatic and by finite differences."""
    shared = cell(name, **CELLS[name], dtype="float64")
    shared.build((None, 3))
    randomise(shared, scale=0.7)
    state = [tf.constant(normal(2, s.shape[-1], dtype="float64")) for s in shared.get_initial_state(2)]

    @tf.function(autograph=False)
    def penalty(tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors[0])
            y, _ = scan(shared, tensors[0], state, None, training=True)
            loss = tf.reduce_sum(tf.sin(y))
        return tf.reduce_sum(tape.gradient(loss, tensors[0]) ** 2)

    for what, autodiff, difference in directions(
        penalty, shared.trainable_variables, [tf.constant(normal(2, 4, 3, dtype="float64"))]
    ):
        assert autodiff == pytest.approx(difference, rel=1e-5, abs=1e-8), what


@pytest.mark.parametrize("name", rnnzoo.list_cells())
def test_zero_inputs_have_finite_gradients(name):
    """The gradient of new weights is bounded for inputs of zeros."""
    keras.utils.set_random_seed(0)
    layer = rnnzoo.layers.RNN(cell(name))
    layer.build((None, None, 3))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tf.zeros([2, 100, 3])) ** 2)
    actual = tape.gradient(loss, layer.trainable_variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert float(tf.linalg.global_norm(actual)) < 1e6  # layer normalisation: 5 here, up to 1e5 for other seeds


class Branching(rnnzoo.cells.ElmanCell):
    """Activations in a branch, or without a batch axis, cannot be cached for the backward pass."""

    def step(self, x, r, state, consts):
        squash, gate = activation("tanh"), activation("sigmoid")
        z = tf.cond(tf.reduce_sum(x) > 0, lambda: squash(x + r), lambda: gate(x + r))
        h = squash(z) * gate(tf.constant(0.3, z.dtype)) + gate(tf.ones([3], z.dtype))[0] * state[0]
        return h, (h,)


class TwoHeads(rnnzoo.cells.ElmanCell):
    """Activations whose batch axis is not the first, and a constant shared by all rows."""

    def constants(self, inputs, training=False, memory=None):
        return tf.ones([1, self.units], inputs.dtype) / 2

    def recurrent(self, state, consts):
        return rnnzoo.cells.dot(state[0], self.recurrent_kernel)

    def step(self, x, r, state, consts):
        first, second = tf.unstack(activation("sigmoid")(tf.stack([x + r, x - r])))
        h = first * consts - second * state[0]
        return h, (h,)


class Energetic(rnnzoo.cells.ElmanCell):
    """A cell with a gradient inside its step."""

    def step(self, x, r, state, consts):
        z = x + r
        with tf.GradientTape() as tape:
            tape.watch(z)
            e = tf.reduce_sum(activation("tanh")(z))
        h = z - tape.gradient(e, z)
        return h, (h,)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [4, 2, 3])
@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("kind", [Branching, TwoHeads, Energetic])
def test_unusual_activations(kind, graph, batch):
    shared = kind(5, dtype="float64")
    shared.build((None, 3))
    randomise(shared, scale=0.3)
    tensors = [tf.constant(normal(*shape, dtype="float64")) for shape in ((batch, 5, 3), (batch, 5))]
    f = loss_of(shared, None, False, True)
    tf.config.run_functions_eagerly(not graph)
    try:
        for what, autodiff, difference in directions(f, shared.trainable_variables, tensors):
            assert autodiff == pytest.approx(difference, rel=1e-6, abs=1e-8), what
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.mark.slow
@pytest.mark.parametrize("training", often(True, of=[True, False]))
@pytest.mark.parametrize("name", often("lstm", of=["lstm", "gru", "elman"]))
def test_forward_and_backward_in_different_graphs(name, training):
    layer = rnnzoo.layers.RNN(cell(name), return_sequences=True)
    x = tf.constant(normal(3, 4, 3))
    layer(x)
    randomise(layer)
    compiled = tf.function(lambda x: layer(x, training=training), jit_compile=True)

    def gradient(run):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(run(x)))
        return tape.gradient(loss, x)

    expected = gradient(lambda x: layer(x, training=training))
    for actual in (gradient(compiled), tf.function(lambda: gradient(compiled))()):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(layer(x, training=training), [0, 1])
    jacobian = tape.jacobian(y, x)  # the way back in a graph, forward eagerly
    for i in range(2):
        one = gradient(lambda x, i=i: tf.asin(tf.reduce_sum(layer(x, training=training)[..., i]) / 100)) * 100
        np.testing.assert_allclose(jacobian[i], one, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("native", ["0", "1"])
@pytest.mark.parametrize("name", ["lstm", "elman", "dampened", "jordan", "deep+gru"])
def test_gradient_of_a_loop_around_a_layer(name, native, monkeypatch):
    """No gradient is lost where the layer runs in the body of another loop."""
    monkeypatch.setenv("RNNZOO_NATIVE", native)
    layer = rnnzoo.layers.RNN(cell(name), return_sequences=True)
    x = tf.constant(normal(2, 3, 3))
    layer(x)

    def gradients(run):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(run(x) ** 2)
        return tape.gradient(loss, [x, *layer.trainable_variables])

    in_a_loop = tf.function(lambda: gradients(lambda x: tf.map_fn(lambda row: layer(row[None])[0], x)), autograph=False)
    for actual, expected in zip(in_a_loop(), gradients(layer), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["lstm", "gru", "elman"])
def test_backward_pass_reuses_activations(name):
    shared = cell(name)
    shared.build((None, 3))
    state = [tf.zeros([4, s.shape[-1]]) for s in shared.get_initial_state(4)]

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(scan(shared, x, state, None, training=True)[0] ** 2)
        return tape.gradient(loss, x)

    bodies = gradient.get_concrete_function(tf.TensorSpec([4, 6, 3])).graph.as_graph_def().library.function
    live = [live_ops(body) for body in bodies if "body" in body.signature.name]
    squashing = {"Sigmoid", "Tanh"}
    forward, backward = ([ops for ops in live if bool(ops & squashing) is way] for way in (True, False))
    assert len(forward) == len(backward) == 1
    assert all("MatMul" in ops for ops in forward + backward)


def live_ops(function):
    """Returns the types of the operations that the results of a function depend on."""
    nodes = {node.name: node for node in function.node_def}
    expected, seen = [result.split(":")[0] for result in function.ret.values()], set()
    while expected:
        name = expected.pop()
        if name in nodes and name not in seen:
            seen.add(name)
            expected += [given.split(":")[0].lstrip("^") for given in nodes[name].input]
    return {nodes[name].op for name in seen}
