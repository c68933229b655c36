"""Transfer of weights to models with other vocabularies, and frozen parts."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnzoo
from rnnzoo.models.transfer import freeze_parts, transfer_weights
from rnnzoo.spec import SPECIAL_TOKENS
from tests.export import kinds


def language_model(symbols, units=4, model="lstm", **options):
    vocabulary = (*SPECIAL_TOKENS, *symbols)
    n = len(vocabulary)
    spec = rnnzoo.TaskSpec("tokens", "token", True, n, n, "cross_entropy", ("loss",), vocabulary)
    return rnnzoo.create_model(model, spec, units=units, embedding=3, **options)


def rows(model, symbols):
    """The row of the embedding, the column of the output layer and its bias for each symbol."""
    index = [model.spec.vocabulary.index(symbol) for symbol in symbols]
    weights = {path.rpartition("/")[0].rpartition("/")[2] + path[-5:]: w for path, w in model.weights_by_path().items()}
    embedding = next(w for path, w in weights.items() if path.startswith("embedding"))
    return embedding.numpy()[index], model.head.kernel.numpy()[:, index], model.head.bias.numpy()[index]


@settings(deadline=None, max_examples=8)
@given(
    old=st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1),
    new=st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1),
)
def test_known_symbols_keep_their_rows_and_new_ones_begin_fresh(old, new):
    source, target = language_model(old), language_model(new)
    source.head.bias.assign(np.arange(len(old) + 3) + 1.0)
    fresh = [w.numpy() for w in target.weights]
    known = [*SPECIAL_TOKENS, *(s for s in new if s in old)]
    begin = [s for s in new if s not in old]
    initial = rows(target, begin)
    lines = transfer_weights(source, target)
    assert lines.describe() == f"tokens: {len(known)} known, {len(begin)} new"
    for got, expected in zip(rows(target, known), rows(source, known), strict=True):
        np.testing.assert_array_equal(got, expected)
    for got, expected in zip(rows(target, begin), initial, strict=True):
        np.testing.assert_array_equal(got, expected)
    core = [path for path in target.weights_by_path() if "stack" in path]
    for path in core:
        np.testing.assert_array_equal(target.weights_by_path()[path], source.weights_by_path()[path])
    assert len(fresh) == len(core) + 3


def test_the_answers_are_those_of_the_source_if_the_vocabulary_only_grows():
    source, target = language_model("abc"), language_model("xabcy")
    transfer_weights(source, target)
    ids = np.array([[2, 3, 4, 5]])
    moved = np.array([[2, *(target.spec.vocabulary.index(s) for s in "abc")]])
    kept = [0, 1, 2, *(target.spec.vocabulary.index(s) for s in "abc")]
    np.testing.assert_allclose(target(moved).numpy()[..., kept], source(ids).numpy(), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pairs with attention", "label to text", "tags of spelled words", "tree", "forecast"])
def test_all_weights_of_a_model_of_the_same_kind_are_copied(kind):
    source, target = kinds.make(kind), kinds.make(kind)
    transfer_weights(source, target)
    for path, weight in source.weights_by_path().items():
        np.testing.assert_array_equal(target.weights_by_path()[path], weight, err_msg=path)


@pytest.mark.slow
@pytest.mark.parametrize("tied", ["output", "all"])
def test_tied_embeddings(tied):
    def make(symbols):
        vocabulary = (*SPECIAL_TOKENS, *symbols)
        n = len(vocabulary)
        spec = dataclasses.replace(
            kinds.KINDS["pairs with attention"][1],
            vocabulary=vocabulary,
            source_vocabulary=vocabulary,
            input_size=n,
            output_size=n,
        )
        return rnnzoo.create_model("seq2seq", spec, units=4, embedding=n, tied_embeddings=tied)

    source = make("abcd")
    source.head_bias.assign(np.arange(7.0))
    target = make("badc")
    transfer_weights(source, target)
    np.testing.assert_array_equal(target.head_bias.numpy(), [0, 1, 2, 4, 3, 6, 5])
    order = [0, 1, 2, 4, 3, 6, 5]
    np.testing.assert_array_equal(
        target.target_embedding.embeddings.numpy(), source.target_embedding.embeddings.numpy()[order]
    )


def test_labels_keep_their_columns_and_transitions():
    spec = dataclasses.replace(kinds.KINDS["tags of spelled words"][1], labels=("x", "y", "z"))
    source = rnnzoo.create_model("bidirectional", spec, units=4, crf=True)
    source.crf.transitions.assign(np.arange(9.0).reshape(3, 3))
    other = dataclasses.replace(spec, labels=("z", "x", "new"))
    target = rnnzoo.create_model("bidirectional", other, units=4, crf=True)
    assert transfer_weights(source, target).symbols["labels"] == (2, 1)
    np.testing.assert_array_equal(target.crf.transitions.numpy()[:2, :2], [[8, 6], [2, 0]])
    np.testing.assert_array_equal(target.head.kernel.numpy()[:, 1], source.head.kernel.numpy()[:, 0])


def test_another_kind_of_output_gets_a_new_output_layer():
    source = language_model("abc")
    spec = dataclasses.replace(source.spec, outputs="class", per_step=False, output_size=2, labels=("p", "q"))
    target = rnnzoo.create_model("lstm", spec, units=4, embedding=3)
    before = target.head.kernel.numpy()
    assert transfer_weights(source, target).notes == ["output layer: new, for another kind of output"]
    np.testing.assert_array_equal(target.head.kernel.numpy(), before)
    np.testing.assert_array_equal(target.weights[0].numpy(), source.weights[0].numpy())


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"units": 5},
            r"its weight network/stack/rnn/lstm_cell/kernel has the shape \[3, 16\], and that of .* \[3, 20\]",
        ),
        ({"layers": 2}, "it has no weight network/stack/rnn_1/"),
        ({"model": "gru"}, "it has no weight network/stack/rnn/gru_cell/"),
    ],
)
def test_other_layers_are_refused_and_nothing_is_changed(options, message):
    source, target = language_model("abc"), language_model("abc", **options)
    before = [w.numpy() for w in target.weights]
    with pytest.raises(rnnzoo.UserError, match=message):
        transfer_weights(source, target)
    for weight, value in zip(target.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_deeper_source_and_other_tokens_are_refused():
    with pytest.raises(rnnzoo.UserError, match="it has a weight network/stack/rnn_1/"):
        transfer_weights(language_model("abc", layers=2), language_model("abc"))
    words = rnnzoo.create_model("lstm", dataclasses.replace(language_model("abc").spec, level="word"), units=4)
    with pytest.raises(rnnzoo.UserError, match=r"it reads tokens \(char\), and this task has tokens \(word\)"):
        transfer_weights(language_model("abc"), words)


def test_frozen_parts_are_not_trained():
    model = language_model("abc")
    freeze_parts(model, ["embedding", "core"])
    assert {w.path.split("/")[1] for w in model.trainable_weights} == {"head"}
    with pytest.raises(rnnzoo.UserError, match="--freeze=tail: this model has no such part; its parts are"):
        freeze_parts(model, ["tail"])
    with pytest.raises(rnnzoo.UserError, match="leaves no weight to train"):
        freeze_parts(model, ["embedding", "core", "head"])


def test_columns_of_a_forecast_are_not_mixed_up():
    spec = dataclasses.replace(kinds.KINDS["forecast"][1], feature_names=("a", "b"), labels=("a", "b"))
    source = rnnzoo.create_model("gru", spec, units=4)
    other = dataclasses.replace(spec, feature_names=("b", "a"), labels=("b", "a"))
    with pytest.raises(rnnzoo.UserError, match="its columns are a, b, and those of this task are in another order"):
        transfer_weights(source, rnnzoo.create_model("gru", other, units=4))
    windows = dataclasses.replace(spec, difference="last", window=8)
    with pytest.raises(rnnzoo.UserError, match="its difference is none, and that of this task last"):
        transfer_weights(source, rnnzoo.create_model("gru", windows, units=4))


def test_a_layer_of_the_output_that_one_model_lacks_is_reported():
    spec = kinds.KINDS["tags of spelled words"][1]
    plain, crf = (rnnzoo.create_model("bidirectional", spec, units=4, crf=crf) for crf in (False, True))
    assert transfer_weights(plain, crf).notes == ["network/crf/forward/transitions: new"]
    assert transfer_weights(crf, plain).notes == ["network/crf/forward/transitions: not used"]
