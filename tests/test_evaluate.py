"""`python -m rnnzoo.evaluate`: the metrics of a trained model on a labelled file."""

import json
import shutil

import numpy as np
import pytest

from rnnzoo import evaluate
from rnnzoo.run import cli
from rnnzoo.training import class_metrics, spans

QUICK = ["--units=6", "--steps=4", "--verbosity=0"]
DATA = {
    "tag": "He PRP B-NP\nruns VBZ B-VP\n\nMary NNP B-NP\nSmith NNP I-NP\nran VBD O\n\n" * 12,
    "classify": "text,label\n" + "a good film,x\na bad film,y\n" * 25,
    "series": "@classLabel true a b\n@data\n" + "1,2,3,4:a\n4,3,2,2:b\n" * 20,
    "forecast": "a,b\n" + "".join(f"{np.sin(i):.4f},{i % 7}\n" for i in range(200)),
    "char_lm": "some text that is long enough\n" * 40,
    "word_lm": "some text that is long enough\n" * 40,
    "pairs": "a b\tb a\nc d\td c\n" * 20,
    "g2p": "".join(f"{a}{b} {a.upper()} {b.upper()}\n" for a in "abcdefgh" for b in "xyzuvw"),
    "sst": "(1 (0 He) (1 runs))\n(0 (1 Mary) (0 ran))\n" * 20,
}
MORE = {"forecast": ["--window=12", "--horizon=3"], "tag": ["--min_count=1"], "sst": ["--min_count=1"]}
SUFFIXES = {"classify": ".csv", "series": ".ts", "forecast": ".csv"}
MODELS = {"pairs": "seq2seq", "g2p": "seq2seq", "sst": "recursive"}


def flatten(value, path=()):
    """Yields the numbers of nested dictionaries and lists by their path."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from flatten(item, (*path, str(key)))
    else:
        yield path, value


def train(task, folder):
    """Trains a model on the data of a task in a folder; returns the file of the data."""
    data = folder / f"data{SUFFIXES.get(task, '.txt')}"
    data.write_text(DATA[task], encoding="utf-8")
    names = [] if task in ("char_lm", "word_lm") else [f"--validation_data={data}", f"--test_data={data}"]
    folders = [f"--run_dir={folder / 'run'}", f"--export_dir={folder / 'export'}"]
    flags = [f"--task={task}", f"--model={MODELS.get(task, 'elman')}", f"--data={data}", *names, *MORE.get(task, [])]
    assert cli.main(["train.py", *QUICK, *flags, *folders]) == 0
    return data


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A folder with a trained text classifier and its data."""
    folder = tmp_path_factory.mktemp("classifier")
    train("classify", folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("task", ["tag", "series", "char_lm", "pairs", "sst"])
def test_equals_the_metrics_of_the_run_for_export_and_run(tmp_path, task):
    data = train(task, tmp_path)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    for folder in ("run", "export"):
        found = evaluate.evaluate(tmp_path / folder, {"data": str(data)})
        assert all(np.isfinite(v) for v in found["metrics"].values())
        if task not in ("char_lm", "word_lm"):  # their test is the end of the text
            assert found["metrics"] == pytest.approx(result["metrics"]["test"], rel=1e-4)
            flat = [
                dict(flatten(part))
                for part in (
                    {k: v for k, v in found.items() if k != "data"},
                    {"metrics": found["metrics"], **result["test_details"]},
                )
            ]
            assert flat[0] == pytest.approx(flat[1], rel=1e-4)


@pytest.mark.slow
def test_command_line_writes_metrics_and_confusion_matrix(tmp_path, classifier, capfd):
    data = classifier / "data.csv"
    folder = tmp_path / "evaluation"
    command = ["evaluate", str(classifier / "export"), f"--data={data}", f"--output={folder}"]
    assert evaluate.main(command) == 0
    out = capfd.readouterr().out
    assert "accuracy" in out and "precision  recall" in out
    stored = json.loads((folder / "metrics.json").read_text())
    result = json.loads((classifier / "run" / "result.json").read_text())
    assert stored["metrics"] == pytest.approx(result["metrics"]["test"], rel=1e-4)
    assert np.array(stored["confusion"]).sum() == 50
    assert (folder / "confusion.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: python -m rnnzoo.evaluate"),
        (["EXPORT"], "usage: python -m rnnzoo.evaluate"),
        (["nowhere", "--data=x"], "there is no file or folder nowhere"),
        (["EXPORT", "--data=other.csv"], "the model has no label z"),
        (["EXPORT", "--data=DATA", "--horizon=3"], "--horizon is no option of task 'classify'"),
        (["EXPORT", "--data=missing.csv"], "there is no file missing.csv"),
    ],
)
def test_bad_input_is_one_line(tmp_path, classifier, capfd, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.csv").write_text("text,label\n" + "a film,z\n" * 5, encoding="utf-8")
    names = {"EXPORT": classifier / "export", "--data=DATA": f"--data={classifier / 'data.csv'}"}
    arguments = [str(names.get(a, a)) for a in arguments]
    assert evaluate.main(["evaluate", *arguments]) == 2
    error = capfd.readouterr().err
    assert message in error and error.count("\n") == 1


def test_spans_by_type_and_classes_equal_their_definition():
    labels = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
    targets, predicted = np.array([[0, 2, 4, 1, 3]]), np.array([[0, 2, 4, 1, 4]])
    counts = spans.count_spans(labels, targets, predicted, np.ones((1, 5), bool))
    assert spans.span_types(labels) == ["LOC", "PER"]
    assert counts.tolist() == [[1, 1, 1], [0, 1, 1]]
    assert spans.f1(counts) == 0.5
    rows = spans.compute_span_metrics(labels, counts)
    assert rows["LOC"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "count": 1}
    assert rows["PER"]["f1"] == 0
    confusion = np.array([[3, 1, 0], [2, 2, 0], [0, 0, 0]])
    found = class_metrics.compute_class_metrics(("a", "b", "c"), confusion)["classes"]
    assert found["a"] == {"precision": 0.6, "recall": 0.75, "f1": pytest.approx(2 / 3), "count": 4}
    assert found["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "count": 0}


DAMAGE = {
    "units": lambda c: c["options"].update(units=200_000),
    "layers": lambda c: c["options"].update(layers=1_000_000),
    "output_size": lambda c: c["spec"].update(output_size=10**12),
    "another model": lambda c: c["options"].update(units=7),
    "no options": lambda c: c.pop("options"),
    "options of a list": lambda c: c.update(options=[]),
    "model of a number": lambda c: c.update(model=3),
    "dtype": lambda c: c.update(dtype="float7"),
    "labels": lambda c: c["spec"].update(labels=["x"]),
    "task options of a list": lambda c: c.update(task_options=[]),
    "task of a number": lambda c: c.update(task=1),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_configurations_are_one_line(tmp_path, classifier, capfd, case):
    export = tmp_path / "export"
    shutil.copytree(classifier / "export", export)
    path = export / "assets.extra" / "config.json"
    config = json.loads(path.read_text())
    DAMAGE[case](config)
    path.write_text(json.dumps(config))
    capfd.readouterr()
    assert evaluate.main(["evaluate", str(export), f"--data={classifier / 'data.csv'}"]) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and "internal" not in error, error
