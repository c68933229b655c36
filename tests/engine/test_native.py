"""Native kernels against the graph engine in float64, on every build; their cache, fallback and threads."""

import concurrent.futures
import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnzoo
from rnnzoo.engine import native
from rnnzoo.engine.native import library as native_library
from rnnzoo.engine.native import self_check
from rnnzoo.engine.scan import scan
from tests.helpers import normal

KERNELS = {
    "lstm": ("lstm", {}),
    "lstm, no bias": ("lstm", {"use_bias": False}),
    "lstm of 1997": ("lstm", {"forget_gate": False}),
    "gru": ("gru", {}),
    "gru of 2014": ("gru", {"reset_after": False}),
    "gru, no bias": ("gru", {"use_bias": False}),
    "elman": ("elman", {}),
    "elman, logistic": ("elman", {"activation": "sigmoid"}),
    "elman, relu": ("elman", {"activation": "relu"}),
}
BUILDS = {"x86-64": ("-march=x86-64",), "avx2": ("-march=x86-64-v3",), "native": ("-march=native",)}
IS_X86 = platform.machine() in ("x86_64", "AMD64")


@pytest.fixture(autouse=True)
def switched_on(monkeypatch):
    monkeypatch.delenv("RNNZOO_NATIVE", raising=False)


@pytest.fixture(scope="module", autouse=True)
def compiler():
    try:
        return native_library.find_compiler()
    except native_library.UnavailableError as error:
        pytest.skip(str(error))


def make_cell(name, units, features, dtype="float32", **options):
    kind, fixed = KERNELS[name]
    cell = rnnzoo.CELLS[kind](units, **fixed, **options, dtype=dtype)
    cell.build((None, features))
    return cell


def values_and_gradients(cell, x, state, mask=None, **arguments):
    """Returns outputs, final states and all gradients of a loss that depends on each of them."""
    sources = [x, *state, *(v.value for v in cell.trainable_variables)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        y, final = scan(cell, x, state, mask, training=True, **arguments)
        parts = [tf.sin(3 * y), *(tf.cos(s + i) for i, s in enumerate(final))]
        loss = tf.add_n([tf.reduce_sum(part) for part in parts])
    return [y, *final, *tape.gradient(loss, sources)]


def compare(name, shape, mask=None, drop=None, tolerance=1e-4, **arguments):
    """Compares a kernel in float32 with the graph engine in float64."""
    batch, time, features, units = shape
    results = []
    values = None
    for dtype in ("float32", "float64"):
        cell = make_cell(name, units, features, dtype)
        rng = np.random.default_rng(1)
        values = values or [rng.normal(size=v.shape) / max(1, v.shape[0]) ** 0.5 for v in cell.trainable_variables]
        for variable, value in zip(cell.trainable_variables, values, strict=True):
            variable.assign(value)
        if drop is not None:
            cell.is_stochastic = lambda: True
            cell.constants = lambda *_, dtype=dtype, **__: (tf.constant(drop, dtype),)
        x = tf.constant(normal(batch, time, features), dtype)
        state = [tf.constant(normal(batch, units, seed=i + 2), dtype) for i in range(len(cell.get_initial_state(1)))]
        assert (native.find_native(cell, x, tuple(state)) is not None) == (dtype == "float32")
        results.append(values_and_gradients(cell, x, state, mask, **arguments))
    for actual, expected in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max()))


MASK = np.array([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]], bool)
DROP = np.random.default_rng(0).integers(0, 2, (4, 19)) / 0.5


@pytest.mark.parametrize("name", KERNELS)
def test_values_and_gradients_equal_the_graph_engine(name):
    compare(name, (4, 5, 3, 19))
    compare(name, (4, 5, 3, 19), tf.constant(MASK), DROP, go_backwards=True)
    compare(name, (4, 5, 3, 19), tf.constant(MASK), return_sequences=False)


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(["lstm", "gru", "gru of 2014", "elman"]),
    st.tuples(st.integers(1, 9), st.integers(1, 7), st.integers(1, 140), st.integers(1, 140)),
    st.integers(0, 2**20),
    st.booleans(),
)
def test_any_shape_and_mask(name, shape, seed, go_backwards):
    mask = tf.constant(np.random.default_rng(seed).random(shape[:2]) > 0.3)
    compare(name, shape, mask, go_backwards=go_backwards)


@pytest.mark.skipif(not IS_X86, reason="builds of x86-64")
@pytest.mark.parametrize("build", BUILDS)
def test_every_build_agrees_with_the_equations(build):
    supported = native_library.describe_processor()
    if build == "avx2" and " avx2 " not in supported:
        pytest.skip("this processor has no AVX2")
    library = native_library.load_library(BUILDS[build])
    library.path.with_suffix(".checked").unlink(missing_ok=True)
    self_check.check_library(library)


@pytest.mark.parametrize("shape", [(3, 40, 20, 160), (64, 20, 20, 96)], ids=["split by units", "split by rows"])
def test_results_do_not_depend_on_threads(shape):
    batch, time, features, units = shape
    handle = ctypes.CDLL(native.status().path)
    cell = make_cell("gru", units, features)
    x, state = tf.constant(normal(batch, time, features)), [tf.zeros([batch, units])]
    results = []
    try:
        for threads in (1, 2, 3, 2):
            handle.rnnzoo_set_threads(threads)
            results.append(values_and_gradients(cell, x, state))
    finally:
        handle.rnnzoo_set_threads(0)
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_calls_from_several_threads():
    cell = make_cell("lstm", 96, 20)
    x, state = tf.constant(normal(40, 30, 20)), cell.get_initial_state(40)
    expected = values_and_gradients(cell, x, state)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for actual in pool.map(lambda _: values_and_gradients(cell, x, state), range(12)):
            for first, second in zip(actual, expected, strict=True):
                np.testing.assert_array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", ["lstm", "gru of 2014", "elman"])
def test_second_order_gradients(name, traced, monkeypatch):
    cell = make_cell(name, 4, 3)
    x, state = tf.constant(normal(2, 3, 3)), [tf.constant(s + 0.1) for s in cell.get_initial_state(2)]
    sources = [x, *(v.value for v in cell.trainable_variables)]

    def run(x):
        return scan(cell, x, state, tf.constant(MASK[:2, :3]), training=True)[0]

    run = tf.function(run) if traced else run

    def second():
        with tf.GradientTape() as outer:
            outer.watch(sources)
            with tf.GradientTape() as inner:
                inner.watch(sources)
                loss = tf.reduce_sum(run(x) ** 3)
            penalty = tf.add_n([tf.reduce_sum(g**2) for g in inner.gradient(loss, sources)])
        return outer.gradient(penalty, sources)

    actual = second()
    monkeypatch.setenv("RNNZOO_NATIVE", "0")
    run = run.python_function if traced else run
    for gradient, expected in zip(actual, second(), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 0, 3, 4), (0, 3, 3, 4)])
def test_empty_sequences_and_batches(shape):
    batch, time, features, units = shape
    cell = make_cell("lstm", units, features)
    results = values_and_gradients(cell, tf.zeros([batch, time, features]), cell.get_initial_state(batch))
    assert results[0].shape == (batch, time, units)
    assert all(np.isfinite(r).all() for r in results)


def test_masked_nan_has_no_effect():
    x = normal(4, 5, 3).copy()
    x[~MASK] = np.nan
    cell = make_cell("lstm", 6, 3)
    results = values_and_gradients(cell, tf.constant(x), cell.get_initial_state(4), tf.constant(MASK))
    assert all(np.isfinite(r).all() for r in results)


def test_nan_and_large_inputs_are_not_hidden():
    cell = make_cell("lstm", 6, 3)
    y, _ = scan(cell, tf.constant(np.full((2, 3, 3), np.nan, "float32")), cell.get_initial_state(2))
    assert np.isnan(y).all()
    y, _ = scan(cell, tf.constant(np.full((2, 3, 3), 1e30, "float32")), cell.get_initial_state(2))
    assert np.isfinite(y).all()


def holds_kernel(function):
    """Returns whether a traced function holds an operation of the kernels."""
    definitions = [f.graph.as_graph_def() for f in function._function_cache.values()]
    nodes = [n for d in definitions for n in [*d.node, *(n for f in d.library.function for n in f.node_def)]]
    assert nodes
    return any(node.op.startswith("Rnnzoo") for node in nodes)


def uses_kernel(layer, **how):
    x = tf.zeros([2, 5, 3])
    layer(x)
    function = tf.function(lambda x: layer(x, training=True), **how)
    function(x)
    return holds_kernel(function)


@pytest.mark.slow
def test_which_layers_use_a_kernel(monkeypatch):
    layers = rnnzoo.layers
    assert uses_kernel(layers.LSTM(4, dropout=0.1, recurrent_dropout=0.1)) and uses_kernel(layers.GRU(4))
    assert uses_kernel(layers.Bidirectional(layers.ElmanRNN(4))) and uses_kernel(layers.Stack([layers.GRU(4)]))
    for other in (
        layers.LayerNormLSTM(4),
        layers.LSTM(4, zoneout=0.1),
        layers.LSTM(4, projection=2),
        layers.LSTM(4, activation="relu"),
        layers.GRU(4, truncate=1),
        layers.ElmanRNN(4, dtype="float64"),
        layers.ElmanRNN(4, dtype="mixed_bfloat16"),
        layers.IndRNN(4),
    ):
        assert not uses_kernel(other)
    assert not uses_kernel(layers.LSTM(4), jit_compile=True)
    layer, x = layers.LSTM(4), tf.constant(normal(2, 5, 3))
    inner = tf.function(lambda x: layer(x))
    expected = inner(x)
    assert holds_kernel(inner)
    compiled = tf.function(lambda x: inner(x), jit_compile=True)
    np.testing.assert_allclose(compiled(x), expected, atol=1e-6)
    monkeypatch.setenv("RNNZOO_NATIVE", "0")
    assert not uses_kernel(layers.LSTM(4))


def test_a_subclass_with_other_equations_uses_no_kernel():
    class Negative(rnnzoo.cells.ElmanCell):
        def step(self, x, r, state, consts):
            return -tf.tanh(x + r), (-tf.tanh(x + r),)

    layer = rnnzoo.layers.RNN(Negative(4))
    assert not uses_kernel(layer) and (layer(tf.ones([1, 1, 3])) != 0).numpy().any()


def saves(tmp_path, *objects, **arguments):
    """Saves a module with some attributes, and checks that any TensorFlow can run the file."""
    module = tf.Module()
    for i, part in enumerate(objects):
        setattr(module, f"part_{i}", part)
    tf.saved_model.save(module, tmp_path / "saved", **arguments)
    graph = (tmp_path / "saved/saved_model.pb").read_bytes()
    return b"Rnnzoo" not in graph and b"StatefulPartitionedCall" in graph


SPEC = tf.TensorSpec([None, None, 3])


HOW = ["called", "signature", "concrete", "called and concrete", "the same shapes", "inner", "outer"]


@pytest.mark.parametrize("how", HOW)
def test_saved_functions_hold_no_kernel(how, tmp_path):
    """However a function was traced and called, it is saved in a form that other programs load."""
    layer, x = rnnzoo.layers.LSTM(4), tf.constant(normal(2, 5, 3))
    expected = layer(x)
    function = tf.function(lambda x: layer(x), input_signature=[SPEC] if how == "signature" else None)
    if how != "concrete":
        function(x)
        assert holds_kernel(function)
    if how in ("concrete", "called and concrete"):
        function = function.get_concrete_function(SPEC)
    if how == "the same shapes":  # for which the function is traced already, with a kernel
        function = function.get_concrete_function(x)
    if how in ("inner", "outer"):  # the outer function calls an inner one that was traced before
        inner, function = function, tf.function(lambda x: inner(x))
        np.testing.assert_allclose(function(x), expected, atol=1e-6)
        assert holds_kernel(function)
    function = inner if how == "inner" else function
    signatures = function if how == "signature" else None
    assert saves(tmp_path, layer, function, signatures=signatures)
    loaded = tf.saved_model.load(tmp_path / "saved")
    np.testing.assert_allclose(loaded.part_1(x), expected, atol=1e-6)


def test_trained_keras_models_are_saved_without_kernels(tmp_path):
    model = keras.Sequential([keras.Input([None, 3]), rnnzoo.layers.LSTM(4), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(normal(4, 5, 3), normal(4, 1), verbose=0)
    assert not model.jit_compile  # the default of Keras on a CPU
    model.predict(normal(4, 5, 3), verbose=0)
    assert saves(tmp_path, model)
    model.export(tmp_path / "exported", verbose=False)
    assert b"Rnnzoo" not in (tmp_path / "exported/saved_model.pb").read_bytes()
    loaded = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(loaded.serve(normal(4, 5, 3)), model(normal(4, 5, 3)), atol=1e-6)


@pytest.mark.parametrize("traced", [False, True])
def test_jacobians_and_forward_mode(traced):
    layer = rnnzoo.layers.GRU(4, return_sequences=True)
    x, v = (tf.constant(normal(2, 5, 3, seed=i)) for i in (0, 1))
    layer(x)
    run = tf.function(lambda x: layer(x)) if traced else layer
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = run(x)
    jacobian = tape.jacobian(y, x)
    assert not traced or holds_kernel(run)
    with tf.autodiff.ForwardAccumulator(x, v) as accumulator:
        y = run(x)
    expected = tf.einsum("btucvk,cvk->btu", jacobian, v)
    np.testing.assert_allclose(accumulator.jvp(y), expected, atol=1e-5)


def test_dropout_masks_are_those_of_the_graph_engine(monkeypatch):
    layer = rnnzoo.layers.GRU(6, dropout=0.4, recurrent_dropout=0.3, seed=7, return_sequences=True)
    x = tf.constant(normal(4, 5, 3))
    layer(x)
    layer.cell.seed_generator.state.assign([7, 0])
    first = layer(x, training=True)
    monkeypatch.setenv("RNNZOO_NATIVE", "0")
    layer.cell.seed_generator.state.assign([7, 0])
    np.testing.assert_allclose(first, layer(x, training=True), atol=1e-6)


def test_fit_trains_with_a_kernel():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input([None, 2]), rnnzoo.layers.LSTM(16), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=False)
    x = np.random.default_rng(0).normal(size=(256, 6, 2)).astype("float32")
    losses = model.fit(x, x[:, -1, :1], epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.1 * losses[0]


FRESH = """
import os, rnnzoo, tensorflow as tf
from rnnzoo.engine import native
print(rnnzoo.layers.LSTM(3)(tf.ones([1, 2, 3])).shape, native.status().reason)
"""


def fresh_reason(tmp_path, code=FRESH, **environment):
    """Returns the reason why a new process does not use the kernels; its layers work all the same."""
    environment = {**os.environ, "RNNZOO_CACHE": str(tmp_path / "cache"), **environment}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    shape, _, reason = result.stdout.strip().partition(") ")
    assert shape == "(1, 3"
    return reason


@pytest.mark.slow
def test_without_a_compiler_the_graph_engine_runs(tmp_path):
    assert "no C compiler was found" in fresh_reason(tmp_path, PATH=str(tmp_path))


@pytest.mark.slow
def test_a_compiler_that_fails(tmp_path):
    compiler = tmp_path / "broken-cc"
    compiler.write_text('#!/bin/sh\ncase "$1" in --version) echo 1;; *) echo "no such flag" >&2; exit 1;; esac\n')
    compiler.chmod(0o700)
    assert "no such flag" in fresh_reason(tmp_path, CC=str(compiler))


@pytest.mark.slow
def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be created" in fresh_reason(tmp_path, RNNZOO_CACHE=str(tmp_path / "file"))
    (tmp_path / "cache/native").mkdir(parents=True, mode=0o700)
    code = FRESH.replace(
        "import os", "import os, tempfile; tempfile.mkdtemp = lambda *_, **__: os.listdir('/nowhere')\nimport os"
    )
    assert "FileNotFoundError" in fresh_reason(tmp_path, code=code)


@pytest.mark.slow
def test_a_cache_that_others_can_write_to_is_refused(tmp_path):
    folder = tmp_path / "cache" / "native"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert "other users own it or can write to it" in fresh_reason(tmp_path)


def test_a_wrong_kernel_is_not_used(tmp_path, monkeypatch):
    source = tmp_path / "kernel.c"
    text = native_library.SOURCE.read_text(encoding="utf-8")
    right, wrong = "h = t.p * r_out;", "h = t.p * r;"
    assert right in text
    source.write_text(text.replace(right, wrong), encoding="utf-8")
    monkeypatch.setattr(native_library, "SOURCE", source)
    monkeypatch.setenv("RNNZOO_CACHE", str(tmp_path / "cache"))
    with pytest.raises(native_library.WrongResultError, match=r"lstm .* gives other numbers than TensorFlow"):
        self_check.check_library(native_library.load_library())


def test_a_library_is_loaded_once_in_a_process(tmp_path, monkeypatch):
    """A second copy of the same kernels, in another folder, would break all later calls."""
    before = native_library.load_library()
    monkeypatch.setenv("RNNZOO_CACHE", str(tmp_path / "cache"))
    assert native_library.load_library() is before
    assert rnnzoo.layers.LSTM(4)(tf.zeros([1, 2, 3])).shape == (1, 4)


def test_threads_of_a_container(tmp_path):
    assert native_library.max_threads(tmp_path) == 0
    for text, threads in (("max 100000", 0), ("150000 100000\n", 2), ("50000 100000", 1)):
        (tmp_path / "cpu.max").write_text(text)
        assert native_library.max_threads(tmp_path) == threads
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    for text, threads in (("-1\n", 0), ("400000\n", 4)):
        (tmp_path / "cpu/cpu.cfs_quota_us").write_text(text)
        assert native_library.max_threads(tmp_path) == threads


@pytest.mark.slow
def test_memory_does_not_grow():
    cell = make_cell("lstm", 32, 8)
    x, state = tf.constant(normal(16, 20, 8)), cell.get_initial_state(16)
    run = tf.function(lambda: values_and_gradients(cell, x, state)[0])

    def resident():
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20

    for _ in range(1000):
        run()
    before = resident()
    for _ in range(10_000):
        run()
    assert resident() - before < 8


@pytest.mark.slow
def test_forked_processes_run_kernels(tmp_path):
    code = """
import os, numpy as np, tensorflow as tf, rnnzoo
layer = rnnzoo.layers.LSTM(96)
x = tf.ones([64, 30, 20])
first = layer(x).numpy()
if (child := os.fork()) == 0:
    os._exit(0 if np.array_equal(layer(x).numpy(), first) else 1)
print(os.waitpid(child, 0)[1])
"""
    environment = {**os.environ, "RNNZOO_CACHE": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == "0", result.stderr
