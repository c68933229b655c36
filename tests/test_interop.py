"""Import of weights from torch, and refused weights."""

import importlib.util

import numpy as np
import pytest

import rnnzoo
from rnnzoo.errors import UserError
from rnnzoo.interop import load_torch_state_dict, make_torch_state_dict, save_torch_state_dict
from rnnzoo.layers import GRU, LSTM, Bidirectional, ElmanRNN, Stack
from tests.helpers import assert_close, normal

ROWS = {"RNN": 1, "LSTM": 4, "GRU": 3}
LAYERS = {"RNN": ElmanRNN, "LSTM": LSTM, "GRU": GRU}
X = normal(3, 7, 4)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def torch_tick(kind, w, x, state):
    """One step by the equations of torch's documentation."""
    given, past = x @ w["ih"].T + w["bi"], state[0] @ w["hh"].T + w["bh"]
    if kind == "RNN":
        h = np.tanh(given + past)
        return [h, h]
    if kind == "GRU":
        (ir, iz, i_n), (hr, hz, hn) = np.split(given, 3, -1), np.split(past, 3, -1)
        z = sigmoid(iz + hz)
        h = (1 - z) * np.tanh(i_n + sigmoid(ir + hr) * hn) + z * state[0]
        return [h, h]
    i, f, g, o = np.split(given + past, 4, -1)
    c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return [sigmoid(o) * np.tanh(c), c]


def weights_of_torch(kind, layers, both, units=5):
    """A state_dict of NumPy arrays with torch's names and shapes."""
    actual, size = {}, 4
    for level in range(layers):
        for i, suffix in enumerate(["", "_reverse"][: 1 + both]):
            n, at = ROWS[kind] * units, f"l{level}{suffix}"
            seed = 10 * level + 5 * i
            actual[f"weight_ih_{at}"] = normal(n, size, seed=seed)
            actual[f"weight_hh_{at}"] = normal(n, units, seed=seed + 1)
            actual[f"bias_ih_{at}"] = normal(n, seed=seed + 2)
            actual[f"bias_hh_{at}"] = normal(n, seed=seed + 3)
        size = units * (1 + both)
    return actual


def torch_run(kind, state_dict, layers, both, x, units=5):
    for level in range(layers):
        outputs = []
        for suffix in ["", "_reverse"][: 1 + both]:
            names = {"ih": "weight_ih", "hh": "weight_hh", "bi": "bias_ih", "bh": "bias_hh"}
            w = {short: state_dict[f"{name}_l{level}{suffix}"] for short, name in names.items()}
            state, steps = [np.zeros((len(x), units))] * 2, []
            for t in range(x.shape[1])[:: -1 if suffix else 1]:
                state = torch_tick(kind, w, x[:, t], state)
                steps.append(state[0])
            outputs.append(np.stack(steps[:: -1 if suffix else 1], 1))
        x = np.concatenate(outputs, -1)
    return x


def layer_for(make, layers, both):
    parts = [make() for _ in range(layers)]
    parts = [Bidirectional(part) for part in parts] if both else parts
    layer = parts[0] if layers == 1 else Stack(parts)
    layer.return_sequences = True
    layer.build(X.shape)
    return layer


@pytest.mark.parametrize("both", [False, True], ids=["one direction", "both"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kind", ROWS)
def test_equal_outputs(kind, layers, both):
    layer = layer_for(lambda: LAYERS[kind](5), layers, both)
    state_dict = weights_of_torch(kind, layers, both)
    load_torch_state_dict(layer, {f"encoder.{k}": v for k, v in state_dict.items()} | {"head": X}, prefix="encoder.")
    assert_close(layer(X), torch_run(kind, state_dict, layers, both, X), 1e-5)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("both", [False, True], ids=["one direction", "both"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kind", [*ROWS, "projected"])
def test_equals_installed_torch(kind, layers, both, tmp_path):
    import torch
    from safetensors.torch import save_file

    options = {"proj_size": 2} if kind == "projected" else {}
    theirs = getattr(torch.nn, "LSTM" if kind == "projected" else kind)
    theirs = theirs(4, 5, layers, batch_first=True, bidirectional=both, **options)
    make = (lambda: LSTM(5, projection=2)) if kind == "projected" else lambda: LAYERS[kind](5)
    wanted = theirs(torch.tensor(X))[0].detach().numpy()
    layer = layer_for(make, layers, both)
    load_torch_state_dict(layer, theirs.state_dict())
    assert_close(layer(X), wanted, 1e-5)
    save_file(theirs.state_dict(), tmp_path / "w.safetensors")
    layer = layer_for(make, layers, both)
    load_torch_state_dict(layer, tmp_path / "w.safetensors")
    assert_close(layer(X), wanted, 1e-5)


def test_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    state_dict = weights_of_torch("LSTM", 1, False)
    safetensors.save_file(state_dict, tmp_path / "w.safetensors")
    layer = layer_for(lambda: LSTM(5), 1, False)
    load_torch_state_dict(layer, tmp_path / "w.safetensors")
    assert_close(layer(X), torch_run("LSTM", state_dict, 1, False, X), 1e-5)
    (tmp_path / "w.safetensors").write_bytes(b"no tensors")
    with pytest.raises(rnnzoo.UserError, match="cannot be read"):
        load_torch_state_dict(layer, tmp_path / "w.safetensors")


def test_without_bias():
    layer = layer_for(lambda: GRU(5, use_bias=False), 1, False)
    state_dict = {k: v for k, v in weights_of_torch("GRU", 1, False).items() if k.startswith("weight")}
    load_torch_state_dict(layer, state_dict)
    zeros = {f"bias_{part}_l0": np.zeros(15) for part in ("ih", "hh")}
    assert_close(layer(X), torch_run("GRU", state_dict | zeros, 1, False, X), 1e-5)


LSTM_1 = weights_of_torch("LSTM", 1, False)
REFUSED = {
    "a pickle": (lambda: LSTM(5), "weights.pt", "pickles can run code"),
    "no file": (lambda: LSTM(5), "none.safetensors", "there is no file"),
    "no mapping": (lambda: LSTM(5), 7, "state_dict must be a mapping"),
    "too few": (lambda: LSTM(5), {k: v for k, v in LSTM_1.items() if "hh" not in k}, "there is no weight_hh_l0"),
    "two layers": (lambda: LSTM(5), weights_of_torch("LSTM", 2, False), "no weights for bias_hh_l1"),
    "both ways": (lambda: LSTM(5), weights_of_torch("LSTM", 1, True), "no weights for .*_reverse"),
    "other units": (lambda: LSTM(6), LSTM_1, "weight_ih_l0 has 20 rows; .* needs 24"),
    "another kind": (lambda: GRU(5), LSTM_1, "weight_ih_l0 has 20 rows; .* needs 15"),
    "other inputs": (
        lambda: LSTM(5),
        LSTM_1 | {"weight_ih_l0": np.ones((20, 3))},
        r"the shape \(3, 20\), expected \(4, 20\)",
    ),
    "not in torch": (lambda: rnnzoo.layers.JordanRNN(5), LSTM_1, "torch has no JordanCell"),
    "reset before": (lambda: GRU(5, reset_after=False), LSTM_1, "reset_after=True"),
    "no forget gate": (lambda: LSTM(5, forget_gate=False), LSTM_1, "forget_gate=True"),
}


REFUSED |= {
    "zoneout": (lambda: LSTM(5, zoneout=0.1), LSTM_1, "has no zoneout"),
    "other gates": (lambda: LSTM(5, recurrent_activation="hard_sigmoid"), LSTM_1, "gates are sigmoid and tanh"),
    "backwards": (lambda: LSTM(5, go_backwards=True), LSTM_1, "no layer that goes backwards"),
    "residual": (lambda: Stack([LSTM(5), LSTM(5)], residual=True), LSTM_1, "without residual"),
    "between": (lambda: Stack([LSTM(5), rnnzoo.layers.Stack([LSTM(5)])]), LSTM_1, "recurrent layers only"),
    "two stacks": (lambda: Bidirectional(Stack([LSTM(5), LSTM(5)])), LSTM_1, r"put Bidirectional\(RNN\) into a Stack"),
    "a sum": (lambda: Bidirectional(LSTM(5), merge_mode="sum"), LSTM_1, "concatenates both directions"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_weights_change_nothing(case):
    make, state_dict, message = REFUSED[case]
    layer = layer_for(make, 1, False)
    before = layer.get_weights()
    with pytest.raises(rnnzoo.UserError, match=message):
        load_torch_state_dict(layer, state_dict)
    assert_close(layer.get_weights(), before, 0, 0)


def test_other_refusals():
    with pytest.raises(rnnzoo.UserError, match="is not built"):
        load_torch_state_dict(LSTM(5), LSTM_1)
    with pytest.raises(rnnzoo.UserError, match="no weight's name begins with 'rnn"):
        load_torch_state_dict(layer_for(lambda: LSTM(5), 1, False), LSTM_1, prefix="rnn.")
    with pytest.raises(rnnzoo.UserError, match="not a recurrent layer"):
        load_torch_state_dict("lstm", LSTM_1)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", ROWS)
def test_a_state_dict_made_is_one_that_is_loaded(kind, both, layers, tmp_path):
    def make():
        parts = [LAYERS[kind](5, return_sequences=True) for _ in range(layers)]
        layer = Stack([Bidirectional(part) if both else part for part in parts], return_sequences=True)
        layer.build((None, None, 4))
        return layer

    source, target = make(), make()
    arrays = make_torch_state_dict(source, "rnn.")
    expected = {name: array.shape for name, array in weights_of_torch(kind, layers, both).items()}
    assert {name.removeprefix("rnn."): array.shape for name, array in arrays.items()} == expected
    load_torch_state_dict(target, arrays, "rnn.")
    assert_close(target(X), source(X), 1e-6)
    save_torch_state_dict(source, tmp_path / "rnn.safetensors")
    target = make()
    load_torch_state_dict(target, tmp_path / "rnn.safetensors")
    assert_close(target(X), source(X), 1e-6)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("kind", ROWS)
def test_torch_reads_a_state_dict(kind):
    import torch

    layer = Stack([Bidirectional(LAYERS[kind](5, return_sequences=True)) for _ in range(2)], return_sequences=True)
    expected = layer(X)
    module = getattr(torch.nn, kind)(4, 5, num_layers=2, bidirectional=True, batch_first=True)
    module.load_state_dict({name: torch.tensor(array) for name, array in make_torch_state_dict(layer).items()})
    assert_close(module(torch.tensor(X))[0].detach().numpy(), expected, 1e-5)


def test_layers_that_torch_lacks_are_not_exported(tmp_path):
    unbuilt = LSTM(3)
    with pytest.raises(UserError, match="is not built"):
        make_torch_state_dict(unbuilt)
    with pytest.raises(UserError, match="reset_after=True"):
        make_torch_state_dict(GRU(3, reset_after=False))
    with pytest.raises(UserError, match=r"must end with \.safetensors"):
        save_torch_state_dict(unbuilt, tmp_path / "weights.pt")
    assert not list(tmp_path.iterdir())
