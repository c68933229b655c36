"""Exports of every kind in every program that loads SavedModels."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import rnnzoo
from rnnzoo.export import check
from rnnzoo.export.saved_model import make_serving
from tests.export import kinds, loaders
from tests.helpers import often

_MADE: dict = {}
KINDS = ("characters", "tags of spelled words", "pairs with attention", "nodes")  # others: tests/test_conformance.py

EXPORTED = (*KINDS, "forecast", "vectors to text", "label to text", "vector to vectors")


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """`export(kind)`: its model, its signatures in memory, and the folder of its export."""

    def made(kind):
        if kind not in _MADE:
            model = kinds.make(kind)
            path = tmp_path_factory.mktemp("exports") / "model"
            serving = make_serving(model)
            _MADE[kind] = model, serving, rnnzoo.export_saved_model(model, path)
        return _MADE[kind]

    yield made
    _MADE.clear()


def arrays(values):
    return {name: np.asarray(value) for name, value in values.items()}


def assert_same(got, expected):
    assert set(got) == set(expected)
    for name, value in expected.items():
        value, actual = np.asarray(value), np.asarray(got[name])
        if value.dtype == object:
            texts = [t.decode() if isinstance(t, bytes) else t for t in actual.ravel()]
            assert texts == [t.decode() for t in value.ravel()]
        else:
            assert actual.shape == value.shape, name
            np.testing.assert_allclose(actual.astype("float64"), value.astype("float64"), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", often("characters", of=KINDS))
def test_python_loader_and_session_give_the_models_answers(export, kind):
    """The session is used by C++ programs; here both loaders run in one process."""
    _, serving, path = export(kind)
    for loader in (check.python_loader, check.session_loader):
        answer = loader(str(path))
        for signature, _, inputs in serving.probes():
            assert_same(answer(signature, arrays(inputs)), serving.functions[signature](*inputs.values()))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tags of spelled words", "pairs with attention"])
def test_saved_model_cli_gives_the_models_answers(export, kind):
    _, serving, path = export(kind)
    for signature, _, inputs in serving.probes():
        if signature == "serving_default":
            given = {name: np.vectorize(_text)(v) if v.dtype == object else v for name, v in arrays(inputs).items()}
            assert_same(
                loaders.saved_model_cli(path, signature, **given), serving.functions[signature](*inputs.values())
            )


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_c_api_gives_the_models_answers(export, kind):
    _, serving, path = export(kind)
    probes = [(signature, arrays(inputs)) for signature, _, inputs in serving.probes()]
    answers = loaders.c_library(path, probes)
    for (signature, _, inputs), answer in zip(serving.probes(), answers, strict=True):
        assert_same(answer, serving.functions[signature](*inputs.values()))


@pytest.mark.parametrize("kind", often("characters", of=EXPORTED))
def test_row_and_column_format_of_rest(export, kind):
    _, serving, path = export(kind)
    loaded = tf.saved_model.load(str(path))
    for signature, batch, inputs in serving.probes():
        columns = {name: _json(np.asarray(value)) for name, value in inputs.items()}
        answer = json.loads(loaders.rest(loaded, json.dumps({"inputs": columns}), signature))["outputs"]
        outputs = serving.functions[signature](*inputs.values())
        assert_same(answer if len(outputs) > 1 else {next(iter(outputs)): answer}, outputs)
        rows = {name: value * batch if len(value) == 1 else value for name, value in columns.items()}
        instances = [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]
        predictions = json.loads(loaders.rest(loaded, json.dumps({"instances": instances}), signature))["predictions"]
        assert len(predictions) == batch
        if signature in ("generate", "sample"):  # where each row has its seed, it is not (seed, i) that it draws from
            columns = answer if len(outputs) > 1 else {next(iter(outputs)): answer}
            first = {name: pytest.approx(c[0], rel=1e-5) if name == "score" else c[0] for name, c in columns.items()}
            assert (predictions[0] if len(outputs) > 1 else {next(iter(outputs)): predictions[0]}) == first
            continue
        named = [p if len(outputs) > 1 else {next(iter(outputs)): p} for p in predictions]
        assert_same({name: np.array([p[name] for p in named], _kind(outputs[name])) for name in outputs}, outputs)


def _kind(value):
    return object if value.dtype == tf.string else None


def _json(array):
    return np.vectorize(_text, otypes=[object])(array).tolist() if array.dtype == object else array.tolist()


def test_invalid_requests_are_refused_as_by_tf_serving(export):
    loaded = tf.saved_model.load(str(export("characters")[2]))
    score = json.loads(loaders.rest(loaded, json.dumps({"inputs": [{"b64": "YWI="}]})))["outputs"]
    assert score == json.loads(loaders.rest(loaded, json.dumps({"inputs": {"text": ["ab"]}})))["outputs"]
    for body, message in [({}, "Missing"), ({"inputs": {"x": ["a"]}}, "are not"), ({"instances": []}, "non-empty")]:
        with pytest.raises(loaders.RestError, match=message):
            loaders.rest(loaded, json.dumps(body))


@pytest.mark.parametrize("kind", often("characters", of=EXPORTED))
def test_exports_hold_nothing_unreachable(export, kind):
    """From the main graph, which holds the signatures, the saver and the tables, every function is reached."""
    model, _, path = export(kind)
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString((path / "saved_model.pb").read_bytes())
    (graph,) = stored.meta_graphs
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    reached, left = set(), _called(graph.graph_def.node)
    while left:
        name = left.pop()
        if name not in reached:
            reached.add(name)
            left |= _called(functions[name].node_def)
    assert not [name for name in set(functions) - reached if not _of_a_table(graph, name)]
    assert not graph.graph_def.library.gradient and not graph.graph_def.library.registered_gradients
    nodes = [n for f in functions.values() for n in f.node_def] + list(graph.graph_def.node)
    assert not [n.name for n in nodes if "_gradient_op_type" in n.attr]
    variables = [n for n in graph.graph_def.node if n.op == "VarHandleOp"]
    assert len(variables) == len(model.weights)
    loaded = tf.saved_model.load(str(path))
    assert set(loaded.weights) == set(model.weights_by_path())
    for name, weight in model.weights_by_path().items():
        np.testing.assert_array_equal(loaded.weights[name].numpy(), weight.numpy())


def _called(nodes):
    actual = set()
    for node in nodes:
        for value in node.attr.values():
            actual |= {value.func.name} if value.func.name else set()
            actual |= {f.name for f in value.list.func}
    return actual


def _of_a_table(graph, name):
    """Whether the Python loader makes, fills or deletes a table by this function."""
    for node in graph.object_graph_def.nodes:
        for child in node.children:
            if child.local_name in ("_create_resource", "_initialize", "_destroy_resource"):
                made = graph.object_graph_def.nodes[child.node_id].function.concrete_functions
                if name in made or any(name in _called_by(graph, f) for f in made):
                    return True
    return False


def _called_by(graph, name):
    return {c for f in graph.graph_def.library.function if f.signature.name == name for c in _called(f.node_def)}


def test_weight_paths_do_not_depend_on_earlier_models():
    first, again = (list(kinds.make("pairs with attention").weights_by_path()) for _ in range(2))
    assert first == again and len(set(first)) == len(first)
    assert "encoder_decoder/stack/bidirectional/forward_rnn/lstm_cell/kernel" in first


@pytest.mark.slow
def test_file_sizes(tmp_path):
    """Files are small: nothing is stored twice, and names are short."""
    task = rnnzoo.create_task("char_lm", data_size=100_000)
    path = rnnzoo.export_saved_model(rnnzoo.create_model("lstm", task.spec, units=8), tmp_path / "lm")
    assert (path / "saved_model.pb").stat().st_size <= 200_000
    path = rnnzoo.export_saved_model(kinds.make("pairs with attention"), tmp_path / "pairs")
    assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) <= 800_000


@pytest.mark.parametrize("kind", often("characters", of=EXPORTED))
def test_an_empty_batch_is_answered(export, kind):
    _, serving, _ = export(kind)
    probes = [(signature, inputs) for signature, batch, inputs in serving.probes() if batch == 1]
    assert {signature for signature, _ in probes} == set(serving.functions)
    for signature, inputs in probes:
        outputs = serving.functions[signature](*(value[:0] for value in inputs.values()))
        assert all(value.shape[0] == 0 for value in outputs.values()), signature


@pytest.mark.parametrize("kind", often("characters", of=EXPORTED))
def test_static_shapes_are_declared(export, kind):
    _, serving, _ = export(kind)
    for signature, _, inputs in serving.probes():
        declared = serving.functions[signature].structured_outputs
        for name, value in serving.functions[signature](*inputs.values()).items():
            shape = declared[name].shape
            assert shape.rank == len(value.shape), f"{signature}, {name}"
            assert shape.rank == 0 or shape[0] is None
            sizes = {"predictions": 1, "outputs": 1, "log_probabilities": 1, "keys": 1, "values": 1}
            if name in sizes or name.startswith("state_"):
                assert shape[-1] == value.shape[-1], f"{signature}, {name}"


def generate(functions, prompt, length=8, temperature=1.0, top_k=0, seed=1):
    values = [np.atleast_1d(v).astype(t) for v, t in zip((length, temperature, top_k, seed), "ifii", strict=True)]
    return functions["generate"](tf.constant(prompt, tf.string), *map(tf.constant, values))["text"].numpy().tolist()


def test_rows_are_generated_independently(export):
    functions = export("characters")[1].functions
    prompts = ["ab", "", "cab"]
    whole = generate(functions, prompts, length=300)
    assert len(set(whole)) == 3
    assert len(set(generate(functions, ["ab"] * 3, length=30))) == 3  # rows of one seed differ, of equal seeds do not
    assert len(set(generate(functions, ["ab"] * 3, length=30, seed=[4, 4, 4]))) == 1
    # one seed: row i draws from (seed, i), whatever the others are
    assert generate(functions, ["ab", "fff", "cab"], length=300)[::2] == whole[::2]
    assert generate(functions, ["ab"], length=300) == whole[:1]
    # a seed for each row: as alone
    own = generate(functions, prompts, length=300, seed=[7, 8, 9])
    assert own == [generate(functions, [p], length=300, seed=s)[0] for p, s in zip(prompts, (7, 8, 9), strict=True)]
    lengths = generate(functions, prompts, length=[0, 200, 300])
    assert lengths == [w[: len(p) + n] for w, p, n in zip(whole, map(str.encode, prompts), (0, 200, 300), strict=True)]
    mixed = generate(functions, prompts, temperature=[0.0, 1.0, 0.0], top_k=[0, 1, 2])
    assert mixed == generate(functions, prompts, temperature=0.0)
    assert generate(functions, [], length=5) == []


BAD_TEXTS = [
    ({"length": -5}, "length must be at least 0"),
    ({"length": 2_000_000_000}, "length must be at least 0 and at most 1000000"),
    ({"temperature": float("nan")}, "temperature must be a finite number of at least 0"),
    ({"temperature": -1.0}, "temperature must be a finite number of at least 0"),
    ({"temperature": float("inf")}, "temperature must be a finite number of at least 0"),
    ({"top_k": -1}, "top_k must be at least 0"),
    ({"seed": [1, 2]}, "seed must hold one value, or one for each row"),
    ({"length": [1, 2]}, "length must hold one value, or one for each row"),
]


@pytest.mark.parametrize(("values", "message"), BAD_TEXTS)
def test_invalid_values_are_named(export, values, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        generate(export("characters")[1].functions, ["a", "b", "c"], **values)


@pytest.mark.slow
def test_invalid_beam_sizes_and_lengths(export):
    functions = export("pairs with attention")[1].functions
    text = tf.constant(["ab", "c"])
    for beams, penalty, message in [
        ([0], [0.0], "beam_size must be at least 1"),
        ([2, 3], [0.0], "beam_size must be the same in all rows"),
        ([2, 2, 2], [0.0], "beam_size must hold one value, or one for each row"),
        ([2], [float("nan")], "length_penalty must be a finite number"),
        ([2], [-1.0], "length_penalty must be a finite number of at least 0"),
    ]:
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            functions["translate"](text, tf.constant(beams), tf.constant(penalty))
    alone = [
        functions["translate"](text[i : i + 1], tf.constant([3]), tf.constant([p]))["text"]
        for i, p in ((0, 0.0), (1, 2.0))
    ]
    both = functions["translate"](text, tf.constant([3, 3]), tf.constant([0.0, 2.0]))["text"]
    assert both.numpy().tolist() == np.concatenate(alone).tolist()
    padded = export("class of a series")[1].functions["padded"]
    for lengths in ([-1], [6], [1, 2, 3]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="lengths must"):
            padded(tf.zeros([2, 5, 2]), tf.constant(lengths))


def test_step_refuses_unknown_ids_and_other_batch_sizes(export):
    functions = export("characters")[1].functions
    states = list(functions["initial_state"](tf.zeros([1], tf.int32)).values())
    for ids, message in (([-1], "inputs must be ids of at least 0"), ([99], "below 12"), ([3, 4], "as many rows")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            functions["step"](tf.constant(ids), *states)


@pytest.mark.slow
def test_decode_step_refuses_unknown_ids(export):
    serving = export("pairs with attention")[1]
    (inputs,) = (given for name, batch, given in serving.probes() if name == "decode_step" and batch == 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="inputs must be ids of at least 0 and below 12"):
        serving.functions["decode_step"](tf.constant([-1]), *list(inputs.values())[1:])


@pytest.mark.slow
def test_beams_without_a_result_have_a_finite_score():
    """There are 10 texts of at most one of 9 tokens, so the other beams have no result."""
    _, spec, _ = kinds.KINDS["pairs with attention"]
    model = rnnzoo.create_model("seq2seq", dataclasses.replace(spec, output_length=1), units=6, embedding=4)
    translate = rnnzoo.export.Seq2SeqServing(model).functions["translate"]
    actual = translate(tf.constant(["ab"]), tf.constant([12]), tf.constant([0.0]))
    scores, texts = actual["score"].numpy()[0], actual["text"].numpy()[0]
    assert np.isfinite(scores).all() and (scores[:10] > -100).all()
    assert scores[10:].tolist() == [tf.float32.min] * 2 and texts[10:].tolist() == [b"", b""]
    assert sorted(texts[:10]) == [b"", b" ", *(c.encode() for c in "abcdefgh")]
