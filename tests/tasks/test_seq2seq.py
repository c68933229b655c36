"""Seq2seq tasks: files, vocabularies, generated data, and the metrics of generated sequences."""

import collections
import datetime
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnzoo
from rnnzoo.spec import BOS, PAD, SPECIAL_TOKENS, UNKNOWN
from rnnzoo.tasks import dates, scan
from rnnzoo.training import generation_metrics, metrics


def write(path, text, encoding="utf-8"):
    path.write_text(text, encoding=encoding)
    return str(path)


@pytest.fixture
def data(tmp_path):
    lines = [f"{a} {b}\t{b.upper()} {a.upper()} !\n" for a in ("one", "two", "three", "four") for b in ("x", "y", "z")]
    return write(tmp_path / "pairs.tsv", "".join(lines))


def texts(task, batch):
    """Returns `(source, target)` of each row of a batch."""
    spec = task.spec
    for source, target in zip(batch.inputs[0], batch.targets, strict=True):
        if target.any():
            assert target[(target != PAD).sum() - 1] == BOS
            between = {"char": "", "word": " ", "line": ""}
            yield (
                between[spec.source_level].join(spec.source_vocabulary[i] for i in source if i != PAD),
                between[spec.level].join(spec.vocabulary[i] for i in target if i not in (PAD, BOS)),
            )


def test_pairs_are_read_and_used_once_in_an_epoch(data):
    task = rnnzoo.create_task("pairs", data=data, batch_size=4)
    actual = collections.Counter()
    for step in range(task.steps_per_epoch()):
        batch = task.batch(0, step)
        previous = batch.inputs[1]
        assert (previous[:, 0] == BOS).all() and (previous[:, 1:][batch.targets[:, 1:] != PAD] > 0).all()
        actual.update(texts(task, batch))
    for split in ("validation", "test"):
        for batch in task.evaluation(split):
            for (_, written), references in zip(texts(task, batch), batch.references, strict=False):
                assert all(w in (r, "<unk>") for w, r in zip(written.split(), references[0], strict=True))
            actual.update(("held", " ".join(r[0])) for r in batch.references)
    assert sum(actual.values()) == 12 and max(actual.values()) == 1
    assert ("one x", "X ONE !") in actual or ("held", "X ONE !") in actual


def test_token_levels_and_limits(tmp_path):
    path = write(
        tmp_path / "p.tsv", "".join(f"ab{c}\tx y {c} {c}\n" for c in "cdefgh" * 3 + "z") + "much too long here\tq\n"
    )
    task = rnnzoo.create_task("pairs", data=path, source_level="char", min_count=4, max_source_length=5)
    assert set(task.spec.source_vocabulary) - set(SPECIAL_TOKENS) == {"a", "b"}
    assert task.dropped == 1 and "1 longer than" in task.summary()
    source, _ = task.batch(0, 0).inputs
    assert UNKNOWN in source
    shared = rnnzoo.create_task(
        "pairs", data=path, level="char", shared_vocabulary=True, lowercase=True, max_source_length=5
    )
    assert shared.spec.vocabulary == shared.spec.source_vocabulary and shared.spec.lowercase
    lines = rnnzoo.create_task("pairs", data=path, level="char", source_level="line")
    assert lines.spec.source_length == 1 and lines.batch(0, 0).inputs[0].shape[1] == 1


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("\n", {}, "holds no pair to train on: it is empty"),
        ("a\tb\nonly one\n", {}, r"line 2: expected a source, a tab and a target"),
        ("a\tb\n\t c\n", {}, r"line 2: expected a source, a tab"),
        ("a b c\td\n" * 9, {"max_source_length": 2}, "all 9 are longer than"),
        ("a\tb\n", {}, "too little data to split"),
        ("a\tb\n" * 20, {"min_count": 90}, "give --min_count=1"),
        ("a\tb\n" * 20, {"validation_data": "/nowhere"}, "--validation_data: there is no file /nowhere"),
    ],
)
def test_pairs_errors(tmp_path, text, options, message):
    with pytest.raises(rnnzoo.UserError, match=message):
        rnnzoo.create_task("pairs", data=write(tmp_path / "p.tsv", text), **options)


def test_invalid_encodings(tmp_path):
    (tmp_path / "u.tsv").write_text("a\tb\n" * 30, encoding="utf-16")
    with pytest.raises(rnnzoo.UserError, match="--encoding=utf-16"):
        rnnzoo.create_task("pairs", data=str(tmp_path / "u.tsv"))
    with pytest.raises(rnnzoo.UserError, match="--encoding=hex: there is no such encoding"):
        rnnzoo.create_task("pairs", data=str(tmp_path / "u.tsv"), encoding="hex")


def test_dropped_pairs_are_counted_by_file(tmp_path):
    train = write(tmp_path / "t.tsv", "a b c\td\n" + "a\tb\n" * 9)
    with pytest.raises(rnnzoo.UserError, match=r"v\.tsv holds no pair to train on: it is empty"):
        rnnzoo.create_task("pairs", data=train, max_source_length=2, validation_data=write(tmp_path / "v.tsv", "\n"))


def test_errors_without_data():
    with pytest.raises(rnnzoo.UserError, match="needs --data"):
        rnnzoo.create_task("pairs")
    with pytest.raises(rnnzoo.UserError, match="--split applies to the generated pairs"):
        rnnzoo.create_task("scan", data="x", split="length")
    with pytest.raises(rnnzoo.UserError, match="is before --first_year"):
        rnnzoo.create_task("dates", first_year=2000, last_year=1999)


def test_reverse_and_dates_depend_on_seed_and_step():
    for name in ("reverse", "dates"):
        task = rnnzoo.create_task(name)
        first, again, other = task.batch(1, 5), task.batch(1, 5), task.batch(1, 6)
        assert (first.targets == again.targets).all() and (first.targets != other.targets).any()
    task = rnnzoo.create_task("reverse", seq_length=9)
    lengths = set()
    for source, target in texts(task, task.batch(0, 0)):
        assert source[::-1] == target
        lengths.add(len(source))
    assert lengths == {4, 5, 6, 7, 8, 9}


def test_dates_are_correct():
    """Each form is read back by Python's own parser, or by its numbers."""
    task = rnnzoo.create_task("dates", batch_size=300)
    for source, target in texts(task, task.batch(0, 0)):
        date = datetime.date.fromisoformat(target)
        numbers = [int(n) for n in re.findall(r"\d+", source)]
        months = [m for m in dates.MONTHS if m[:3].lower() in source.lower().replace("monday", "").replace("mon ", "")]
        assert date.year in numbers or source.startswith(str(date.year)), (source, target)
        assert months or len(numbers) in (1, 3)
        if months:
            assert date.day in numbers and dates.MONTHS[date.month - 1] in months
        if re.fullmatch(r"\d+\.\d+\.\d+", source):
            assert numbers == [date.day, date.month, date.year]
        if re.fullmatch(r"\d+/\d+/\d{4}", source):
            assert numbers == [date.month, date.day, date.year]
    written = {form: dates._format_date(datetime.date(2024, 2, 1), form) for form in dates.FORMATS}
    assert len(set(written.values())) == len(dates.FORMATS)
    assert written["{d}{th} of {month}, {y}"] == "1st of February, 2024"
    assert dates._format_date(datetime.date(2024, 2, 12), "{d}{th}") == "12th"


@pytest.mark.slow
def test_scan_equals_the_published_data():
    """Numbers of commands and of each split as published (Lake & Baroni 2018); the paper's examples."""
    pairs = {" ".join(p.source): " ".join(p.target) for p in scan.generate_pairs()}
    assert len(pairs) == 20910
    assert pairs["jump"] == "I_JUMP" and pairs["jump left"] == "I_TURN_LEFT I_JUMP"
    assert pairs["jump around right"] == " ".join(["I_TURN_RIGHT I_JUMP"] * 4)
    assert pairs["turn left twice"] == "I_TURN_LEFT I_TURN_LEFT"
    assert pairs["jump opposite left after walk around left"] == (
        "I_TURN_LEFT I_WALK I_TURN_LEFT I_WALK I_TURN_LEFT I_WALK I_TURN_LEFT I_WALK I_TURN_LEFT I_TURN_LEFT I_JUMP"
    )
    sizes = {"simple": (16728, 4182), "length": (16990, 3920), "add-jump": (14671, 7706), "turn-left": (21891, 1208)}
    for name, (train, test) in sizes.items():
        split = scan.generate_splits(name)
        assert len(split["test"]) == test
        assert len(split["train"]) + len(split["validation"]) == train  # in two splits the files have one line less
    assert max(len(p.target) for p in scan.generate_splits("length")["train"]) == 22
    assert min(len(p.target) for p in scan.generate_splits("length")["test"]) == 24
    commands = {" ".join(p.source) for p in scan.generate_splits("add-jump")["train"]}
    assert not any("jump" in c for c in commands - {"jump"}) and "jump" in commands
    for name, alone in (("add-jump", ["jump"]), ("turn-left", ["turn", "left"])):
        assert not any(p.source == alone for p in scan.generate_splits(name)["validation"]), "it is trained on"


def test_scan_files(tmp_path):
    path = write(tmp_path / "s.txt", "IN: walk twice OUT: I_WALK I_WALK\n" * 20)
    assert next(texts(task := rnnzoo.create_task("scan", data=path), task.batch(0, 0)))[1] == "I_WALK I_WALK"
    with pytest.raises(rnnzoo.UserError, match="line 1: expected the form"):
        rnnzoo.create_task("scan", data=write(tmp_path / "bad.txt", "walk twice\n"))


LEXICON = ";;; a comment\nread R EH1 D # past\nread(2) R IY1 D\nit's IH1 T S\n'tis T IH1 Z\na.b. EY1 B IY1\n"


def test_g2p(tmp_path):
    words = "".join(f"w{chr(97 + i % 26)}{chr(97 + i // 26)} W {('AH0', 'B', 'IY1')[i % 3]}\n" for i in range(60))
    path = write(tmp_path / "lexicon.dict", LEXICON + words)
    task = rnnzoo.create_task("g2p", data=path, test_data=write(tmp_path / "test.dict", LEXICON))
    assert set("".join(task.spec.vocabulary[3:])).isdisjoint("012") and task.spec.lowercase
    (batch,) = task.evaluation("test")
    references = [[" ".join(r) for r in row] for row in batch.references]
    assert references == [["T IH Z"], ["EY B IY"], ["IH T S"], ["R EH D", "R IY D"]]
    every = [*task.pairs["train"], *task.pairs["validation"]]
    assert len({"".join(p.source) for p in every}) == 64 and len(every) in (64, 65)
    assert "AH0" in rnnzoo.create_task("g2p", data=path, stress=True).spec.vocabulary
    sizes = {
        s: len(pairs)
        for s, pairs in rnnzoo.create_task("g2p", data=path, validation_fraction=0.2, test_fraction=0.4).pairs.items()
    }
    assert (sizes["test"], sizes["validation"]) == (26, 13)
    assert [len(p.alternatives) for p in task.pairs["train"] if "".join(p.source) == "read"] in ([1, 1], [])
    odd = write(
        tmp_path / "odd.dict", "#HASH HH AE SH\n\u0928\u092e\u0938\u094d\u0924\u0947 N A M\nparle-moi P A R\n" + words
    )
    known = {"".join(p.source) for pairs in rnnzoo.create_task("g2p", data=odd).pairs.values() for p in pairs}
    assert {"#hash", "\u0928\u092e\u0938\u094d\u0924\u0947", "parle-moi"} <= known
    rnnzoo.create_task("g2p", data=write(tmp_path / "remarks.dict", "# one\n # another\n#\n" + words))
    for bad in ("word", "(2) AH0", "hello 1 2"):
        with pytest.raises(rnnzoo.UserError, match="line 2: expected a word and its phonemes"):
            rnnzoo.create_task("g2p", data=write(tmp_path / "bad.dict", f"# a remark\n{bad}\n"))


def test_waveform():
    task = rnnzoo.create_task("waveform", samples=20)
    batch = task.batch(0, 0)
    f, p, a = batch.inputs[0][0, 0]
    wanted = a * np.sin(2 * np.pi * f * np.linspace(0, 1, 20) + p)
    np.testing.assert_allclose(batch.targets[0, :, 0], wanted, atol=1e-6)
    assert batch.inputs[1].shape == (64, 20, 0)


def distance(a, b):
    """By recursion, as it is defined."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b[1:]) + (a[0] != b[0]), distance(a[1:], b) + 1, distance(a, b[1:]) + 1)


@given(st.text("ab", max_size=5), st.text("abc", max_size=5))
@settings(max_examples=60, deadline=None)
def test_edit_distance(a, b):
    assert generation_metrics.edit_distance(a, b) == distance(a, b)


def spec_of(metrics, level="word"):
    symbols = (*SPECIAL_TOKENS, "the", "cat", "sat")
    return rnnzoo.TaskSpec("pair", "token", True, 6, 6, "cross_entropy", metrics, symbols, level, source="tokens")


def test_metrics_of_generated_sequences():
    """Two of three are correct by the nearest reference; a row of padding does not count."""
    spec = spec_of(("error_rate", "exact_match", "word_error_rate"))
    written = np.array([[3, 4, 5, 0], [3, 0, 0, 0], [4, 4, 0, 0], [3, 3, 3, 3]])
    targets = np.array([[3, 4, 5, 2], [3, 2, 0, 0], [3, 4, 2, 0], [0, 0, 0, 0]])
    there = np.array([True, True, True, False])
    totals = generation_metrics.count_matches(spec, written, targets, there, None)
    assert totals == {"sequences": 3, "exact": 2, "edits": 1, "tokens": 6}
    actual = generation_metrics.compute_metrics(totals)
    assert actual["exact_match"] == pytest.approx(2 / 3) and actual["error_rate"] == pytest.approx(1 / 6)
    assert actual["word_error_rate"] == pytest.approx(1 / 3)
    references = [[("the", "cat", "sat")], [("sat",), ("the",)], [("cat", "cat")], []]
    assert generation_metrics.count_matches(spec, written, targets, there, references)["exact"] == 3


def test_bleu_and_chrf_equal_sacrebleu():
    sacrebleu = pytest.importorskip("sacrebleu")
    spec = spec_of(("error_rate", "bleu", "chrf"))
    written = np.array([[3, 4, 5, 3, 4, 5], [3, 4, 4, 0, 0, 0]])
    references = [[("the", "cat", "sat", "the", "cat")], [("the", "cat", "sat")]]
    actual = generation_metrics.compute_metrics(
        generation_metrics.count_matches(spec, written, written, np.array([True, True]), references)
    )
    got, wanted = ["the cat sat the cat sat", "the cat cat"], [["the cat sat the cat", "the cat sat"]]
    assert actual["bleu"] == pytest.approx(sacrebleu.corpus_bleu(got, wanted).score)
    assert actual["chrf"] == pytest.approx(sacrebleu.corpus_chrf(got, wanted).score)
    assert 0 < actual["bleu"] < 100


def test_label_smoothing_equals_keras():
    spec = spec_of(("loss",))
    logits, targets = (
        np.random.default_rng(0).normal(size=(2, 3, 6)).astype("float32"),
        np.array([[1, 2, 3], [0, 5, 4]]),
    )
    wanted = keras.losses.CategoricalCrossentropy(True, label_smoothing=0.1, reduction="none")(
        np.eye(6)[targets], logits
    )
    actual = metrics.losses(spec, tf.constant(logits), tf.constant(targets), 0.1)
    np.testing.assert_allclose(actual, wanted, rtol=1e-5)
