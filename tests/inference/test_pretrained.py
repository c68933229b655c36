"""Pretrained models by name."""

import os

import numpy as np
import pytest

import rnnzoo
from rnnzoo.inference import model_names
from rnnzoo.inference.model_names import find_model
from rnnzoo.inference.predictor import Predictor
from tests.export import kinds

CARD = "---\nlicense: other\nmodel-index:\n- name: x\n---\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with one model that has a card, and one without."""
    folder = tmp_path_factory.mktemp("models")
    for kind, name in (("characters", "lstm-text"), ("class of text", "lstm-labels")):
        rnnzoo.export_saved_model(kinds.make(kind), folder / name)
    (folder / "lstm-text" / "README.md").write_text(CARD)
    (folder / "lstm-labels" / "README.md").write_text("notes of mine, which are no card")
    return folder


@pytest.fixture(autouse=True)
def only_these(models, monkeypatch):
    monkeypatch.setenv("RNNZOO_MODELS", str(models))
    monkeypatch.setattr(model_names, "CHECKOUT", models)  # without a checkout


@pytest.mark.slow
def test_models_are_found_by_name_and_by_path(models, tmp_path, monkeypatch):
    assert rnnzoo.list_pretrained() == ["lstm-text"]
    assert rnnzoo.list_pretrained("gru*") == []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lstm-text").mkdir()  # the name of a model comes first
    assert find_model("lstm-text") == models / "lstm-text"
    assert find_model("lstm-labels") == models / "lstm-labels"
    assert find_model("./lstm-text/x") == tmp_path.__class__("lstm-text/x")
    assert find_model(models / "lstm-text") == models / "lstm-text"


def test_several_folders(models, tmp_path, monkeypatch):
    monkeypatch.setenv("RNNZOO_MODELS", os.pathsep.join([str(tmp_path), str(models)]))
    assert find_model("lstm-text") == models / "lstm-text"


def test_unknown_names(monkeypatch):
    with pytest.raises(rnnzoo.UserError, match=r"no file or folder lstm-txt, .* did you mean lstm-text\?"):
        rnnzoo.load("lstm-txt")
    with pytest.raises(rnnzoo.UserError, match="there are lstm-text"):
        rnnzoo.load_pretrained("zzz")
    with pytest.raises(rnnzoo.UserError, match=r"no file or folder lstm-text.v2, .* did you mean lstm-text\?"):
        rnnzoo.load("lstm-text.v2")
    with pytest.raises(rnnzoo.UserError, match="there is no file or folder lstm-text/x"):
        rnnzoo.load_pretrained("lstm-text/x")
    with pytest.raises(rnnzoo.UserError, match="cannot read 'aaaa"):
        rnnzoo.load("a" * 300)
    monkeypatch.setenv("RNNZOO_MODELS", "/nowhere")
    with pytest.raises(rnnzoo.UserError, match="RNNZOO_MODELS names /nowhere, which does not exist"):
        rnnzoo.load("lstm-text")
    monkeypatch.setenv("RNNZOO_MODELS", "")
    with pytest.raises(rnnzoo.UserError, match="in saved_models/ of the repository, not in the installed package"):
        rnnzoo.load_pretrained("lstm-text")


def test_checkout_is_searched(models, tmp_path, monkeypatch):
    monkeypatch.setenv("RNNZOO_MODELS", "")
    monkeypatch.setattr(model_names, "CHECKOUT", tmp_path)
    (tmp_path / "setup.py").touch()
    (tmp_path / "saved_models").symlink_to(models)
    assert rnnzoo.list_pretrained() == ["lstm-text"]


def test_a_loaded_model_trains(models):
    model = rnnzoo.load_pretrained("lstm-text")
    served = rnnzoo.load("lstm-text")
    stored = served.weights
    for path, weight in model.weights_by_path().items():
        np.testing.assert_array_equal(weight, stored[path])
    ids = np.random.default_rng(0).integers(3, model.spec.input_size, [16, 9])
    before = model.evaluate(ids[:, :-1], ids[:, 1:], verbose=0)
    model.fit(ids[:, :-1], ids[:, 1:], epochs=5, verbose=0)
    assert model.evaluate(ids[:, :-1], ids[:, 1:], verbose=0) < before


def test_padding_does_not_count(models):
    model = rnnzoo.load_pretrained("lstm-text")
    ids = np.random.default_rng(0).integers(3, model.spec.input_size, [4, 9])
    padded = np.pad(ids, [[0, 0], [0, 3]])
    values = [model.evaluate(x[:, :-1], x[:, 1:], verbose=0) for x in (ids, padded)]
    assert abs(values[0] - values[1]) < 1e-5


@pytest.mark.slow
def test_programs_take_names():
    assert Predictor("lstm-labels").predict_lines([1], ["abc"])[0] in ("x", "y", "z")
    assert rnnzoo.load("lstm-labels").signatures
