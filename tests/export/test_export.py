"""Signatures of exported models, and refused exports."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import rnnzoo
from rnnzoo.data.tokens import split_words, split_words_and_punctuation
from rnnzoo.export import ExportError, LanguageModelServing
from rnnzoo.models.sampling import Sampler
from rnnzoo.spec import SPECIAL_TOKENS
from tests.helpers import fresh_python

SYMBOLS = (*SPECIAL_TOKENS, *"abc dé🙂")
SPEC = rnnzoo.TaskSpec("tokens", "token", True, len(SYMBOLS), len(SYMBOLS), "cross_entropy", ("loss",), SYMBOLS)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = rnnzoo.create_model("lstm", SPEC, units=8, embedding=4)
    path = rnnzoo.export_saved_model(model, tmp_path_factory.mktemp("export") / "lm", config={"note": 1})
    return model, path, tf.saved_model.load(str(path)).signatures


def write(signatures, prompts, length=12, temperature=1.0, top_k=0, seed=0):
    numbers = {"length": length, "temperature": temperature, "top_k": top_k, "seed": seed}
    constants = {name: tf.constant(np.atleast_1d(value)) for name, value in numbers.items()}
    constants["temperature"] = tf.cast(constants["temperature"], tf.float32)
    constants = {k: v if k == "temperature" else tf.cast(v, tf.int32) for k, v in constants.items()}
    texts = signatures["generate"](prompt=tf.constant(prompts), **constants)["text"].numpy()
    return [text.decode() for text in texts]


@pytest.mark.slow
def test_generate(exported):
    signatures = exported[2]
    prompts = ["ab", "", "é🙂x", "a" * 30]
    texts = write(signatures, prompts)
    assert texts == write(signatures, prompts) != write(signatures, prompts, seed=1)
    for prompt, text in zip(prompts, texts, strict=True):
        assert text.startswith(prompt) and len(text) == len(prompt) + 12
        assert set(text[len(prompt) :]) <= set(SYMBOLS[len(SPECIAL_TOKENS) :])
    likeliest = write(signatures, prompts, temperature=0.0)
    assert likeliest == write(signatures, prompts, top_k=1, seed=5)
    # rows of a batch do not see each other's padding
    assert likeliest == [write(signatures, [prompt], temperature=0.0)[0] for prompt in prompts]
    assert write(signatures, prompts, length=0) == prompts


def test_generation_equals_the_model(exported):
    model, _, signatures = exported
    ids = [2]
    for _ in range(8):
        logits = model(np.array([ids], "int32"))[0, -1].numpy()
        ids.append(len(SPECIAL_TOKENS) + int(np.argmax(logits[len(SPECIAL_TOKENS) :])))
    assert write(signatures, [""], length=8, temperature=0.0) == ["".join(SYMBOLS[i] for i in ids[1:])]


def test_tokens_are_sampled_by_probability():
    logits = tf.math.log(tf.constant([[0.3, 0.1, 0.1, 0.1, 0.2, 0.2]] * 4000))
    uniform = tf.random.stateless_uniform([4000], [1, 2])
    chosen = Sampler(6)(logits, uniform).numpy()
    assert set(chosen) == {3, 4, 5}
    np.testing.assert_allclose(np.bincount(chosen, minlength=6)[3:] / 4000, [0.2, 0.4, 0.4], atol=0.03)
    assert set(Sampler(6, top_k=2)(logits, uniform).numpy()) == {4, 5}
    assert set(Sampler(6, 0.05)(tf.add(logits, [[0.0, 0, 0, 0, 1, 0]]), uniform).numpy()) == {4}
    # each row by its own values
    own = Sampler(6, [0.0, 1.0, 1.0], [0, 2, 0])(logits[:3], tf.constant([0.999, 1 - 2.0**-24, 0.999])).numpy()
    assert own.tolist() == [4, 5, 3]


def test_scores_of_strings(exported):
    model, _, signatures = exported
    texts = ["ab", "", "zz unseen", "🙂" * 7]
    actual = signatures["serving_default"](text=tf.constant(texts))
    for text, nats, bits in zip(texts, actual["log_probability"].numpy(), actual["bits_per_char"].numpy(), strict=True):
        ids = [2, *(SYMBOLS.index(c) if c in SYMBOLS else 1 for c in text)]
        logs = tf.nn.log_softmax(model(np.array([ids], "int32")))[0].numpy()
        expected = sum(logs[t, ids[t + 1]] for t in range(len(text)))
        assert nats == pytest.approx(expected, abs=1e-4)
        assert bits == pytest.approx(-expected / np.log(2) / max(1, len(text)), abs=1e-5)


def test_empty_texts(exported):
    actual = exported[2]["serving_default"](text=tf.constant(["", ""]))
    assert actual["log_probability"].numpy().tolist() == actual["bits_per_char"].numpy().tolist() == [0, 0]


def test_invalid_utf8_is_answered(exported):
    actual = exported[2]["serving_default"](text=tf.constant([b"ab\xff\xfe"]))
    assert np.isfinite(actual["log_probability"].numpy()).all()


def test_inputs_are_dynamic_and_named(exported):
    _, path, signatures = exported
    specs = {name: f.structured_input_signature[1] for name, f in signatures.items()}
    assert set(specs) == {"serving_default", "initial_state", "step", "generate"}
    assert set(specs["step"]) == {"inputs", "state_0", "state_1"}
    assert specs["step"]["state_0"].shape.as_list() == [None, 8]
    assert set(specs["generate"]) == {"prompt", "length", "temperature", "top_k", "seed"}
    kept = json.loads((path / "assets.extra/config.json").read_text(encoding="utf-8"))
    assert kept["note"] == 1 and kept["spec"]["vocabulary"] == list(SYMBOLS)


def test_signature_names_do_not_depend_on_earlier_models(exported):
    for _ in range(2):
        again = LanguageModelServing(rnnzoo.create_model("lstm", SPEC, units=8, embedding=4)).functions
        for name, f in exported[2].items():
            arguments = {spec.name: spec for spec in again[name].structured_input_signature[0]}
            assert arguments == f.structured_input_signature[1]
            assert set(again[name].structured_outputs) == set(f.structured_outputs)


def test_no_device_specific_operations(exported):
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString((exported[1] / "saved_model.pb").read_bytes())
    nodes = [node for graph in stored.meta_graphs for node in graph.graph_def.node]
    functions = [f for graph in stored.meta_graphs for f in graph.graph_def.library.function]
    nodes += [node for f in functions for node in f.node_def]
    names = {node.op for node in nodes}
    assert len(names) > 20
    assert not [n for n in names if "Cudnn" in n or "PyFunc" in n or "Xla" in n or n in ("ReadFile", "WriteFile")]
    assert not [f for f in functions if f.attr["_XlaMustCompile"].b]


def test_loads_without_this_package(exported):
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("rnnzoo", "keras"):
            raise ImportError(name)
import tensorflow as tf
sys.meta_path.insert(0, Refuse())
s = tf.saved_model.load(sys.argv[1]).signatures
args = dict(length=12, temperature=1.0, top_k=0, seed=0)
args = {k: tf.constant([v]) for k, v in args.items()}
print(s["generate"](prompt=tf.constant(["ab"]), **args)["text"].numpy()[0].decode())
"""
    printed = fresh_python(code, exported[1], PYTHONIOENCODING="utf-8")
    assert printed.rstrip("\n") == write(exported[2], ["ab"])[0]


def test_existing_files_are_not_overwritten(exported, tmp_path):
    model = exported[0]
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(rnnzoo.UserError, match="exists and is not empty"):
        rnnzoo.export_saved_model(model, tmp_path)
    with pytest.raises(rnnzoo.UserError, match="are not of a SavedModel and will not be replaced"):
        rnnzoo.export_saved_model(model, tmp_path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_other_models_are_refused(tmp_path):
    with pytest.raises(rnnzoo.UserError, match=r"models of rnnzoo\.create_model, got int"):
        rnnzoo.export_saved_model(3, tmp_path / "x")


@pytest.mark.slow
def test_exports_with_wrong_answers_are_removed(exported, tmp_path, monkeypatch):
    model, probes = exported[0], LanguageModelServing.probes

    def changed(serving):
        actual = probes(serving)
        model.head.bias.assign(model.head.bias + 0.5 * np.arange(len(SYMBOLS)))  # after it was written
        return actual

    old = tmp_path / "lm"
    old.mkdir()
    (old / "saved_model.pb").write_text("precious")
    kept = model.head.bias.numpy()
    monkeypatch.setattr(LanguageModelServing, "probes", changed)
    with pytest.raises(ExportError, match="gives other results than the model in memory"):
        rnnzoo.export_saved_model(model, old, overwrite=True)
    model.head.bias.assign(kept)
    assert [p.name for p in tmp_path.rglob("*")] == ["lm", "saved_model.pb"]


@pytest.mark.slow
def test_words_round_trip(tmp_path):
    symbols = (*SPECIAL_TOKENS, "\n", "the", "cat", "žluť")
    spec = rnnzoo.TaskSpec("tokens", "token", True, 7, 7, "cross_entropy", ("perplexity",), symbols, "word")
    model = rnnzoo.create_model("elman", spec, units=8, embedding=4)
    signatures = tf.saved_model.load(str(rnnzoo.export_saved_model(model, tmp_path / "lm"))).signatures
    actual = signatures["serving_default"](text=tf.constant([" the  cat\t žluť\nsat"]))
    ids = [2, 4, 5, 6, 3, 1]
    logs = tf.nn.log_softmax(model(np.array([ids[:-1]], "int32")))[0].numpy()
    expected = sum(logs[t, ids[t + 1]] for t in range(5))
    assert actual["log_probability"].numpy()[0] == pytest.approx(expected, abs=1e-5)
    assert actual["perplexity"].numpy()[0] == pytest.approx(np.exp(-expected / 5), rel=1e-5)
    (text,) = write(signatures, ["the cat"], length=6)
    assert text.startswith("the cat") and len(split_words(text)) == 8
    assert set(split_words(text)) <= set(symbols)


@pytest.mark.slow
def test_text_classification(tmp_path):
    task = rnnzoo.create_task("temporal_order", batch_size=3, seq_length=20)
    model = rnnzoo.create_model("lstm", task.spec, units=8, embedding=4)
    signatures = tf.saved_model.load(str(rnnzoo.export_saved_model(model, tmp_path / "order"))).signatures
    batch = task.batch(0, 0)
    text = [
        "".join(task.spec.vocabulary[i] for i in row[there])
        for row, there in zip(batch.inputs, batch.mask, strict=True)
    ]
    actual = signatures["serving_default"](text=tf.constant(text))["predictions"]
    np.testing.assert_allclose(actual, model(batch.inputs, mask=tf.constant(batch.mask)), atol=1e-5)


@pytest.mark.slow
def test_tags_and_words_with_characters(tmp_path):
    symbols, letters = (*SPECIAL_TOKENS, "the", "cat"), (*SPECIAL_TOKENS, *"thecasž")
    spec = rnnzoo.TaskSpec(
        "tokens", "class", True, 5, 3, "cross_entropy", ("loss",), symbols, "word", ("B-X", "I-X", "O"), letters, 4
    )
    model = rnnzoo.create_model("bidirectional", spec, units=8, embedding=4, char_units=3)
    signatures = tf.saved_model.load(str(rnnzoo.export_saved_model(model, tmp_path / "tagger"))).signatures
    assert set(signatures) == {"serving_default"}
    nothing = signatures["serving_default"](text=tf.constant(["", " "]))
    assert nothing["label"].numpy().tolist() == [[b""], [b""]]
    actual = signatures["serving_default"](text=tf.constant(["the  žasthe", "cat", ""]))
    ids = np.zeros((3, 2, 5), "int32")
    ids[0, 0], ids[0, 1] = [3, 3, 4, 5, 0], [1, 9, 7, 8, 3]
    ids[1, 0] = [4, 6, 7, 3, 0]
    mask = ids[..., 0] > 0
    np.testing.assert_allclose(actual["predictions"], model(ids, mask=tf.constant(mask)), atol=1e-5)
    best = np.array(spec.labels)[actual["predictions"].numpy().argmax(-1)]
    assert (actual["label"].numpy().astype(str) == np.where(mask, best, "")).all()
    causal = rnnzoo.create_model("gru", spec, units=8, embedding=4)
    signatures = tf.saved_model.load(str(rnnzoo.export_saved_model(causal, tmp_path / "stream"))).signatures
    state = signatures["initial_state"](rows=tf.zeros([3], tf.int32))
    for t in range(2):
        actual = signatures["step"](inputs=tf.constant(ids[:, t]), **state)
        state = {name: value for name, value in actual.items() if name != "outputs"}
    np.testing.assert_allclose(actual["outputs"], causal(ids)[:, -1], atol=1e-5)


@pytest.mark.slow
def test_forecasts_are_in_the_users_units(tmp_path):
    scale = (((10.0, -5.0), (2.0, 4.0)), ((10.0, -5.0) * 3, (2.0, 4.0) * 3))
    spec = rnnzoo.TaskSpec(
        "features", "vector", False, 2, 6, "mse", ("mse",), input_scale=scale[0], output_scale=scale[1]
    )
    model = rnnzoo.create_model("elman", spec, units=8)
    signatures = tf.saved_model.load(str(rnnzoo.export_saved_model(model, tmp_path / "f"))).signatures
    x = np.random.default_rng(0).normal(size=(4, 7, 2)).astype("float32")
    raw = x * [2, 4] + [10, -5]
    actual = signatures["serving_default"](features=tf.constant(raw, tf.float32))["predictions"]
    np.testing.assert_allclose(actual, model(x).numpy().reshape(4, 3, 2) * [2, 4] + [10, -5], atol=1e-4)


@pytest.mark.slow
def test_tokens_are_split_in_the_graph_as_in_the_task(tmp_path):
    text = "def f(x_1):\n\treturn x_1 += 'é道' # 3.5e-7\v!"
    symbols = (*SPECIAL_TOKENS, *dict.fromkeys(split_words_and_punctuation(text)))
    labels = ("a", "b")
    n = len(symbols)
    spec = rnnzoo.TaskSpec("tokens", "class", False, n, 2, "cross_entropy", ("loss",), symbols, "token", labels)
    model = rnnzoo.create_model("lstm", spec, units=8, embedding=4)
    signatures = tf.saved_model.load(str(rnnzoo.export_saved_model(model, tmp_path / "c"))).signatures
    ids = np.array([[symbols.index(token) for token in split_words_and_punctuation(text)]], "int32")
    actual = signatures["serving_default"](text=tf.constant([text]))
    np.testing.assert_allclose(actual["predictions"], model(ids), atol=1e-5)
    assert actual["label"].numpy()[0].decode() in labels
    silent = signatures["serving_default"](text=tf.constant(["", "  "]))["predictions"].numpy()
    assert np.isfinite(silent).all()
    assert silent.shape == (2, 2)


@pytest.mark.slow
def test_series_of_different_lengths(tmp_path):
    spec = rnnzoo.TaskSpec("features", "class", False, 2, 3, "cross_entropy", labels=("a", "b", "c"))
    model = rnnzoo.create_model("bidirectional", spec, units=4)
    signatures = tf.saved_model.load(str(rnnzoo.export_saved_model(model, tmp_path / "s"))).signatures
    x = np.random.default_rng(0).normal(size=(2, 9, 2)).astype("float32")
    actual = signatures["padded"](features=tf.constant(x), lengths=tf.constant([4, 9]))["predictions"]
    alone = [signatures["serving_default"](features=tf.constant(x[i : i + 1, :n])) for i, n in ((0, 4), (1, 9))]
    np.testing.assert_allclose(actual, np.concatenate([a["predictions"] for a in alone]), atol=1e-5)


@pytest.mark.slow
def test_lower_case_does_not_depend_on_the_locale():
    """ICU would make a dotless i of I in Turkish, and add dots above others in Lithuanian."""
    letters = "TITLE IJÌÍĨĮİ \u00c0\u0391\u0421\u00df Ä\u0301I\u0307J\u0301"
    code = f"""
import tensorflow as tf
from rnnzoo.export.tokenizer import to_lower
assert to_lower(tf.constant([{letters!r}])).numpy()[0].decode() == {letters.lower()!r}
"""
    for language in ("tr_TR.UTF-8", "lt_LT.UTF-8"):
        fresh_python(code, LC_ALL=language)
