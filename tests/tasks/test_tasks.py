"""Batches are functions of (seed, step), count every target once, and are what the papers say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnzoo
from rnnzoo.spec import BOUNDARY, PAD, SPECIAL, UNKNOWN

TEXTS = {"latin": "Grüße, ", "greek": "μῆνιν ἄειδε θεὰ ", "chinese": "道可道非常道。", "emoji": "🙂🚀 ok "}


def text_file(folder, text="hello world, ", times=40):
    path = folder / "text.txt"
    path.write_text(text * times, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", rnnzoo.list_tasks())
def test_batches_depend_on_seed_and_step_only(name, tmp_path):
    options = {"data": text_file(tmp_path)} if name == "char_lm" else {}
    options |= {"batch_size": 4, "seq_length": 10}
    a, b = rnnzoo.create_task(name, **options), rnnzoo.create_task(name, **options)
    later = a.batch(3, 17)
    for step in range(17):
        b.batch(3, step)
    same, other = b.batch(3, 17), a.batch(4, 17)
    for x, y in zip(later, same, strict=True):
        assert x is None or (x == y).all()
    assert (later.inputs != other.inputs).any() or (later.targets != other.targets).any()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_counts_every_target_once(split, tmp_path):
    task = rnnzoo.create_task("char_lm", data=text_file(tmp_path), batch_size=3, seq_length=7, held_out=0.5)
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


def test_rows_go_on_or_begin_a_document(tmp_path):
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
            elif batch.inputs[row, 0] == BOUNDARY:
                began += 1
        assert (batch.targets[batch.weights > 0] > BOUNDARY).all()
        assert (batch.inputs[:, 1:] == batch.targets[:, :-1])[batch.weights[:, 1:] > 0].all()
        previous = batch
    assert began >= 2


@pytest.mark.parametrize("kind", TEXTS)
def test_any_script(kind, tmp_path):
    task = rnnzoo.create_task("char_lm", data=text_file(tmp_path, TEXTS[kind], 100), batch_size=2, seq_length=20)
    assert set(task.spec.vocabulary) == {*SPECIAL, *TEXTS[kind]}
    batch = task.batch(0, 1)
    real = [task.spec.vocabulary[i] for i in batch.inputs[0][batch.weights[0] > 0]]
    assert "".join(s for s in real if s not in SPECIAL) in TEXTS[kind] * 100


def test_rare_and_unseen_characters_are_unknown(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("ab" * 400 + "z" + "ab" * 50 + "q" * 20, encoding="utf-8")
    task = rnnzoo.create_task("char_lm", data=str(path), batch_size=1, seq_length=50, min_count=2)
    assert set(task.spec.vocabulary) == {*SPECIAL, "a", "b"}
    assert sum((b.targets[b.weights > 0] == UNKNOWN).sum() for b in task.evaluation("test")) == 20


def test_baselines(tmp_path):
    task = rnnzoo.create_task("char_lm", data=text_file(tmp_path), batch_size=2, held_out=0.5)
    found = task.baselines()
    counts = np.array([("hello world, " * 40).count(c) for c in sorted(set("hello world, "))])
    entropy = -np.sum(counts / counts.sum() * np.log2(counts / counts.sum()))
    assert found["unigram"]["bits_per_char"] == pytest.approx(entropy, abs=0.05)
    assert found["xz"]["bits_per_char"] > 0 and found["zlib"]["bits_per_char"] < entropy
    constant = rnnzoo.create_task("adding").baselines()["constant"]["mse"]
    assert constant == pytest.approx(1 / 6, abs=0.01)  # two uniform numbers have a variance of 1/6


def test_standard_library_text(tmp_path):
    task = rnnzoo.create_task("char_lm", data_size=200_000)
    assert "the Python standard library" in task.summary()
    text = "".join(task.spec.vocabulary[i] for b in (task.batch(0, s) for s in range(5)) for i in b.inputs.ravel())
    assert "self" in text and "import" in text
    larger = rnnzoo.create_task("char_lm", data_size=300_000)
    assert larger._test == task._test


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
