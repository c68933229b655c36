"""Files of version 0.1.0 load, and its runs resume, through the table of renames."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import rnnzoo
from rnnzoo import renames, serialization
from rnnzoo.run.cli import main
from tests.helpers import normal

OLD = Path(__file__).parent / "fixtures" / "version-0.1.0"
LINES = "".join(f"the cat sat on the mat {i}\n" for i in range(1, 401))
FLAGS = ["--model=lstm", "--units=6", "--embedding=4", "--checkpoint_every=3", "--deterministic", "--nojit_compile"]
FLAGS += ["--batch_size=4", "--seq_length=8", "--verbosity=0"]


def test_layers_in_a_keras_file():
    """Written by 0.1.0: Masking, Bidirectional(LSTM), Stack of LayerNormLSTM and GRU, DeepTransition."""
    stored = np.load(OLD / "layers.npz")
    model = keras.models.load_model(OLD / "layers.keras")
    np.testing.assert_allclose(model(stored["x"]), stored["y"], atol=1e-6)


INITIAL = {  # sums of the absolute weights, as 0.3.0 initializes them from seed 0
    ("lstm", "adding"): 28.990, ("stacked", "adding"): 46.657, ("bidirectional", "copy"): 1011.583,
    ("seq2seq", "reverse"): 3319.428, ("recursive", "listops"): 76.843,
}  # fmt: skip


@pytest.mark.parametrize(("name", "task"), INITIAL)
def test_a_seed_gives_the_weights_that_it_gave(name, task):
    """An initializer that takes a seed without need would change all runs of a seed."""
    options = {"stacked": {"cell": "gru", "layers": 2}, "seq2seq": {"attention": "additive"}}.get(name, {})
    spec = rnnzoo.create_task(task).spec
    keras.utils.set_random_seed(0)
    model = rnnzoo.create_model(name, spec, units=4, **options)
    total = sum(np.abs(weight.numpy()).sum() for weight in model.weights)
    assert total == pytest.approx(INITIAL[name, task], abs=2e-3)


def test_a_model_in_a_keras_file():
    model = rnnzoo.load(OLD / "run" / "model.keras")
    assert model.count_params() > 100 and model.spec.is_language_model


@pytest.mark.slow
def test_old_run_resumes(tmp_path):
    """A run of 0.1.0 that ended after 6 steps has the weights of a run of this version after them, and goes on."""
    (tmp_path / "book.txt").write_text(LINES)
    folders = []
    for name in ("old", "new"):
        run, export = tmp_path / name, tmp_path / f"{name}-export"
        flags = [*FLAGS, f"--data={tmp_path / 'book.txt'}", f"--run_dir={run}", f"--export_dir={export}"]
        if name == "old":
            shutil.copytree(OLD / "run", run)
            config = json.loads((run / "config.json").read_text(encoding="utf-8"))
            config["task_options"]["data"], config["export_dir"] = str(tmp_path / "book.txt"), str(export)
            (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
            flags = [*flags, "--resume"]
        assert main(["train.py", *flags, "--steps=6"]) == 0
        folders.append(run)
    old, new = (json.loads((run / "result.json").read_text(encoding="utf-8")) for run in folders)
    assert old["metrics"]["test"]["loss"] == pytest.approx(new["metrics"]["test"]["loss"], abs=1e-5)
    assert main(["train.py", *flags_of(folders[0], tmp_path), "--steps=8"]) == 0
    steps = [json.loads(line)["step"] for line in (folders[0] / "log.jsonl").read_text().splitlines()]
    assert steps[-1] == 8 and len(set(steps)) == len(steps)


def flags_of(run, tmp_path):
    return [*FLAGS, f"--data={tmp_path / 'book.txt'}", f"--run_dir={run}", f"--export_dir={run}-export", "--resume"]


def test_old_export_is_refused_with_its_version(tmp_path):
    shutil.copytree(OLD / "export", tmp_path / "export")
    (tmp_path / "export" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(rnnzoo.UserError, match=r"was exported by rnnzoo 0\.1\.0, whose signatures"):
        rnnzoo.load(tmp_path / "export")
    config = tmp_path / "export" / "assets.extra" / "config.json"
    values = json.loads(config.read_text(encoding="utf-8"))
    del values["rnnzoo"]  # as export_saved_model wrote it outside of a run
    config.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(rnnzoo.UserError, match=r"was exported by rnnzoo 0\.1\.0"):
        rnnzoo.load(tmp_path / "export")


def test_the_table_of_renames(tmp_path, monkeypatch):
    """Classes, arguments, options, values and fields of a stored file have other names today."""
    layer = rnnzoo.layers.ElmanRNN(3, zero_output_for_mask=True)
    config = layer.get_config()
    config["zero_padding"] = config.pop("zero_output_for_mask")
    model = rnnzoo.create_model("elman", rnnzoo.create_task("adding").spec, units=4)
    stored = model.get_config()
    stored["model"] = "simple"
    stored["options"]["size"] = stored["options"].pop("units")
    stored["spec"]["width"] = stored["spec"].pop("input_size")
    with pytest.raises((TypeError, ValueError)):
        type(layer).from_config(config)
    changes = {"class": {"SimpleRecurrent": "ElmanRNN"}, "argument": {"zero_padding": "zero_output_for_mask"}}
    changes |= {"option": {"size": "units"}, "value": {"simple": "elman"}, "spec": {"width": "input_size"}}
    monkeypatch.setattr(renames, "RENAMED", changes)
    monkeypatch.setattr(serialization, "RENAMED", changes)
    assert type(layer).from_config(config).zero_output_for_mask
    again = type(model).from_config(stored)
    again.set_weights(model.get_weights())
    x = normal(2, 5, 2)
    np.testing.assert_array_equal(again(x), model(x))
    serialization.register_renamed_classes()
    try:
        actual = keras.saving.deserialize_keras_object(
            {"class_name": "SimpleRecurrent", "config": layer.get_config(), "registered_name": "rnnzoo>SimpleRecurrent"}
        )
    finally:
        del keras.saving.get_custom_objects()["rnnzoo>SimpleRecurrent"]
    assert type(actual) is rnnzoo.layers.ElmanRNN
