"""Tasks on files of sequences: reading, splits, padding, scores, errors."""

import datetime

import numpy as np
import pytest

import rnnzoo
from rnnzoo.data import files, tables
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.signals import find_seasonal_period, mackey_glass
from rnnzoo.data.tokens import split_words_and_punctuation
from rnnzoo.spec import PAD, UNKNOWN

CONLL = """-DOCSTART- -X- O O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
German JJ B-NP B-MISC
call NN I-NP O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER

"""


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def shown(task, split="train"):
    """Every sequence of a split as its batches give it: `(inputs, targets)` with the padding cut off."""
    actual = []
    for batch in task.evaluation(split):
        for row in range(len(batch.inputs)):
            weights = batch.weights[row]
            if weights.any():
                mask = np.ones(batch.inputs.shape[1], bool) if batch.mask is None else batch.mask[row]
                actual.append(
                    (batch.inputs[row][mask], batch.targets[row][mask] if weights.ndim else batch.targets[row])
                )
    return actual


def test_tag_reads_conll_columns(tmp_path):
    data = write(tmp_path, "train.txt", CONLL * 10)
    task = rnnzoo.create_task("tag", data=data, min_count=1, validation_data=data, test_data=data)
    assert task.spec.labels == ("B-MISC", "B-ORG", "B-PER", "I-PER", "O")
    assert task.spec.metrics == ("f1", "accuracy")
    sentences = {
        (
            " ".join(task.spec.vocabulary[i] for i in ids),
            " ".join(task.spec.labels[i] for i in targets),
        )
        for ids, targets in shown(task, "test")
    }
    assert sentences == {("EU rejects German call", "B-ORG O B-MISC O"), ("Peter Blackburn", "B-PER I-PER")}
    assert len(shown(task, "test")) == 20
    chunks = rnnzoo.create_task("tag", data=data, columns="0,2")
    assert chunks.spec.labels == ("B-NP", "B-VP", "I-NP")
    assert [len(chunks.examples[s]) for s in SPLITS] == [16, 2, 2]


def test_tag_reads_characters_of_words(tmp_path):
    data = write(tmp_path, "train.txt", CONLL * 10)
    task = rnnzoo.create_task("tag", data=data, char_embedding=True, word_length=6, min_count=1)
    ids = task.examples["train"][0].inputs
    assert ids.shape == (4, 7)
    letters = ["".join(task.spec.char_vocabulary[i] for i in row[1:] if i != PAD) for row in ids]
    assert letters == ["EU", "reject", "German", "call"]
    assert (ids[0, 3:] == PAD).all()


def test_tag_kinds_of_python_tokens():
    task = rnnzoo.create_task("tag", data_size=20_000, seq_length=80)
    assert task.spec.labels == ("comment", "keyword", "name", "number", "operator", "space", "string")
    assert task.lengths["train"].sum() == 20_000
    for ids, targets in shown(task)[:40]:
        text = [task.spec.vocabulary[i] for i in ids]
        for symbol, label in zip(text, (task.spec.labels[t] for t in targets), strict=True):
            if label == "number":
                assert symbol.isalnum() or symbol in "._"
            if label in ("keyword", "name"):
                assert symbol.isidentifier() or symbol.isalnum() or symbol == "<unk>"
            if symbol in "\n" and label != "string":
                assert label == "space"
    assert (
        task.baselines()["most frequent tag of the word"]["accuracy"]
        > task.baselines()["most frequent tag"]["accuracy"]
    )


def reviews(folder, name="reviews.csv", times=10):
    rows = ['good,"a ""fine"" film, really"', "bad,dull\nand long", "bad,no good"]
    text = "label,text\n" + "\n".join(r.replace("\n", " ") for r in rows * times) + "\n"
    return write(folder, name, text)


def test_classify_reads_tables(tmp_path):
    task = rnnzoo.create_task("classify", data=reviews(tmp_path), min_count=1)
    assert task.spec.labels == ("bad", "good")
    assert [len(task.examples[s]) for s in SPLITS] == [24, 3, 3]
    texts = {" ".join(task.spec.vocabulary[i] for i in ids) for ids, _ in shown(task)}
    assert texts <= {'a " fine " film , really', "dull and long", "no good"}
    plain = write(tmp_path, "plain.tsv", "one two\tx\nthree\ty\n" * 20)
    task = rnnzoo.create_task("classify", data=plain, text_column="0", label_column="-1", level="char", min_count=1)
    assert sum(len(task.examples[s]) for s in SPLITS) == 40
    guess = task.baselines()["most frequent class"]
    assert guess["accuracy"] in (0, 0.5, 1)
    assert guess["macro_f1"] <= guess["accuracy"]


def test_tokens_are_words_and_punctuation():
    assert split_words_and_punctuation("f(x_1)+=é 道\t'a'\n") == [
        "f",
        "(",
        "x_1",
        ")",
        "+",
        "=",
        "é",
        "道",
        "'",
        "a",
        "'",
    ]


def test_classify_python_packages():
    task = rnnzoo.create_task("classify")
    assert len(task.spec.labels) == 8
    snippets = {s: {tuple(e.inputs) for e in task.examples[s]} for s in SPLITS}
    assert len(snippets["train"] & snippets["test"]) < 0.1 * len(snippets["test"])  # alike but for unknown names


def prices(folder, rows=200):
    day = datetime.date(2020, 1, 1)
    lines = [f"{day + datetime.timedelta(i)},{10 + i},{100 * np.sin(i * np.pi / 6):.6f}" for i in range(rows)]
    return write(folder, "prices.csv", "date,level,wave\n" + "\n".join(lines) + "\n")


def test_forecast_splits_in_time_and_standardizes_by_training_data(tmp_path):
    data = prices(tmp_path)
    task = rnnzoo.create_task("forecast", data=data, columns="level,wave", window=24, horizon=3, batch_size=8)
    assert task.spec.labels == ("level", "wave")
    train = np.stack([10 + np.arange(160), 100 * np.sin(np.arange(160) * np.pi / 6)], 1)
    mean, deviation = (np.array(part) for part in task.spec.input_scale)
    assert mean == pytest.approx(train.mean(0), abs=1e-4)
    assert deviation == pytest.approx(train.std(0), abs=1e-4)

    def days(split):
        """Returns the rows that each window reads, and those that it forecasts."""
        for batch in task.evaluation(split):
            for x, y, w in zip(batch.inputs, batch.targets, batch.weights, strict=True):
                if w:
                    levels = np.concatenate([x, y.reshape(3, 2)])[:, 0] * deviation[0] + mean[0] - 10
                    yield np.round(levels).astype(int)

    for split, first, last in (("train", 0, 160), ("validation", 160, 180), ("test", 180, 200)):
        rows = list(days(split))
        assert all((np.diff(r) == 1).all() and len(r) == 27 for r in rows)
        targets = [r[24:] for r in rows]
        assert min(t[0] for t in targets) >= max(first, 24)
        assert max(t[-1] for t in targets) == last - 1
    assert len(list(days("test"))) == 18
    seen = np.concatenate([task.batch(0, step).targets[:, 0] for step in range(task.steps_per_epoch())])
    assert len(np.unique(np.round(seen, 4))) == 160 - 24 - 2  # an epoch has every window


def test_forecast_baselines(tmp_path):
    data = prices(tmp_path)
    task = rnnzoo.create_task("forecast", data=data, columns="wave", window=5, horizon=2)
    assert task.seasonal_period == 12
    last, season = task.baselines().values()
    assert season["mse"] == pytest.approx(0, abs=1e-9)
    wave = 100 * np.sin(np.arange(200) * np.pi / 6)
    std = wave[:160].std()
    steps = np.array([[wave[t + h] - wave[t - 1] for h in range(2)] for t in range(180, 199)]) / std
    assert last["mse"] == pytest.approx((steps**2).mean(), rel=1e-4)
    assert last["mae"] == pytest.approx(np.abs(steps).mean(), rel=1e-4)


def test_seasonal_period_is_estimated():
    assert find_seasonal_period(np.sin(np.arange(400) * 2 * np.pi / 37)) == 37
    assert find_seasonal_period(np.ones(100)) == 1


def test_mackey_glass_solves_its_equation():
    """Compares with an independent solver with ten times smaller steps."""
    assert mackey_glass(100, warm_up=0) == pytest.approx(mackey_glass(100, warm_up=0, steps=100), abs=1e-4)
    x = mackey_glass(3000)
    assert 0.2 < x.min() < 0.5 < 1.2 < x.max() < 1.5


TS = """# a comment
@problemName Two
@timeStamps false
@univariate false
@classLabel true left right
@data
"""


def test_series_reads_ts_and_npz(tmp_path):
    rows = ["1,2,3:4,5,6:left", "1.5,2:-4,5e-1:right"] * 10
    path = write(tmp_path, "two.ts", TS + "\n".join(rows))
    task = rnnzoo.create_task("series", data=path, test_data=path)
    assert (task.spec.labels, task.spec.input_size) == (("left", "right"), 2)
    mean, deviation = (np.array(part) for part in task.spec.input_scale)
    original = {(len(x), *np.round(x * deviation + mean, 3)[:, 1], int(y)) for x, y in shown(task, "test")}
    assert original == {(3, 4, 5, 6, 0), (2, -4, 0.5, 1)}
    X = np.random.default_rng(0).normal(size=(30, 7, 2))
    y = np.arange(30) % 3
    np.savez(tmp_path / "set.npz", X=X, y=y, lengths=np.arange(30) % 5 + 2)
    task = rnnzoo.create_task("series", data=str(tmp_path / "set.npz"))
    assert task.spec.labels == ("0", "1", "2")
    assert sorted(np.concatenate(list(task.lengths.values()))) == sorted(np.arange(30) % 5 + 2)


def test_series_default_is_cylinder_bell_funnel():
    task = rnnzoo.create_task("series")
    means = {label: [] for label in task.spec.labels}
    for example in task.examples["test"]:
        means[task.spec.labels[example.targets]].append(example.inputs[:, 0])
    early, late = ({k: np.mean(v, 0)[part].mean() for k, v in means.items()} for part in (slice(20, 45), slice(60, 90)))
    assert early["funnel"] > early["bell"]
    assert late["bell"] > late["funnel"]
    assert late["cylinder"] > late["funnel"]


def test_music_reads_rolls(tmp_path):
    rng = np.random.default_rng(0)
    rolls = {name: [(rng.random((t, 88)) < 0.1) for t in (5, 9, 7)] for name in ("train", "valid", "test")}
    arrays = {name: np.concatenate(r) for name, r in rolls.items()}
    arrays |= {f"{name}_lengths": [len(x) for x in r] for name, r in rolls.items()}
    np.savez(tmp_path / "rolls.npz", **arrays)
    task = rnnzoo.create_task("music", data=str(tmp_path / "rolls.npz"), batch_size=2)
    got = sorted(shown(task, "test"), key=lambda pair: len(pair[0]))
    for (x, y), roll in zip(got, sorted(rolls["test"], key=len), strict=True):
        assert (x == roll[:-1]).all()
        assert (y == roll[1:]).all()
    marginals = (np.concatenate([r[1:] for r in rolls["train"]]).sum(0) + 0.5) / (21 - 3 + 1)
    frames = np.concatenate([r[1:] for r in rolls["test"]])
    expected = -np.where(frames, np.log(marginals), np.log(1 - marginals)).sum(1).mean()
    assert task.baselines()["note frequencies"]["nll"] == pytest.approx(expected, rel=1e-5)


def test_music_reads_mat(tmp_path):
    io = pytest.importorskip("scipy.io")
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = np.eye(88)[:6], np.eye(88)[:4]
    io.savemat(tmp_path / "r.mat", {"traindata": cells, "validdata": cells, "testdata": cells})
    task = rnnzoo.create_task("music", data=str(tmp_path / "r.mat"))
    assert sorted(task.lengths["test"]) == [3, 5]


@pytest.mark.parametrize("name", ["tag", "classify", "series", "music"])
def test_an_epoch_has_every_sequence_once(name):
    options = {"data_size": 5_000, "seq_length": 50} if name == "tag" else {}
    task = rnnzoo.create_task(name, batch_size=7, **options)
    total = sum(np.any(task.batch(1, s).weights.reshape(7, -1), 1).sum() for s in range(task.steps_per_epoch()))
    assert total == len(task.examples["train"])
    evaluated = sum(np.any(b.weights.reshape(7, -1), 1).sum() for b in task.evaluation("test"))
    assert evaluated == len(task.examples["test"])


def test_rows_that_fill_up_a_batch_have_weight_0(tmp_path):
    task = rnnzoo.create_task("classify", data=reviews(tmp_path), batch_size=64)
    batch = task.batch(0, 0)
    assert batch.weights.sum() < 64
    filler = batch.weights == 0
    assert (batch.inputs[filler] == PAD).all()
    assert UNKNOWN not in batch.inputs[filler]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "a,b\n1,2,3\n", "line 2: 3 cells, but 2 in the first line"),
        ("a.csv", "", "is empty"),
    ],
)
def test_invalid_tables(name, text, message, tmp_path):
    path = write(tmp_path, name, text)
    with pytest.raises(rnnzoo.UserError, match=message):
        list(tables.Table(files.check_file(path)).blocks())


def test_tables_and_their_separators(tmp_path):
    for separator in ",;\t":
        path = files.check_file(write(tmp_path, "t.csv", separator.join("ab") + "\n" + separator.join("12") + "\n\n"))
        assert list(tables.Table(path).blocks()) == [[["a", "b"], ["1", "2"]]]


@pytest.mark.parametrize("first", ["1", "0"])
def test_columns_by_number(first, tmp_path):
    other = "0" if first == "1" else "1"
    data = write(tmp_path, "n.csv", f"{first},a fine film\n{other},a bad film\n" * 20)
    task = rnnzoo.create_task("classify", data=data, text_column="1", label_column="0")
    assert set(task.spec.vocabulary[3:]) == {"a", "fine", "bad", "film"}
    assert sum(len(task.examples[s]) for s in SPLITS) == 40
    headed = write(tmp_path, "h.csv", "text,label\n" + "a fine film,x\na bad film,y\n" * 20)
    with pytest.raises(rnnzoo.UserError, match="the first line looks like a header"):
        rnnzoo.create_task("classify", data=headed, text_column="0", label_column="1")


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("date,1,2\n", ("1", "2")),
        ("date,a,2020\n", ("a", "2020")),
        ("day,wave,level\n", ("wave", "level")),
        ("", ("1", "2")),
    ],
)
def test_headers_of_series(header, names, tmp_path):
    rows = [f"2020-01-{i % 28 + 1:02d},{i % 7},{i % 5}\n" for i in range(300)]
    task = rnnzoo.create_task("forecast", data=write(tmp_path, "f.csv", header + "".join(rows)))
    assert (task.table.names, len(task.table)) == (names, 300)
    for at in (0, 6):
        holes = [*rows[:at], "2020-01-01,NA,3\n", *rows[at + 1 :]]
        with pytest.raises(rnnzoo.UserError, match=f"row {at + 1 + bool(header)}, column '{names[0]}': 'NA' is not"):
            rnnzoo.create_task("forecast", data=write(tmp_path, "f.csv", header + "".join(holes)))


def test_first_column_with_missing_values_is_not_a_date_column(tmp_path):
    data = write(tmp_path, "f.csv", "a,b\n,1\n" + "".join(f"{i % 7},{i % 5}\n" for i in range(300)))
    with pytest.raises(rnnzoo.UserError, match="row 2, column 'a': '' is not a number but a missing value"):
        rnnzoo.create_task("forecast", data=data)


def test_constant_column_with_rounding_errors(tmp_path):
    data = write(tmp_path, "f.csv", "a,b\n" + "".join(f"0.1,{i % 5}\n" for i in range(300)))
    with pytest.raises(rnnzoo.UserError, match="column 'a' is constant"):
        rnnzoo.create_task("forecast", data=data)


TAB_FILES = {
    "a missing tag": ("EU\tX\nNew York\n\n", "line 2: 1 columns"),
    "an empty tag": ("EU\tX\t\n\n", "line 1: the word or its tag is empty"),
}


@pytest.mark.parametrize("case", TAB_FILES)
def test_tab_separated_columns(case, tmp_path):
    text, message = TAB_FILES[case]
    with pytest.raises(rnnzoo.UserError, match=message):
        rnnzoo.create_task("tag", data=write(tmp_path, "t.txt", text * 20))


def test_comments_of_conll_u(tmp_path):
    text = "# sent_id = 1\n1\tThe\t_\tDET\n2\tdog\t_\tNOUN\n\n"
    task = rnnzoo.create_task("tag", data=write(tmp_path, "t.txt", text * 20), columns="1,3")
    assert task.spec.labels == ("DET", "NOUN")


@pytest.mark.parametrize("name", ["tag", "classify"])
def test_invalid_bytes_in_the_encoding(name, tmp_path):
    body = "text,label\n" + "a fine film,x\na bad film,y\n" * 2000
    path = tmp_path / "l.csv"
    path.write_bytes(body.encode() + "café,x\n".encode("latin-1"))
    with pytest.raises(rnnzoo.UserError, match=r"not utf-8 text \(byte"):
        rnnzoo.create_task(name, data=str(path))
    with pytest.raises(rnnzoo.UserError, match="is not utf-16 text"):
        rnnzoo.create_task(name, data=str(path), encoding="utf-16")
    path.write_bytes(b"\xef\xbb\xbf" + body.encode())
    if name == "classify":
        assert rnnzoo.create_task(name, data=str(path), encoding="UTF-8").spec.labels == ("x", "y")


SERIES = {
    "two": ({"X": np.ones((2, 5)), "y": [0, 1]}, "the train split is empty"),
    "none": ({"X": np.ones((0, 5)), "y": np.zeros(0)}, "the train split is empty"),
    "fractions": ({"X": np.ones((9, 5)), "y": np.arange(9), "lengths": np.ones(9)}, "lengths must be whole numbers"),
    "too long": ({"X": np.ones((9, 5)), "y": np.arange(9), "lengths": np.full(9, 6)}, "from 1 to 5"),
    "flat": ({"X": np.ones((9, 5, 0)), "y": np.arange(9)}, "there must be a dimension"),
}


@pytest.mark.parametrize("case", SERIES)
def test_invalid_series_files(case, tmp_path):
    arrays, message = SERIES[case]
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(rnnzoo.UserError, match=message):
        rnnzoo.create_task("series", data=str(tmp_path / "s.npz"))


def test_silent_music_and_different_widths(tmp_path):
    def save(widths, frames=12):
        parts = {}
        for name, width in zip(("train", "valid", "test"), widths, strict=True):
            parts |= {name: np.zeros((frames, width)), f"{name}_lengths": [frames]}
        np.savez(tmp_path / "m.npz", **parts)
        return rnnzoo.create_task("music", data=str(tmp_path / "m.npz"))

    assert all(np.isfinite(actual["nll"]) for actual in save((8, 8, 8)).baselines().values())
    with pytest.raises(rnnzoo.UserError, match=r"different numbers of notes: \[8, 9\]"):
        save((8, 8, 9))
