"""The engine of a run: which one is chosen, and that a resumed run does not change it unnoticed."""

import json

import pytest

import rnnzoo
from rnnzoo.engine import native
from rnnzoo.errors import UserError
from rnnzoo.run.cli import main, parse
from rnnzoo.run.settings import make_settings
from rnnzoo.training.engine import check_engine, choose_engine, describe_choice
from tests.run.test_resume import here, train  # noqa: F401


@pytest.fixture(autouse=True)
def compiler():
    if not native.status().available:
        pytest.skip(native.status().reason)


def engine_of(name, jit_compile="auto", **options):
    task = rnnzoo.create_task("adding", seq_length=10)
    return choose_engine(rnnzoo.create_model(name, task.spec, units=4, **options), jit_compile)["name"]


def test_choice(monkeypatch):
    for name in ("lstm", "gru", "elman", "bidirectional"):
        assert engine_of(name) == "native"
        assert engine_of(name, True) == "xla"
    assert engine_of("lstm", layers=2, dropout=0.1) == "native"
    assert engine_of("lstm-layernorm") == "xla"
    assert engine_of("lstm-layernorm", False) == "graph"
    model = rnnzoo.create_model("lstm", rnnzoo.create_task("adding", seq_length=10).spec, units=4)
    with monkeypatch.context() as patch:
        patch.setattr(native, "serves", None)  # nothing is compiled for a model that XLA compiles
        assert choose_engine(model, True) == {"name": "xla"}
    monkeypatch.setenv("RNNZOO_NATIVE", "0")
    assert engine_of("lstm") == "xla"
    assert engine_of("lstm", False) == "graph"
    assert "RNNZOO_NATIVE is 0" in describe_choice({"name": "graph"})


def test_flag():
    values = {
        "--jit_compile": True,
        "--nojit_compile": False,
        "--jit_compile=auto": "auto",
        "--jit_compile=false": False,
    }
    for flag, value in values.items():
        assert make_settings(parse(["train.py", flag])[0]).training.jit_compile is value
    assert make_settings({}).training.jit_compile == "auto"
    assert rnnzoo.training.TrainingOptions(jit_compile=True).jit_compile is True
    with pytest.raises(UserError, match=r"--jit_compile must be auto, true or false, got 'maybe'"):
        make_settings({"jit_compile": "maybe"})


def test_flag_of_another_value(capsys):
    assert main(["train.py", "--jit_compile=maybe"]) == 2
    assert "must be auto, true or false, got 'maybe'" in capsys.readouterr().err


def test_remedies():
    kernels = {"name": "native", "kernel": "a", "vector_bits": 256}
    assert check_engine({}, kernels, True) == check_engine({"engine": kernels}, dict(kernels), True) == ""
    assert "last digits" in check_engine({"engine": kernels}, {"name": "graph"}, False)
    assert "does not record its engine" in check_engine({"training": {}}, kernels, True)  # of an earlier version
    for before, remedy in (
        ({"name": "xla"}, "give --jit_compile=true"),
        ({"name": "graph"}, "RNNZOO_NATIVE=0"),
        ({**kernels, "kernel": "b"}, "with the TensorFlow, C compiler and processor that the run began with"),
        ({"name": "of the future"}, "start a new run"),
    ):
        with pytest.raises(UserError, match=remedy):
            check_engine({"engine": before}, kernels, True)


@pytest.mark.slow
def test_resumed_run_keeps_its_engine(here, capsys, monkeypatch):  # noqa: F811
    assert train("--steps=10", "--deterministic") == 0
    engine = json.loads((here / "run/config.json").read_text())["engine"]
    status = native.status()
    assert engine == {"name": "native", "kernel": status.digest, "vector_bits": status.vector_bits}
    monkeypatch.setenv("RNNZOO_NATIVE", "0")
    before = {p: p.read_bytes() for p in here.rglob("*") if p.is_file()}
    capsys.readouterr()
    assert train("--steps=12", "--resume", "--deterministic") == 2
    assert "is now computed by the plain graph; for identical results" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in here.rglob("*") if p.is_file()} == before
    assert train("--steps=12", "--resume", "--nodeterministic") == 0
    assert "results differ in their last digits" in capsys.readouterr().out


def test_verbose_run_says_which_engine_is_used(here, capsys, monkeypatch):  # noqa: F811
    assert train("--steps=1", "--verbosity=2", "--run_dir=a", "--export_dir=b") == 0
    assert f"engine: native kernels {native.status().digest}" in capsys.readouterr().out
    monkeypatch.setenv("RNNZOO_NATIVE", "0")
    assert train("--steps=1", "--verbosity=2", "--run_dir=c", "--export_dir=d") == 0
    assert "engine: the plain graph; native kernels are not available: RNNZOO_NATIVE is 0" in capsys.readouterr().out
