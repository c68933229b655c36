"""Walks through a line: they say what the model computes, for every kind of model."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.spec import BOS, PAD
from rnnzoo.walkthrough import describe_model, walk
from rnnzoo.walkthrough.expectations import softmax
from rnnzoo.walkthrough.lines import read_line, read_tree
from tests.export import kinds
from tests.helpers import often, randomise

LINES = {
    "characters": "abc de",
    "words": "the cat the",
    "class of text": "fgh a",
    "tags of spelled words": "the cat cat",
    "class of a series": "1,2,3,4:0,1,0,-1",
    "class of steps": "1,2,3:0,1,0",
    "stacked class of steps": "1,2,3:0,1,0",
    "forecast": "1,2,3,4:0,1,0,-1",
    "pairs with attention": "abc d",
    "pairs with input feeding": "abc d",
    "vectors to text": "1,2,3:0,1,0",
    "label to text": "b",
    "vector to vectors": "0.5:-1",
    "tree": "(a (b c))",
    "nodes": "((a b) (c d))",
}


def make(kind):
    model = kinds.make(kind)
    randomise(model, scale=0.7)
    return model


@pytest.mark.parametrize("kind", often("characters", "pairs with input feeding", "nodes", of=LINES))
def test_every_kind_of_model(kind):
    model = make(kind)
    result = walk(model, LINES[kind], units=[5], beams=2)
    assert json.loads(json.dumps(result)) == result  # only what JSON can hold
    if result["kind"] == "tree":
        return
    steps = {"inputs": len(result["inputs"]), "outputs": len(result.get("outputs", []))}
    said = result["expected"]
    expected_steps = steps["outputs"] or steps["inputs"]
    assert len(said.get("choices") or said["values"]) == expected_steps
    for layer in result["layers"]:
        count = steps[layer.get("of", "inputs")]
        for values in (*layer["states"].values(), *layer["gates"].values()):
            assert np.shape(values) == (count, len(layer["units"]))
        assert layer["equations"] and 5 in layer["units"]
        for equation in layer["equations"]:
            assert np.shape(equation["values"]) == (count, len(layer["units"]), len(equation["names"]) + 1)


def probabilities(choices, names):
    return np.array([dict(map(tuple, choices)).get(name, 0.0) for name in names])


def test_a_language_model():
    model = make("characters")
    result = walk(model, "abc de")
    assert result["inputs"] == ["<s>", *"abc d"]  # what it has read when it expects the next
    ids = np.array([[BOS, *(kinds.SYMBOLS.index(token) for token in result["inputs"][1:])]])
    expected = softmax(np.asarray(model(ids))[0])
    names = kinds.SYMBOLS[1:]
    for t, choices in enumerate(result["expected"]["choices"]):
        best = np.sort(expected[t, 1:])[::-1][: len(choices)]
        np.testing.assert_allclose([p for _, p in choices], best, atol=1e-4)
        assert expected[t, 1 + names.index(choices[0][0])] == pytest.approx(best[0])
    (layer,) = result["layers"]
    (recurrent,) = model.core.recurrent_layers
    x = model.embedding(ids)
    for name, gate in recurrent.gates(x).items():
        np.testing.assert_allclose(layer["gates"][name], gate[0], atol=1e-4)
    last = {equation["symbol"]: np.array(equation["values"])[..., -1] for equation in layer["equations"]}
    np.testing.assert_allclose(last["h_t"], layer["states"]["h"], atol=2e-4)
    np.testing.assert_allclose(last["c_t"], layer["states"]["c"], atol=2e-4)
    assert layer["units"] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("kind", often("class of text", of=["class of text", "class of a series", "forecast"]))
def test_one_answer_for_a_sequence_is_asked_after_each_step(kind):
    model, line = make(kind), LINES[kind]
    result, sequences = walk(model, line), read_line(model, line)
    for t in range(len(result["inputs"])):
        outputs = np.asarray(model(sequences.inputs[:, : t + 1]))[0]
        if kind == "forecast":
            mean, deviation = np.array(model.spec.output_scale)
            np.testing.assert_allclose(result["expected"]["values"][t], outputs * deviation + mean, atol=1e-3)
        else:
            names = model.spec.labels
            said = probabilities(result["expected"]["choices"][t], names)
            np.testing.assert_allclose(said, softmax(outputs), atol=1e-4)


def test_layers_that_read_from_the_end_are_in_the_order_of_the_text():
    model = make("class of a series")
    result = walk(model, LINES["class of a series"])
    forward, backward = result["layers"]
    assert not forward["backward"] and backward["backward"]
    first = np.array(backward["states"]["h"])
    shorter = walk(model, "2,3,4:1,0,-1")["layers"][1]
    np.testing.assert_allclose(first[1:], np.array(shorter["states"]["h"]), atol=1e-3)


@pytest.mark.parametrize("kind", ["pairs with attention", "pairs with input feeding"])
def test_an_encoder_decoder_writes_its_best_beam(kind):
    model = make(kind)
    result = walk(model, "abc d", beams=3)
    source = read_line(model, "abc d").inputs[0]
    ids, scores = (np.asarray(t)[:, 0] for t in model.beam_search(source, 3))
    best = [kinds.SYMBOLS[i] for i in ids[0] if i != PAD]
    assert result["outputs"][: len(best)] == best and result["beams"][-1][0]["tokens"] == best
    assert result["beams"][-1][0]["score"] == pytest.approx(float(scores[0]), abs=1e-3)
    for t, step in enumerate(result["beams"]):
        lengths = [len(beam["tokens"]) for beam in step]
        assert len(step) <= 3 and max(lengths) <= t + 1
    attention = np.array(result["attention"])
    assert attention.shape == (len(result["outputs"]), len(result["inputs"]))
    np.testing.assert_allclose(attention.sum(1), 1, atol=1e-3)


def test_every_node_of_a_tree_says_what_its_subtree_says_alone():
    model = make("tree")
    result = walk(model, "((a b) (c d))")
    nodes = result["nodes"]
    assert [node["token"] for node in nodes] == ["a", "b", "", "c", "d", "", ""]
    assert [node["parent"] for node in nodes] == [2, 2, 6, 5, 5, 6, None]
    for line, node in (("(a b)", 2), ("(c d)", 5), ("((a b) (c d))", 6)):
        _, inputs = read_tree(model.spec, line)
        expected = softmax(np.asarray(model(tf.constant(inputs)))[0])
        np.testing.assert_allclose(probabilities(nodes[node]["choices"], model.spec.labels), expected, atol=1e-4)


def test_words_with_features_and_a_random_field():
    spec = dataclasses.replace(
        kinds.KINDS["tags of spelled words"][1],
        feature_names=("pos",),
        feature_vocabularies=(("<pad>", "<unk>", "<s>", "D", "N"),),
    )
    model = rnnzoo.create_model("bidirectional", spec, units=6, embedding=4, char_units=3, crf=True)
    randomise(model, scale=0.7)
    result = walk(model, "the cat the\tD N D")
    assert result["inputs"] == ["the", "cat", "the"] and len(result["layers"]) == 2
    ids = read_line(model, "the cat the\tD N D").inputs
    assert ids.shape == (1, 3, 6) and ids[0, :, 1].tolist() == [3, 4, 3]
    labels = np.asarray(model.predict_labels(model(ids)))[0]
    assert result["expected"]["labels"] == [spec.labels[i] for i in labels]
    with pytest.raises(rnnzoo.UserError, match="expected words, a tab, pos, as many of each"):
        walk(model, "the cat\tD")
    assert (
        describe_model(model, {"model": "bidirectional"})["hint"] == "words, a tab, and the value of pos for each word"
    )


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        ("characters", " ", "the line is empty"),
        ("characters", "a" * 12, "the input has 12 steps, and at most 10 are shown"),
        ("forecast", "1,2", "1 dimensions, separated by colons, and the model reads 2"),
        ("forecast", "1,x:1,2", "expected numbers separated by ','"),
        ("vector to vectors", "1,2:1,2", "expected 1 time steps, got 2"),
        ("label to text", "q", "the model has no label 'q'"),
        ("tree", "(a (b", "an opening parenthesis that is never closed"),
        ("tree", "(a b c)", "a node has 3 children, and the model combines at most 2"),
        ("tree", "(" * 11 + "(a b)" + " c)" * 11, "at most 10 are shown"),
    ],
)
def test_lines_that_cannot_be_read(kind, line, message):
    with pytest.raises(rnnzoo.UserError, match=message.replace("(", r"\(")):
        walk(kinds.make(kind), line, max_steps=10)


@pytest.mark.parametrize("kind", often("characters", "label to text", "tree", of=LINES))
def test_models_are_described(kind):
    model = kinds.make(kind)
    task = "listops" if model.spec.inputs == "tree" else "char_lm"
    description = describe_model(model, {"model": kinds.KINDS[kind][0], "task": task})
    assert json.loads(json.dumps(description)) == description
    assert description["parameters"] == model.count_params()
    assert description["generates"] == (kind in ("characters", "words"))
    for example in description["examples"]:
        assert walk(model, example)["kind"]
