"""Predictions for lines of text, of every kind of text task."""

import dataclasses
import io
import json
import os
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

import rnnzoo
from rnnzoo import predict as command
from rnnzoo.inference import predictor
from rnnzoo.predict import PredictOptions, Predictor, predict
from tests.helpers import randomise


def exported(folder, name, task, **options):
    keras.utils.set_random_seed(1)
    model = rnnzoo.create_model(name, task.spec, **({"units": 6, "embedding": 4} | options))
    randomise(model, scale=1.0)
    return rnnzoo.export_saved_model(model, folder)


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    task = rnnzoo.create_task("reverse", seq_length=6)
    return exported(tmp_path_factory.mktemp("exports") / "writer", "seq2seq", task)


def answers(path, lines, **options):
    sink = io.BytesIO()
    wrong = predict(Predictor(path, PredictOptions(**options)), lines, sink)
    return sink.getvalue().decode().split("\n")[:-1], wrong


@pytest.mark.slow
def test_seq2seq_model_answers_each_line(writer):
    lines = [b"abc\n", b"\n", b"\xff\xfe\n", b"xyz\r\n", b"q"]
    actual, wrong = answers(writer, lines, batch_size=2)
    assert len(actual) == 5 and actual[1] == actual[2] == ""
    assert wrong == ["line 3: not utf-8 text"]
    one_by_one = [answers(writer, [line])[0][0] for line in lines]
    assert actual == one_by_one
    assert len(set(actual)) > 2
    assert (
        answers(writer, [b"\xef\xbb\xbf  abc\xc2\xa0\t\n"])[0] == actual[:1]
    )  # a mark of the encoding, and spaces around


@pytest.mark.slow
def test_output_through_links_and_pipes(writer, tmp_path):
    lines, target, link, pipe = (tmp_path / name for name in ("in.txt", "target.txt", "link.txt", "pipe"))
    lines.write_bytes(b"abc\n")
    link.symlink_to(target)
    assert command.main(["predict", str(writer), f"--input={lines}", f"--output={link}"]) == 0
    assert link.is_symlink() and target.read_text().count("\n") == 1
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert command.main(["predict", str(writer), f"--input={lines}", f"--output={pipe}"]) == 0
    assert os.read(reader, 1000).decode() == target.read_text() and pipe.is_fifo()
    os.close(reader)
    assert answers(writer, [b"\xef\xbb\xbfabc\n"], encoding="utf-8-sig")[0] == target.read_text().split("\n")[:1]


def test_beam_search_and_nbest(writer):
    best, _ = answers(writer, [b"abc\n", b"xyz\n"], beam=3)
    rows, _ = answers(writer, [b"abc\n", b"\n", b"xyz\n"], beam=3, nbest=2)
    cells = [row.split("\t") for row in rows]
    assert [c[0] for c in cells] == ["1", "1", "", "3", "3"]
    assert [cells[0][2], cells[3][2]] == best
    assert float(cells[0][1]) >= float(cells[1][1])


@pytest.mark.slow
def test_command_line(writer, tmp_path):
    pytest.importorskip("matplotlib")
    lines, out, picture = tmp_path / "in.txt", tmp_path / "out.txt", tmp_path / "look.png"
    lines.write_bytes(b"abc\n\xff\nxyz\n")
    run = [sys.executable, "-m", "rnnzoo.predict", str(writer), f"--attention_plot={picture}"]
    done = subprocess.run([*run, f"--input={lines}", f"--output={out}"], capture_output=True, text=True)
    assert done.returncode == 1 and "line 2: not utf-8 text" in done.stderr and done.stdout == ""
    actual = out.read_text().split("\n")
    assert actual == [*answers(writer, [b"abc\n", b"\n", b"xyz\n"])[0], ""]
    assert picture.read_bytes()[:4] == b"\x89PNG" and not (tmp_path / "out.txt.part").exists()
    assert "--length_penalty" in subprocess.run([*run[:3], "--help"], capture_output=True, text=True, check=True).stdout
    piped = subprocess.run(run[:4], input=b"abc\nxyz\n", capture_output=True)
    assert piped.returncode == 0 and piped.stdout.decode().split("\n") == [actual[0], actual[2], ""]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage:"),
        (["{}", "--nbest=3"], "needs as many beams"),
        (["{}", "--input=nowhere.txt"], "--input=nowhere.txt: No such file"),
        (["{}", "--beam=0"], "beam must be at least 1"),
        (["{}", "--beam=3000000000"], "beam must be below 1001"),
        (["{}", "--length_penalty=1"], "give --beam too"),
        (["{}", "--attention_plot=look.foo"], "end with .png, .svg, .pdf"),
        (["{}", "--encoding=utf-16"], "convert the file to utf-8"),
        (["{}", "--encoding=klingon"], "klingon: there is no such encoding"),
        (["{}", "--encoding=hex"], "hex: there is no such encoding"),
        (["{}", "--attention_plot=nowhere/look.png", "--output=answers.txt"], "there is no folder nowhere"),
        (["nowhere"], "there is no file or folder nowhere"),
    ],
)
def test_bad_arguments(writer, arguments, message, capsys):
    assert command.main(["predict", *(a.format(writer) for a in arguments)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_classifier_tagger_and_language_model(tmp_path):
    rows = "".join(f"{text},{label}\n" for text, label in [("good fine", "yes"), ("bad poor", "no")] * 30)
    (tmp_path / "c.csv").write_text("text,label\n" + rows)
    task = rnnzoo.create_task("classify", data=str(tmp_path / "c.csv"))
    actual, wrong = answers(exported(tmp_path / "classify", "elman", task), [b"good\n", b"\n", b"bad poor\n"])
    assert set(actual) <= {"yes", "no", ""} and actual[1] == "" and actual[0] and not wrong

    (tmp_path / "t.txt").write_text("the D\ncat N\n\na D\ndog N\nran V\n\n" * 30)
    task = rnnzoo.create_task("tag", data=str(tmp_path / "t.txt"), min_count=1)
    path = exported(tmp_path / "tag", "bidirectional", task)
    actual, _ = answers(path, [b"the cat ran\n", b"dog\n"])
    assert [len(line.split()) for line in actual] == [3, 1] and set(" ".join(actual).split()) <= {"D", "N", "V"}
    with pytest.raises(rnnzoo.UserError, match="apply to seq2seq models only"):
        answers(path, [b"x"], beam=2)

    task = rnnzoo.create_task("char_lm", data_size=20_000)
    path = exported(tmp_path / "lm", "elman", task)
    (line,), _ = answers(path, [b"import os"])
    total, bits = map(float, line.split("\t"))
    assert total == pytest.approx(-bits * 9 * np.log(2), abs=1e-2)
    with pytest.raises(rnnzoo.UserError, match="has no attention"):
        answers(path, [b"x"], attention_plot="p.png")


@pytest.mark.slow
def test_label_sources_and_numeric_models(tmp_path):
    (tmp_path / "n.tsv").write_text("".join(f"{s}\t{n}\n" for s, n in [("F", "anna"), ("m", "otto")] * 20))
    data = str(tmp_path / "n.tsv")
    task = rnnzoo.create_task("pairs", data=data, level="char", source_level="line", lowercase=True)
    path = exported(tmp_path / "names", "decoder", task)
    actual, wrong = answers(path, [b" F \n", b"x\n"])
    assert answers(path, [b"f"])[0] == actual[:1] and answers(path, [b"<unk>"])[1]
    assert len(actual) == 2 and wrong == ["line 2: the model has no label 'x'"]
    config = path / "assets.extra" / "config.json"
    config.write_text(json.dumps({}))
    with pytest.raises(rnnzoo.UserError, match="is not an export of this package"):
        Predictor(path)
    path = exported(tmp_path / "numbers", "elman", rnnzoo.create_task("adding"))
    with pytest.raises(rnnzoo.UserError, match="does not answer lines of text"):
        Predictor(path)
    unlabelled = rnnzoo.create_task("copy")
    unlabelled.spec = dataclasses.replace(unlabelled.spec, labels=())
    path = exported(tmp_path / "steps", "elman", rnnzoo.create_task("copy"))
    assert answers(path, [b"12\n"])[0][0].split()  # the symbol at each step
    path = exported(tmp_path / "bits", "elman", unlabelled)
    with pytest.raises(rnnzoo.UserError, match="does not answer lines of text"):
        Predictor(path)


def test_a_tree_export_with_earlier_signatures_is_refused(tmp_path, monkeypatch):
    """Exports before 0.4.0 have an input `place`, which is `child_index` today."""
    spec = rnnzoo.create_task("listops", train_size=20, max_length=8).spec
    (tmp_path / "assets.extra").mkdir()
    config = json.dumps({"spec": spec.to_json(), "rnnzoo": "0.3.0"})
    (tmp_path / "assets.extra" / "config.json").write_text(config, encoding="utf-8")
    inputs = dict.fromkeys(("inputs", "parent", "place", "level"))
    serving = types.SimpleNamespace(structured_input_signature=((), inputs), structured_outputs={"label": None})
    loaded = types.SimpleNamespace(signatures={"serving_default": serving})
    monkeypatch.setattr(predictor, "load", lambda _: loaded)
    with pytest.raises(rnnzoo.UserError, match="exported by an earlier version of rnnzoo: export it again"):
        Predictor(tmp_path)
