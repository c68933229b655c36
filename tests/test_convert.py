"""Conversion of exports by `python -m rnnzoo.convert`, and the converted files in their own runtimes."""

import dataclasses
import importlib.util
import json
import os

import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo import convert
from rnnzoo.conversion import ConversionError, comparison, convert_export, formats, quality
from rnnzoo.conversion.numeric import make_numeric_signatures
from rnnzoo.export.saved_model import make_serving
from rnnzoo.run import cli
from tests.export import kinds
from tests.helpers import fresh_python

FORMATS = formats.FORMATS
# each kind in a format, and a model of each family in all of them
KINDS = {
    "onnx": ("words", "class of steps", "forecast", "vectors to text", "tree"),
    "litert": ("class of text", "stacked class of steps", "pairs with input feeding", "vector to vectors"),
    "openvino": (),
}
FAMILIES = ("characters", "pairs with attention", "nodes")
OF_TWO = ("tags of spelled words", "class of a series", "label to text")  # OpenVINO is slow
KINDS = {name: (*own, *FAMILIES, *(OF_TWO if name != "openvino" else ())) for name, own in KINDS.items()}


def needed(name):
    """Skips a test whose runtime is missing, or lets it fail where skips are not allowed."""
    for module in FORMATS[name].modules:
        if not os.environ.get("CI") and importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Returns the function that exports a model of a kind, once."""
    folder, made = tmp_path_factory.mktemp("exports"), {}

    def export(kind):
        if kind not in made:
            made[kind] = rnnzoo.export_saved_model(kinds.make(kind), folder / kind.replace(" ", "_"))
        return made[kind]

    return export


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds.KINDS)
def test_numeric_signatures_answer_like_the_saved_model(kind):
    serving = make_serving(kinds.make(kind))
    signatures = make_numeric_signatures(serving)
    compared = set()
    for name, _, arguments in serving.probes():
        if name not in signatures:
            continue
        signature = signatures[name]
        inputs = {key: np.asarray(value) for key, value in signature.convert_inputs(arguments).items()}
        assert list(inputs) == [spec.name for spec in signature.specs]
        traced = signature.trace(portable=False)(*(tf.constant(value) for value in inputs.values()))
        got = signature.comparable(inputs, {key: value.numpy() for key, value in traced.items()})
        expected = serving.functions[name](*arguments.values())
        assert set(got) == set(expected)
        for key, value in expected.items():
            if value.dtype == tf.string:
                assert np.array_equal(got[key], value.numpy().astype(str))
            else:
                np.testing.assert_allclose(got[key], value, atol=1e-5)
        compared.add(name)
    assert compared == set(signatures)


@pytest.mark.slow
def test_bad_input_is_one_line(tmp_path, exports, capsys):
    export = str(exports("characters"))
    for arguments, message in [
        ([], "usage: python -m rnnzoo.convert EXPORT --to=onnx|litert|openvino --out=PATH"),
        ([export, "--to=onnx"], "usage"),
        ([export, "--to=tfjs", f"--out={tmp_path}/x"], "--to must be one of onnx, litert, openvino"),
        ([str(tmp_path), "--to=litert", f"--out={tmp_path}/x"], "is not an export"),
        ([export, "--to=litert", f"--out={tmp_path}/x", "--quantize=int4"], "--quantize must be one of"),
    ]:
        assert convert.main(["convert", *arguments]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and message in lines[0]
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_package_is_named_with_its_extra(name, tmp_path, exports, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    assert convert.main(["convert", str(exports("characters")), f"--to={name}", f"--out={tmp_path}/x"]) == 2
    assert f"pip install 'rnnzoo[{name}]'" in capsys.readouterr().err


def test_the_loss_of_a_metric_is_relative_and_knows_its_direction():
    assert quality.Quality("accuracy", 0.5, 0.4, 200).loss == pytest.approx(0.2)
    assert quality.Quality("mse", 0.5, 0.4, 200).loss == pytest.approx(-0.2)
    assert quality.Quality("bits_per_char", 2.0, 2.5, 200).loss == pytest.approx(0.25)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name in FORMATS for kind in KINDS[name]])
def test_every_kind_converts_to_every_format(name, kind, tmp_path, exports):
    needed(name)
    conversion = convert_export(exports(kind), name, tmp_path / "out")
    assert {file.signature for file in conversion.files} == set(make_numeric_signatures(make_serving(kinds.make(kind))))
    described = json.loads(conversion.description.read_text(encoding="utf-8"))
    for file in conversion.files:
        assert file.difference <= 1e-4
        assert described["signatures"][file.signature]["file"] == file.path.name
    if name == "litert":
        assert b"Flex" not in conversion.files[0].path.read_bytes()


FORECAST = dataclasses.replace(kinds.KINDS["forecast"][1], window=8)
TOKENS = kinds.KINDS["class of text"][1]
OTHERS = {
    "differences of a season": ("lstm", FORECAST, {"difference": "season", "seasonal_period": 3}, {}),
    "normalized windows": ("gru", FORECAST, {"difference": "last", "normalize": "window"}, {}),
    "conditional random field": ("bidirectional", TOKENS, {"per_step": True}, {"crf": True, "embedding": 4}),
    "sum of children": ("recursive", kinds.KINDS["nodes"][1], {"arity": 0}, {"composition": "tree-lstm-childsum"}),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("onnx", "differences of a season"),
        ("litert", "normalized windows"),
        *((name, "conditional random field") for name in FORMATS),
        ("onnx", "sum of children"),
    ],
)
def test_other_parts_of_models_convert(name, other, tmp_path):
    needed(name)
    model, spec, fields, options = OTHERS[other]
    made = rnnzoo.create_model(model, dataclasses.replace(spec, **fields), units=6, **options)
    path = rnnzoo.export_saved_model(made, tmp_path / "export")
    assert all(file.difference <= 1e-4 for file in convert_export(path, name, tmp_path / "out").files)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_quantized_files_are_smaller_and_measured(name, tmp_path, capsys):
    needed(name)
    export = tmp_path / "adding"
    flags = ["--task=adding", "--units=64", "--steps=2", "--seq_length=10", f"--run_dir={tmp_path / 'run'}"]
    assert cli.main(["train.py", *flags, f"--export_dir={export}"]) == 0
    sizes = {}
    for quantize in ("none", "float16", "int8"):
        capsys.readouterr()
        arguments = [str(export), f"--to={name}", f"--out={tmp_path / quantize}", "--signature=step,padded"]
        assert convert.main(["convert", *arguments, f"--quantize={quantize}"]) == 0
        shown = capsys.readouterr().out
        assert ("200 test examples" in shown) == (quantize == "int8")
        sizes[quantize] = sum(f.stat().st_size for f in (tmp_path / quantize).iterdir() if f.name != "model.json")
    assert sizes["int8"] < sizes["float16"] < sizes["none"]


@pytest.mark.slow
def test_a_loss_of_quality_is_refused_and_leaves_no_file(tmp_path, monkeypatch, capsys):
    needed("litert")
    export = tmp_path / "adding"
    flags = ["--task=adding", "--units=8", "--steps=2", "--seq_length=10", f"--run_dir={tmp_path / 'run'}"]
    assert cli.main(["train.py", *flags, f"--export_dir={export}"]) == 0
    monkeypatch.setattr(quality.Quality, "loss", property(lambda self: 0.03))
    arguments = ["convert", str(export), "--to=litert", f"--out={tmp_path / 'out.tflite'}", "--signature=step"]
    assert convert.main([*arguments, "--quantize=int8"]) == 1
    assert "3.0% worse; add --allow_loss" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adding", "run"]
    assert convert.main([*arguments, "--quantize=int8", "--allow_loss"]) == 0
    assert (tmp_path / "out.tflite").is_file() and (tmp_path / "out.json").is_file()


@pytest.mark.slow
def test_a_difference_leaves_no_file(tmp_path, exports, monkeypatch):
    needed("litert")
    monkeypatch.setattr(comparison, "_difference", lambda *_, **__: 2e-4)
    with pytest.raises(ConversionError, match=r"differs from the SavedModel: .* by 0\.0002"):
        convert_export(exports("forecast"), "litert", tmp_path / "out" / "m.tflite")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.slow
def test_existing_files_are_kept(tmp_path, exports, capsys):
    needed("litert")
    (tmp_path / "m.tflite").write_text("mine")
    arguments = ["convert", str(exports("forecast")), "--to=litert", f"--out={tmp_path / 'm.tflite'}"]
    assert convert.main(arguments) == 2
    assert "exists" in capsys.readouterr().err and (tmp_path / "m.tflite").read_text() == "mine"
    assert convert.main([*arguments, "--overwrite"]) == 0
    assert (tmp_path / "m.tflite").stat().st_size > 1000


@pytest.mark.slow
def test_a_file_runs_without_tensorflow(tmp_path, exports):
    needed("onnx")
    convert_export(exports("characters"), "onnx", tmp_path / "out", signatures=["step"])
    program = f"""
import sys, json, numpy, onnxruntime
model = json.load(open({str(tmp_path / "out" / "model.json")!r}))
step = model["signatures"]["step"]
session = onnxruntime.InferenceSession({str(tmp_path / "out" / "step.onnx")!r})
state = {{s["input"]: numpy.full((2, *i["shape"][1:]), s["initial"], "float32")
         for s, i in zip(step["states"], step["inputs"][1:])}}
names = [output.name for output in session.get_outputs()]
answer = dict(zip(names, session.run(None, {{"inputs": numpy.array([2, 2], "int32"), **state}})))
assert answer["outputs"].shape == (2, len(model["vocabulary"])) and "tensorflow" not in sys.modules
assert set(answer) == {{"outputs"}} | {{s["output"] for s in step["states"]}}
"""
    fresh_python(program)
