"""Input files: encodings, special files, sizes, and the errors of tasks that read them."""

import io
import os
import warnings
import zipfile

import numpy as np
import pytest

import rnnzoo
from rnnzoo.data import file_recorder
from rnnzoo.inference import attention_plot
from rnnzoo.training import Trainer, TrainingOptions
from rnnzoo.utils import figures

TEXT = "the quick brown fox jumps over the lazy dog\n" * 60
WIDE = {
    "utf-16": TEXT.encode("utf-16"),
    "utf-16-le": TEXT.encode("utf-16-le"),
    "utf-16-be": TEXT.encode("utf-16-be"),
    "utf-32": TEXT.encode("utf-32"),
}


@pytest.mark.parametrize("given", ["utf-8", "latin-1", "cp1252"])
@pytest.mark.parametrize("name", WIDE)
def test_utf_16_and_utf_32_text_is_recognized(name, given, tmp_path):
    path = tmp_path / "book.txt"
    path.write_bytes(WIDE[name])
    for task in ("char_lm", "word_lm", "tag", "pairs"):
        with pytest.raises(rnnzoo.UserError, match=rf"book\.txt is not .* but {name}: give --encoding={name}"):
            rnnzoo.create_task(task, data=str(path), encoding=given)
    task = rnnzoo.create_task("char_lm", data=str(path), encoding=name)
    assert "\0" not in task.spec.vocabulary and "q" in task.spec.vocabulary


@pytest.mark.parametrize("name", ["undefined", "hex", "utf-9", "a\0b", "rot13", ""])
def test_unknown_encodings(name, tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(TEXT)
    with pytest.raises(rnnzoo.UserError, match="encoding"):
        rnnzoo.create_task("char_lm", data=str(path), encoding=name)
    with pytest.raises(rnnzoo.UserError, match="encoding"):
        rnnzoo.create_task("tag", data=str(path), encoding=name)


def test_pipes_devices_and_folders_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_bytes(b"")
    for name, message in (
        (str(tmp_path / "pipe"), "is a pipe or a device"),
        ("/dev/zero", "is a pipe or a device"),
        ("/dev/full", "is a pipe or a device"),
        (str(tmp_path), "folder"),
        (str(tmp_path / "empty"), "is empty"),
        ("~nobody_here/x", "there is no home folder ~nobody_here"),
        ("x" * 5000, "cannot read"),
        (" ", "names no file"),
    ):
        for task in ("char_lm", "tag", "pairs", "series", "music", "forecast", "sst", "g2p", "scan", "listops"):
            with pytest.raises(rnnzoo.UserError, match=message):
                rnnzoo.create_task(task, data=name)


def test_empty_file_names_are_refused():
    for task in ("tag", "char_lm", "series"):
        with pytest.raises(rnnzoo.UserError, match="data is empty"):
            rnnzoo.create_task(task, data="")


def test_files_with_equal_names_are_distinguished(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "book.txt").write_text(TEXT)
    names = f"{tmp_path}/a/book.txt,{tmp_path}/b/book.txt"

    def describe():
        with file_recorder.record_files() as read:
            task = rnnzoo.create_task("char_lm", data=names)
        return read.describe(task.spec)

    before = describe()
    (tmp_path / "b" / "book.txt").write_text(TEXT.swapcase())
    assert file_recorder.describe_changes(before, describe()) == "b/book.txt has different contents of the same size"


def test_descriptions_of_different_data_differ(tmp_path):
    def describe(text):
        (tmp_path / "book.txt").write_text(text)
        with file_recorder.record_files() as read:
            task = rnnzoo.create_task("char_lm", data=str(tmp_path / "book.txt"))
        return read.describe(task.spec)

    first = describe(TEXT)
    assert first == describe(TEXT) and not file_recorder.describe_changes(first, describe(TEXT))
    assert "different contents of the same size" in file_recorder.describe_changes(first, describe(TEXT.swapcase()))
    assert "had 2,640 bytes and has 1,320" in file_recorder.describe_changes(first, describe(TEXT[: len(TEXT) // 2]))


def test_default_text_is_described():
    with file_recorder.record_files() as read:
        rnnzoo.create_task("char_lm", data_size=50_000)
    assert len(read.files) > 10 and all(path.suffix == ".py" for path in read.files)


def test_too_short_text_is_refused(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("hello world\n")
    with pytest.raises(rnnzoo.UserError, match=r"short\.txt holds too little text: 10 characters to train on"):
        rnnzoo.create_task("char_lm", data=str(path))
    with pytest.raises(rnnzoo.UserError, match=r"too little text: \d words"):
        rnnzoo.create_task("word_lm", data=str(path))


@pytest.mark.slow
def test_evaluation_does_not_depend_on_the_batch_size(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("".join(f"{i * i % 97} sheep\n" for i in range(300 + 90 * number)))
    actual = []
    for batch_size in (1, 3, 64):
        task = rnnzoo.create_task("char_lm", data=str(tmp_path), batch_size=batch_size, seq_length=7)
        import keras

        keras.utils.set_random_seed(0)
        model = rnnzoo.create_model("lstm", task.spec, units=5, embedding=4)
        trainer = Trainer(model, task, TrainingOptions(jit_compile=False))
        actual.append([trainer.evaluate(split)["loss"] for split in ("train", "validation", "test")])
        held = sum(float(batch.weights.sum()) for batch in task.evaluation("test"))
        assert held == task.encoded["test"].counts.sum()  # each unit once
    np.testing.assert_allclose(actual[0], actual[1], rtol=1e-6)
    np.testing.assert_allclose(actual[0], actual[2], rtol=1e-6)


@pytest.mark.parametrize("values", ["1e308,-1e308", "1e200,-1e200", "1e155,2e155"])
def test_values_that_cannot_be_standardized(values, tmp_path):
    (tmp_path / "s.ts").write_text("@data\n" + f"{values}:x\n9,8:y\n" * 9)
    a, b = values.split(",")
    (tmp_path / "s.csv").write_text("a\n" + f"{a}\n{b}\n" * 150)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for task, name in (("series", "s.ts"), ("forecast", "s.csv")):
            with pytest.raises(
                rnnzoo.UserError, match=f"{name}: values from .* too close to each other, to be standardized"
            ):
                rnnzoo.create_task(task, data=str(tmp_path / name))


def test_large_values_are_standardized(tmp_path):
    (tmp_path / "s.csv").write_text("a\n" + "".join(f"{3e38 + 1e37 * (i % 7)}\n" for i in range(300)))
    task = rnnzoo.create_task("forecast", data=str(tmp_path / "s.csv"))
    assert np.isfinite(task.series["train"][:]).all() and 0.9 < task.series["train"][:].std() < 1.1


@pytest.mark.slow
def test_too_few_different_expressions():
    with pytest.raises(rnnzoo.UserError, match="--max_length=5 leaves too few different expressions"):
        rnnzoo.create_task("listops", max_length=5)


def test_labels_must_be_text_or_numbers(tmp_path):
    np.savez(tmp_path / "s.npz", X=np.zeros([6, 5, 2]), y=np.array([b"\xff", *(b"a",) * 5]))
    with pytest.raises(rnnzoo.UserError, match="y must hold text or numbers"):
        rnnzoo.create_task("series", data=str(tmp_path / "s.npz"))


def test_vocabulary_is_hashed_once(monkeypatch):
    """Hashing the vocabulary for each text took fifteen times as long as everything else."""
    from rnnzoo.data import vocabulary

    made = []
    monkeypatch.setattr(vocabulary, "_tables", {})
    real = vocabulary._id_table
    monkeypatch.setattr(vocabulary, "_id_table", lambda symbols: made.append(len(vocabulary._tables)) or real(symbols))
    task = rnnzoo.create_task("dates", batch_size=500)
    task.batch(0, 0)
    assert len(made) >= 1000 and max(made) <= 2 and len(vocabulary._tables) == 2


def test_figures_have_no_missing_glyphs(tmp_path):
    pytest.importorskip("matplotlib")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of glyphs that are missing
        attention_plot.draw_attention(np.ones([3, 4]) / 4, list("日本 x"), list("añ"), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert figures.label_text("日") in ("日", "U+65E5") and figures.label_text("é≠$") == r"é≠\$"


@pytest.mark.slow
def test_bleu_prints_no_warnings(tmp_path, caplog):
    pytest.importorskip("sacrebleu")
    (tmp_path / "p.tsv").write_text("a b c .\tx y z .\n" * 300)
    task = rnnzoo.create_task("pairs", data=str(tmp_path / "p.tsv"), bleu=True, batch_size=8)
    model = rnnzoo.create_model("seq2seq", task.spec, units=4, embedding=4)
    actual = Trainer(model, task, TrainingOptions(jit_compile=False)).evaluate("test")
    assert actual["bleu"] >= 0 and not [r for r in caplog.records if r.name.startswith("sacrebleu")]


def test_unpaired_surrogates_are_refused(tmp_path):
    (tmp_path / "f.txt").write_bytes(b"the quick +2AA- brown fox\n" * 60)
    for task in ("char_lm", "word_lm"):
        with pytest.raises(rnnzoo.UserError, match=r"f\.txt: U\+D800 is an unpaired surrogate"):
            rnnzoo.create_task(task, data=str(tmp_path / "f.txt"), encoding="utf-7")
    (tmp_path / "t.csv").write_bytes(b"text,label\n" + b"a +2AA-,1\nb,0\n" * 20)
    with pytest.raises(rnnzoo.UserError, match=r"t\.csv, line 2: U\+D800"):
        rnnzoo.create_task("classify", data=str(tmp_path / "t.csv"), encoding="utf-7")


def test_unclosed_quotes(tmp_path):
    (tmp_path / "t.csv").write_text('text,label\n"a b,x\n' + "c d,y\n" * 20)
    with pytest.raises(rnnzoo.UserError, match=r"t\.csv, line 22: unexpected end of data"):
        rnnzoo.create_task("classify", data=str(tmp_path / "t.csv"))


def test_parsed_code_does_not_warn():
    from rnnzoo.tasks.ast import parse_python

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_python("1if 1else 2").tokens


@pytest.mark.parametrize(
    "arrays",
    [
        {"X": np.zeros([6, 5, 2], complex), "y": np.arange(6)},
        {"X": np.zeros([6, 5, 2]), "y": np.full(6, 0xFFFFFFFF, "uint32").view("U1")},
        {"X": np.full([6, 5, 2], "x"), "y": np.arange(6)},
    ],
)
def test_invalid_types_in_series_files(arrays, tmp_path):
    np.savez(tmp_path / "s.npz", **arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(rnnzoo.UserError, match=r"s\.npz"):
            rnnzoo.create_task("series", data=str(tmp_path / "s.npz"))


@pytest.mark.parametrize("time", [6, 50, 2**40, 2**62])
def test_arrays_shorter_than_their_shape(time, tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (6, time, 2)})
    y = io.BytesIO()
    np.save(y, np.arange(6))
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as archive:
        archive.writestr("X.npy", header.getvalue() + np.zeros([6, 5, 2]).tobytes())
        archive.writestr("y.npy", y.getvalue())
    with pytest.raises(rnnzoo.UserError, match=r"s\.npz.*X\.npy is shorter than its shape"):
        rnnzoo.create_task("series", data=str(tmp_path / "s.npz"))


@pytest.mark.parametrize("lengths", [[-5, 25], [[10, 10]], [10.0, 10.0]])
def test_invalid_lengths_in_music_files(lengths, tmp_path):
    parts = {name: np.zeros([20, 4]) for name in ("train", "valid", "test")}
    np.savez(tmp_path / "m.npz", **parts, **{f"{name}_lengths": np.array(lengths) for name in parts})
    with pytest.raises(rnnzoo.UserError, match="lengths must be whole numbers of at least 0"):
        rnnzoo.create_task("music", data=str(tmp_path / "m.npz"))


def test_word_vectors_are_utf_8_in_any_encoding_of_the_data(tmp_path):
    (tmp_path / "v.txt").write_bytes("caf\xe9 1 2\n".encode("latin-1"))
    (tmp_path / "t.txt").write_text("(3 (2 It) (4 (2 's) (3 good)))\n(1 (2 so) (0 bad))\n" * 20)
    with pytest.raises(rnnzoo.UserError, match=r"--vectors: .*v\.txt is not utf-8 text; convert it"):
        rnnzoo.create_task("sst", data=str(tmp_path / "t.txt"), vectors=str(tmp_path / "v.txt"))


def test_utf_16_without_a_byte_order_mark(tmp_path):
    (tmp_path / "c.txt").write_bytes(("каждый охотник желает знать\n" * 60).encode("utf-16-be"))
    with pytest.raises(rnnzoo.UserError, match="is not utf-8 text but utf-16-be: give --encoding=utf-16-be"):
        rnnzoo.create_task("char_lm", data=str(tmp_path / "c.txt"))
    (tmp_path / "odd.txt").write_bytes(TEXT.encode("utf-16") + b"x")
    with pytest.raises(rnnzoo.UserError, match=r"odd\.txt is damaged: not all of it is utf-16 text"):
        rnnzoo.create_task("char_lm", data=str(tmp_path / "odd.txt"), encoding="utf-16")
