"""Batches depend on seed and step alone, count every target once, and match the papers."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import tree

import rnnzoo
from rnnzoo import config
from rnnzoo.data import corpus, documents
from rnnzoo.spec import BOS, PAD, SPECIAL_TOKENS, UNKNOWN

TEXTS = {"latin": "Grüße, ", "greek": "μῆνιν ἄειδε θεὰ ", "chinese": "道可道非常道。", "emoji": "🙂🚀 ok "}


def text_file(folder, text="hello world, ", times=40):
    path = folder / "text.txt"
    path.write_text(text * times, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", rnnzoo.list_tasks())
def test_batches_depend_on_seed_and_step_only(name, tmp_path):
    lines = "".join(f"{a}{b}\t{b} {a}\n" for a in "abcdefgh" for b in "stuvwxyz")
    own = dict.fromkeys(("char_lm", "word_lm"), "hello world, " * 40) | {
        "pairs": lines,
        "sst": "".join(f"({i % 5} (2 {a}) ({i % 3} {a}x))\n" for i, a in enumerate("abcdefghij" * 9)),
        "g2p": lines,
    }  # no data by itself
    options = {"data": text_file(tmp_path, own[name], 1)} if name in own else {}
    has = {field.name for field in dataclasses.fields(config.options_class(rnnzoo.TASKS[name]))}
    small = {"batch_size": 4, "seq_length": 10, "train_size": 200, "eval_size": 20}
    options |= {key: value for key, value in small.items() if key in has}
    a, b = rnnzoo.create_task(name, **options), rnnzoo.create_task(name, **options)
    later = a.batch(3, 17)
    for step in range(17):
        b.batch(3, step)
    same, other = b.batch(3, 17), a.batch(4, 17)
    for x, y in zip(tree.flatten(later), tree.flatten(same), strict=True):
        assert x is None or np.array_equal(x, y)
    data = [tree.flatten((batch.inputs, batch.targets)) for batch in (later, other)]
    assert not all(np.array_equal(x, y) for x, y in zip(*data, strict=True))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_counts_every_target_once(split, tmp_path):
    task = rnnzoo.create_task(
        "char_lm", data=text_file(tmp_path), batch_size=3, seq_length=7, validation_fraction=0.25, test_fraction=0.25
    )
    text = ("hello world, " * 40)[260:390] if split == "validation" else ("hello world, " * 40)[390:]
    seen = "".join(
        task.spec.vocabulary[i]
        for row in range(3)
        for batch in task.evaluation(split)
        for i, w in zip(batch.targets[row], batch.weights[row], strict=True)
        if w
    )
    assert seen == text
    adding = rnnzoo.create_task("adding", seq_length=10, batch_size=7, eval_size=20)
    assert sum(batch.weights.sum() for batch in adding.evaluation(split)) == 20


def test_rows_continue_or_begin_a_document(tmp_path):
    (tmp_path / "a.txt").write_text("abcdefghij" * 30)
    (tmp_path / "b.txt").write_text("0123456789" * 50)
    task = rnnzoo.create_task("char_lm", data=f"{tmp_path}/a.txt, {tmp_path}/b.txt", batch_size=3, seq_length=8)
    previous = task.batch(0, 0)
    assert previous.restart.all()
    began = 0
    for step in range(1, 60):
        batch = task.batch(0, step)
        for row in range(3):
            if not batch.restart[row]:
                assert batch.inputs[row, 0] == previous.targets[row, -1] and previous.weights[row].all()
            elif batch.inputs[row, 0] == BOS:
                began += 1
        assert (batch.targets[batch.weights > 0] > BOS).all()
        assert (batch.inputs[:, 1:] == batch.targets[:, :-1])[batch.weights[:, 1:] > 0].all()
        previous = batch
    assert began >= 2


@pytest.mark.parametrize("kind", TEXTS)
def test_text_in_any_script(kind, tmp_path):
    task = rnnzoo.create_task("char_lm", data=text_file(tmp_path, TEXTS[kind], 100), batch_size=2, seq_length=20)
    assert set(task.spec.vocabulary) == {*SPECIAL_TOKENS, *TEXTS[kind]}
    batch = task.batch(0, 1)
    real = [task.spec.vocabulary[i] for i in batch.inputs[0][batch.weights[0] > 0]]
    assert "".join(s for s in real if s not in SPECIAL_TOKENS) in TEXTS[kind] * 100


def test_rare_and_unseen_characters_are_unknown(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("ab" * 400 + "z" + "ab" * 50 + "q" * 20, encoding="utf-8")
    task = rnnzoo.create_task("char_lm", data=str(path), batch_size=1, seq_length=50, min_count=2)
    assert set(task.spec.vocabulary) == {*SPECIAL_TOKENS, "a", "b"}
    assert sum((b.targets[b.weights > 0] == UNKNOWN).sum() for b in task.evaluation("test")) == 20


def test_baselines(tmp_path):
    task = rnnzoo.create_task(
        "char_lm", data=text_file(tmp_path), batch_size=2, validation_fraction=0.25, test_fraction=0.25
    )
    actual = task.baselines()
    counts = np.array([("hello world, " * 40).count(c) for c in sorted(set("hello world, "))])
    entropy = -np.sum(counts / counts.sum() * np.log2(counts / counts.sum()))
    assert actual["unigram"]["bits_per_char"] == pytest.approx(entropy, abs=0.05)
    assert actual["xz"]["bits_per_char"] > 0 and actual["zlib"]["bits_per_char"] < entropy
    constant = rnnzoo.create_task("adding").baselines()["constant"]["mse"]
    assert constant == pytest.approx(1 / 6, abs=0.01)  # two uniform numbers have a variance of 1/6


def test_standard_library_text(tmp_path):
    task = rnnzoo.create_task("char_lm", data_size=200_000)
    assert "the Python standard library" in task.summary()
    text = "".join(task.spec.vocabulary[i] for b in (task.batch(0, s) for s in range(5)) for i in b.inputs.ravel())
    assert "self" in text and "import" in text
    larger = rnnzoo.create_task("char_lm", data_size=300_000)
    assert larger.encoded["test"].counts.sum() == task.encoded["test"].counts.sum() > 300_000


@settings(max_examples=25, deadline=None)
@given(length=st.integers(10, 200), seed=st.integers(0, 9), variant=st.sampled_from(["bai2018", "hs97"]))
def test_adding(length, seed, variant):
    task = rnnzoo.create_task("adding", seq_length=length, batch_size=20, variant=variant)
    inputs, targets, mask, *_ = task.batch(seed, 0)
    values, markers = inputs[..., 0], inputs[..., 1]
    marked = markers == 1
    assert (marked.sum(1) == 2).all()
    sums = (values * marked).sum(1)
    if variant == "bai2018":
        assert inputs.shape[1] == length and values.min() >= 0 and values.max() <= 1
        assert (marked[:, : length // 2].sum(1) == 1).all()
        np.testing.assert_allclose(targets[:, 0], sums, atol=1e-6)
        return
    lengths = mask.sum(1)
    assert (length <= lengths).all() and (lengths <= length + length // 10).all()
    assert (np.argmax(marked, 1) < 10).all() and not inputs[~mask].any()
    assert (markers[np.arange(20), lengths - 1] == -1).all()
    np.testing.assert_allclose(targets[:, 0], 0.5 + sums / 4, atol=1e-6)
    assert PAD == 0


@pytest.mark.parametrize("variant", ["6a", "6b"])
def test_temporal_order(variant):
    task = rnnzoo.create_task("temporal_order", variant=variant, batch_size=300)
    batch, symbols = task.batch(0, 0), task.spec.vocabulary
    places = {"6a": [(10, 20), (50, 60)], "6b": [(10, 20), (33, 43), (66, 76)]}[variant]
    for row in range(300):
        text = "".join(symbols[i] for i in batch.inputs[row][batch.mask[row]])
        assert 100 <= len(text) <= 110 and text[0] == "E" and text[-1] == "B"
        relevant = [(t, s) for t, s in enumerate(text) if s in "XY"]
        assert set(text[1:-1]) <= set("abcdXY")
        assert all(first <= t <= last for (t, _), (first, last) in zip(relevant, places, strict=True))
        assert batch.targets[row] == int("".join("01"[s == "Y"] for _, s in relevant), 2)
    assert len(set(batch.targets)) == task.spec.output_size == 2 ** len(places)


def test_copy():
    task = rnnzoo.create_task("copy", seq_length=30, batch_size=5)
    batch = task.batch(0, 0)
    digits = batch.inputs - len(SPECIAL_TOKENS)
    assert digits.shape == (5, 50)
    assert ((digits[:, :10] >= 1) & (digits[:, :10] <= 8)).all()
    assert not digits[:, 10:39].any() and (digits[:, 39:] == 9).all()
    assert (batch.targets[:, -10:] == digits[:, :10]).all() and not batch.targets[:, :-10].any()
    assert task.baselines()["no memory"]["loss"] == pytest.approx(10 * np.log(8) / 50)


def test_reber():
    task = rnnzoo.create_task("reber", batch_size=200)
    batch, symbols = task.batch(0, 0), task.spec.vocabulary
    for row in range(200):
        text = "".join(symbols[i] for i in batch.targets[row] if i != PAD)
        assert text[1] == text[-2] and text[:1] + text[-1:] == "BE" and len(text) <= 50
        assert accepts(text[2:-2]), text
        assert batch.inputs[row, 0] == BOS
        for t in range(len(text)):
            assert batch.allowed_outputs[row, t, batch.targets[row, t]]
            assert batch.allowed_outputs[row, t].sum() == (
                1 if t in (0, 2, len(text) - 3, len(text) - 2, len(text) - 1) else 2
            )


def accepts(text):
    """The Reber grammar as in the paper: nodes 0 to 5, E leaves node 5."""
    ways = {(0, "T"): 1, (0, "P"): 2, (1, "S"): 1, (1, "X"): 3, (2, "T"): 2, (2, "V"): 4}
    ways |= {(3, "X"): 2, (3, "S"): 5, (4, "P"): 3, (4, "V"): 5}
    node = 0
    for symbol in text[1:-1]:
        node = ways.get((node, symbol))
    return text[0] == "B" and text[-1] == "E" and node == 5


def test_words(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("the  cat\tsat on\r\nthe mat\n" * 60, encoding="utf-8")
    task = rnnzoo.create_task("word_lm", data=str(path), batch_size=2, seq_length=9, vocabulary_size=5)
    assert set(task.spec.vocabulary) == {*SPECIAL_TOKENS, "the", "\n", "cat", "mat", "on"}
    batch = task.batch(0, 0)
    words = " ".join(task.spec.vocabulary[i] for i in batch.targets[0][batch.weights[0] > 0])
    assert words in " ".join(["the cat <unk> on \n the mat \n"] * 20)
    assert sum(b.weights.sum() for b in task.evaluation("test")) == task.encoded["test"].counts.sum()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "gb18030"])
def test_encodings_and_pieces(encoding, tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "PIECE_BYTES", 7)  # characters and line ends are cut in two
    text = "Grüße\r\naus Köln\n" * 30
    path = tmp_path / "t.txt"
    path.write_bytes(text.encode(encoding))
    (document,) = corpus.split_files(corpus.find_files(str(path)), encoding, 0.25, 0.25)["train"]
    assert "".join(document.pieces()) == (text.replace("\r\n", "\n"))[:225]


def test_files_folders_and_globs(tmp_path):
    for name in ("b.txt", "a.txt", "sub/c.txt", "d.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name[-5] * 100)
    actual = {}
    for names in (f"{tmp_path}", f"{tmp_path}/*.txt", f"{tmp_path}/**/*.txt", f"{tmp_path}/a.txt,{tmp_path}/d.log"):
        documents = corpus.split_files(corpus.find_files(names), "utf-8", 0.1, 0.1)["train"]
        actual[names.removeprefix(str(tmp_path))] = [document.path.name for document in documents]
    assert list(actual.values()) == [
        ["a.txt", "b.txt", "c.txt"],
        ["a.txt", "b.txt"],
        ["a.txt", "b.txt", "c.txt"],
        ["a.txt", "d.log"],
    ]


def test_a_wrong_encoding_names_the_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "PIECE_BYTES", 8)
    path = tmp_path / "t.txt"
    path.write_bytes(b"0123456789abcdef\xff rest")
    with pytest.raises(rnnzoo.UserError, match=r"t\.txt is not utf-8 text \(byte 16\); .*--encoding=latin-1"):
        corpus.split_files(corpus.find_files(str(path)), "utf-8", 0.25, 0.25)


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "t.txt"
    path.write_text("secret")

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(path), "open", denied)
    with pytest.raises(rnnzoo.UserError, match=r"cannot read .*t\.txt: Permission denied"):
        corpus.split_files(corpus.find_files(str(path)), "utf-8", 0.25, 0.25)
