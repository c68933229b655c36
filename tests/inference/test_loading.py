"""Loading of hostile, damaged and valid files."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo import generate
from tests.helpers import normal
from tests.inference import hostile
from tests.inference.hostile import SPEC


def hostile_pickle(folder, mark):
    """The opcodes of a pickle that leaves a mark when it is read: GLOBAL, MARK, STRING, TUPLE, REDUCE, STOP."""
    path = folder / "model.pkl"
    path.write_bytes(f"cos\nsystem\n(S'touch {mark}'\ntR.".encode())
    return path


def with_lambda(path, mark):
    """A model whose Lambda layer leaves a mark when it is called."""
    touching = keras.layers.Lambda(lambda x, m=str(mark): (__import__("pathlib").Path(m).touch(), x)[1])
    keras.Sequential([keras.Input([1]), touching]).save(path)
    mark.unlink(missing_ok=True)
    return path


def hostile_h5(folder, mark):
    return with_lambda(folder / "model.h5", mark)


def hostile_keras(folder, mark):
    return with_lambda(folder / "model.keras", mark)


def hostile_config(folder, mark):
    config = {"module": "os", "class_name": "system", "config": f"touch {mark}", "registered_name": "system"}
    return hostile.keras_file(folder / "system.keras", **{"config.json": json.dumps(config).encode()})


def hostile_saved_model(folder, mark):
    path = hostile.at_load(folder / "saved_model", lambda: tf.io.write_file(tf.constant(str(mark)), "here"))
    mark.unlink(missing_ok=True)
    return path


HOSTILE = [hostile_pickle, hostile_h5, hostile_keras, hostile_config, hostile_saved_model]


@pytest.mark.parametrize("make", HOSTILE)
def test_hostile_files_have_no_effect(make, tmp_path, capsys):
    mark = tmp_path / "mark"
    path = make(tmp_path, mark)
    with pytest.raises(rnnzoo.UserError) as caught:
        rnnzoo.load(path)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    assert not mark.exists()
    assert generate.main(["generate", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1
    assert not mark.exists()


def test_hostile_files_are_hostile_without_the_check(tmp_path):
    """The same files have an effect if they are loaded without the check."""
    mark = tmp_path / "mark"
    tf.saved_model.load(str(hostile_saved_model(tmp_path, mark)))
    assert mark.exists()
    mark.unlink()
    path = hostile_pickle(tmp_path, mark)
    subprocess.run([sys.executable, "-m", "pickle", str(path)], check=True, capture_output=True)
    assert mark.exists()


def test_damaged_missing_and_other_files_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/saved_model.pb").write_bytes(b"\x0a\xff\xff\xff not a graph")
    (tmp_path / "broken.keras").write_bytes(b"PK no archive")
    (tmp_path / "notes.txt").write_text("hello")
    for name, message in (
        ("none", "there is no file or folder"),
        ("empty", "holds no saved_model.pb"),
        ("broken", "saved_model"),
        ("broken.keras", "is not a .keras file"),
        ("notes.txt", "neither an export's folder nor a .keras file"),
    ):
        with pytest.raises(rnnzoo.UserError, match=message):
            rnnzoo.load(tmp_path / name)


@pytest.mark.slow
def test_files_of_this_package_are_loaded(tmp_path, capsysbinary):
    model = rnnzoo.create_model("elman", SPEC, units=4)
    model.save(tmp_path / "m.keras")
    x = normal(2, 5, 3)
    np.testing.assert_allclose(rnnzoo.load(tmp_path / "m.keras")(x), model(x), atol=1e-6)
    export = rnnzoo.load(rnnzoo.export_saved_model(model, tmp_path / "features"))
    np.testing.assert_allclose(
        export.signatures["serving_default"](features=tf.constant(x))["predictions"], model(x), atol=1e-5
    )
    with pytest.raises(rnnzoo.UserError, match="does not generate text"):
        generate.generate(export)

    symbols = ("<pad>", "<unk>", "<s>", *"abcé ")
    spec = rnnzoo.TaskSpec("tokens", "token", True, 8, 8, "cross_entropy", ("loss",), symbols)
    path = str(rnnzoo.export_saved_model(rnnzoo.create_model("lstm", spec, units=4, embedding=4), tmp_path / "lm"))
    arguments = ["generate", path, "--prompt=aé", "--length=30", "--temperature=1", "--top_k=3", "--seed=5"]
    assert generate.main(arguments) == 0
    text = capsysbinary.readouterr().out.decode("utf-8")
    assert text.startswith("aé") and len(text) == 2 + 30 + 1
    assert text.rstrip("\n") == generate.generate(
        rnnzoo.load(path), prompt="aé", length=30, temperature=1.0, top_k=3, seed=5
    )
    for bad in (["--length=-1"], ["--temperature=nan"], ["--seed=x"], ["--colour=red"], ["second"]):
        assert generate.main([*arguments, *bad]) == 2
        assert capsysbinary.readouterr().err.count(b"\n") == 1
