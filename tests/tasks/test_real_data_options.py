"""Options for data of practitioners: features, word vectors, conditional random fields, subwords, regression."""

import json

import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo import predict
from rnnzoo.data.batch import SPLITS
from rnnzoo.errors import UserError
from rnnzoo.export.tokenizer import Tokenizer
from rnnzoo.run import cli
from rnnzoo.spec import UNKNOWN
from rnnzoo.training import Trainer, TrainingOptions

CONLL = "He PRP B-NP\nruns VBZ B-VP\n. . O\n\nMary NNP B-NP\nSmith NNP I-NP\nran VBD B-VP\n\n" * 12
QUICK = ["--units=6", "--embedding=4", "--steps=3", "--verbosity=0"]


def write(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / name)


def run(tmp_path, *flags, name="run"):
    folders = [f"--run_dir={tmp_path / name}", f"--export_dir={tmp_path / name}-export"]
    assert cli.main(["train.py", *QUICK, *flags, *folders]) == 0
    return tmp_path / name, tmp_path / f"{name}-export"


@pytest.mark.slow
def test_tagger_with_features_characters_and_crf_is_served_and_predicts(tmp_path, capfd):
    data = write(tmp_path, "chunks.txt", CONLL)
    flags = ["--task=tag", "--model=bidirectional", f"--data={data}", "--features=pos", "--char_embedding", "--crf"]
    folder, export = run(tmp_path, *flags, "--min_count=1")
    config = json.loads((export / "assets.extra" / "config.json").read_text())
    assert config["spec"]["feature_names"] == ["pos"]
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    answer = served(text=tf.constant(["He runs .", "Mary"]), pos=tf.constant(["PRP VBZ .", "NNP"]))
    model = rnnzoo.load(folder / "model.keras")
    task = rnnzoo.create_task("tag", spec=model.spec, data=data, features="pos", char_embedding=True)
    inputs = task.examples["test"][0].inputs[None]
    expected = model.predict_labels(model(inputs))
    assert [label.decode() for label in answer["label"][0].numpy()] == [model.spec.labels[i] for i in expected[0]]
    assert answer["label"][1].numpy().tolist()[1:] == [b"", b""]
    with pytest.raises(tf.errors.InvalidArgumentError, match="pos must have as many values as the text has words"):
        served(text=tf.constant(["He runs"]), pos=tf.constant(["PRP"]))
    lines = write(tmp_path, "lines.txt", "He runs .\tPRP VBZ .\nMary\tNNP NNP\n")
    assert predict.main(["predict", str(export), f"--input={lines}"]) == 1
    out, err = capfd.readouterr()
    assert len(out.splitlines()[-2].split()) == 3
    assert "line 2: expected words, a tab, pos, as many of each" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--task=adding", "--model=lstm", "--crf"], "--crf applies to tasks with a class for every step"),
        (["--task=reverse", "--model=seq2seq", "--crf"], "--crf does not apply to model 'seq2seq'"),
        (["--task=tag", "--model=lstm", "--crf", "--label_smoothing=0.1"], "--label_smoothing and --crf exclude"),
        (["--task=tag", "--model=lstm", "--crf", "--class_weights=balanced"], "--class_weights=balanced and --crf"),
        (["--task=adding", "--model=lstm", "--class_weights=balanced"], "applies to tasks with classes"),
        (["--task=adding", "--model=lstm", "--select_by=f1"], "--select_by=f1: task 'adding' has the metrics loss"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, capfd, flags, message):
    folders = [f"--run_dir={tmp_path / 'run'}", f"--export_dir={tmp_path / 'export'}"]
    assert cli.main(["train.py", *QUICK, *flags, *folders]) == 2
    error = capfd.readouterr().err
    assert message in error and error.count("\n") == 1


def test_words_become_unknown_by_their_frequency_and_the_same_at_every_call(tmp_path):
    data = write(tmp_path, "chunks.txt", CONLL)
    plain = rnnzoo.create_task("tag", data=data, min_count=1)
    task = rnnzoo.create_task("tag", data=data, min_count=1, unknown_dropout=5.0)
    dropped = seen = 0
    for step in range(40):
        before, after = plain.batch(0, step).inputs, task.batch(0, step).inputs
        assert (after == task.batch(0, step).inputs).all()
        assert ((after == before) | (after == UNKNOWN)).all() and (after[before == 0] == 0).all()
        dropped, seen = dropped + ((after != before) & (before > 0)).sum(), seen + (before > 0).sum()
    count = task.token_counts[3:].max()
    assert 0.8 < (dropped / seen) * (5 + count) / 5 < 1.25
    assert not any((b.inputs == UNKNOWN).any() for b in task.evaluation("validation"))


@pytest.mark.parametrize(("task", "name", "text"), [
    ("tag", "t.txt", CONLL),
    pytest.param("classify", "c.csv", "text,label\n" + "He runs,x\nMary ran,y\n" * 20, marks=pytest.mark.slow),
    pytest.param("word_lm", "w.txt", "He runs and Mary ran\n" * 60, marks=pytest.mark.slow),
    pytest.param("pairs", "p.tsv", "He runs\the ran\nMary ran\tshe runs\n" * 20, marks=pytest.mark.slow),
    pytest.param("sst", "s.txt", "(1 (0 He) (1 runs))\n(0 (1 Mary) (0 ran))\n" * 20, marks=pytest.mark.slow),
])  # fmt: skip
@pytest.mark.slow
def test_word_vectors_in_every_task_of_words(tmp_path, task, name, text):
    """A word without a vector of its own gets that of its lower-case form; other rows have the same scale."""
    data = write(tmp_path, name, text)
    vectors = write(tmp_path, "v.txt", "3 4\nruns 1 2 3 4\nran 4 3 2 1\nmary 9 9 9 9\n")
    model = {"pairs": "seq2seq", "sst": "recursive"}.get(task, "elman")
    flags = [f"--task={task}", f"--model={model}", f"--data={data}", f"--vectors={vectors}", "--learning_rate=0"]
    flags += ["--units=4"] if task == "sst" else []
    folder, _ = run(tmp_path, *flags)
    trained = rnnzoo.load(folder / "model.keras")
    vocabulary = trained.spec.source_vocabulary or trained.spec.vocabulary
    table = trained.word_embedding.embeddings.numpy()
    assert table[vocabulary.index("runs")].tolist() == [1, 2, 3, 4]
    assert table[vocabulary.index("Mary")].tolist() == [9, 9, 9, 9]


def test_class_weights_balance_the_loss():
    task = rnnzoo.create_task("series")
    task.examples["train"] = [e for i, e in enumerate(task.examples["train"]) if e.targets != 1 or i % 5 == 0]
    task.lengths["train"] = task.lengths["train"][: len(task.examples["train"])]
    counts = task.class_counts()
    trainer = Trainer(rnnzoo.create_model("elman", task.spec, units=4), task, TrainingOptions(class_weights="balanced"))
    weights = trainer.class_weights.numpy()
    np.testing.assert_allclose(weights * counts, counts.sum() / 3, rtol=1e-5)
    batch = task.batch(0, 0)
    outputs = trainer.model(batch.inputs).numpy()
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(batch.targets, outputs).numpy()
    of_targets = weights[batch.targets]
    expected = (losses * of_targets).sum() / of_targets.sum()
    result = next(trainer.run())
    assert result.loss == pytest.approx(expected, rel=1e-4)


TS = "@problemName x\n@timestamps false\n@univariate true\n@targetlabel true\n@data\n"


@pytest.mark.slow
def test_series_regression_in_units_of_the_data(tmp_path, capfd):
    rng = np.random.default_rng(0)
    series = rng.normal(size=(120, 10)).cumsum(1) * 5 + 40
    rows = [",".join(f"{v:.4f}" for v in row) + f":{row.mean() * 3:.4f}" for row in series]
    data = write(tmp_path, "r.ts", TS + "\n".join(rows) + "\n")
    folder, export = run(tmp_path, "--task=series", "--model=gru", f"--data={data}", "--steps=150", "--units=16")
    result = json.loads((folder / "result.json").read_text())
    assert result["metrics"]["test"]["mse"] < 0.5 * result["baselines"]["mean"]["mse"]
    assert result["test_details"]["columns"]["value"]["rmse"] < series.mean(1).std() * 3
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    answer = served(features=tf.constant(series[:2, :, None], tf.float32))["predictions"].numpy()
    assert answer.shape == (2,) and abs(answer - series[:2].mean(1) * 3).max() < 60
    lines = write(tmp_path, "lines.csv", "\n".join(row.partition(":")[0] for row in rows[:2]) + "\n1,x\n")
    assert predict.main(["predict", str(export), f"--input={lines}"]) == 1
    out, err = capfd.readouterr()
    np.testing.assert_allclose([float(v) for v in out.split()[-2:]], answer, rtol=1e-3)
    assert "line 3: expected numbers separated by ','" in err
    with pytest.raises(UserError, match="line 6: the target 'x' is not a number"):
        rnnzoo.create_task("series", data=write(tmp_path, "bad.ts", TS + "1,2:x\n"))


def test_arrays_of_fractions_are_targets_and_whole_numbers_are_classes(tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 5))
    for name, y, regression in (("a", X.sum(1), True), ("b", (X.sum(1) > 0).astype(float), False)):
        np.savez(tmp_path / f"{name}.npz", X=X, y=y)
        spec = rnnzoo.create_task("series", data=str(tmp_path / f"{name}.npz")).spec
        assert spec.regression == regression
    assert spec.labels == ("0", "1")


def test_classify_counts_what_it_leaves_out_and_refuses_numbers(tmp_path):
    rows = ["good film,x", ",x", "bad film,", "bad film,y"] * 20
    task = rnnzoo.create_task("classify", data=write(tmp_path, "c.csv", "text,label\n" + "\n".join(rows)))
    assert "40 rows without a text or a label left out" in task.summary()
    numbers = write(tmp_path, "n.csv", "text,label\n" + "\n".join(f"some film,{i / 7:.3f}" for i in range(80)))
    with pytest.raises(UserError, match="its 80 different labels are numbers; name a column of classes"):
        rnnzoo.create_task("classify", data=numbers)


def test_stress_is_stripped_only_from_vowels_of_arpabet(tmp_path):
    lines = "ma1 m a1\nma2 m a2\nhello HH AH0 L OW1\nx4 a4 T1\n" * 1
    more = "".join(f"w{c} B AA{i % 3} D\n" for i, c in enumerate("abcdefghijklmnopqrst"))
    task = rnnzoo.create_task("g2p", data=write(tmp_path, "d.txt", lines + more), validation_fraction=0.1)
    symbols = {p for s in SPLITS for pair in task.pairs[s] for p in pair.target}
    assert {"a1", "a2", "a4", "T1"} <= symbols
    assert {"AH0", "OW1", "AA1"}.isdisjoint(symbols)


PAIRS = "L'homme rit.\tThe man laughs.\nDeux femmes (là) rient...\tTwo women (there) laugh...\n" * 30


@pytest.mark.slow
@pytest.mark.parametrize("level", ["token", "bpe"])
def test_pairs_of_tokens_and_pieces_are_joined_by_the_export(tmp_path, level):
    pytest.importorskip("tokenizers")
    data = write(tmp_path, "p.tsv", PAIRS)
    flags = ["--task=pairs", "--model=seq2seq", f"--data={data}", f"--level={level}", "--lowercase", "--bleu"]
    folder, export = run(tmp_path, *flags, "--bpe_size=60", "--steps=150", "--units=32", "--learning_rate=0.01")
    result = json.loads((folder / "result.json").read_text())
    assert "tok:13a" in result["test_details"]["bleu_signature"]
    assert result["selected_by"] == "bleu" and result["metrics"]["test"]["bleu"] > 90
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    texts = served(text=tf.constant(["L'homme rit.", "Deux femmes (là) rient..."]))["text"].numpy()
    assert [t.decode() for t in texts] == ["the man laughs.", "two women (there) laugh..."]
    task = rnnzoo.create_task(
        "pairs", spec=rnnzoo.load(folder / "model.keras").spec, data=data, level=level, lowercase=True, bpe_size=60
    )
    spec = task.spec
    tokenizer = Tokenizer(spec.source_vocabulary, spec.source_level, lowercase=True, merges=spec.source_merges)
    sources = [line.split("\t")[0] for line in PAIRS.split("\n")[:2]]
    graph = tokenizer.encode_source(tf.constant(sources)).numpy()
    own = {tuple(e.inputs) for s in SPLITS for e in task.examples[s]}
    assert {tuple(row[row > 0]) for row in graph} == own


@pytest.mark.slow
def test_words_and_features_with_spaces_are_one_token(tmp_path, capfd):
    """As of numbers and of multi-word expressions in Universal Dependencies."""
    text = "10 000\tN M\tB-A\nruns\tV\tO\n\nMary\tN\tB-A\nran\tV\tO\n\n" * 12
    data = write(tmp_path, "spaces.txt", text)
    _, export = run(tmp_path, "--task=tag", "--model=elman", f"--data={data}", "--features=1", "--min_count=1")
    lines = write(tmp_path, "lines.txt", "10\u00a0000 runs\tN\u00a0M V\n")
    assert predict.main(["predict", str(export), f"--input={lines}"]) == 0
    assert len(capfd.readouterr().out.split()) == 2


@pytest.mark.parametrize("features", ["1,1", " , ", "5", "shape"])
def test_bad_features(tmp_path, features):
    with pytest.raises(UserError, match=r"--features|columns, but"):
        rnnzoo.create_task("tag", data=write(tmp_path, "chunks.txt", CONLL), features=features)


@pytest.mark.slow
def test_pieces_without_a_merge_are_exported(tmp_path):
    data = write(tmp_path, "p.tsv", "".join(f"{a}{b}\t{b}{a}\n" for a in "abcdef" for b in "uvwxyz"))
    run(tmp_path, "--task=pairs", "--model=seq2seq", f"--data={data}", "--level=bpe", "--bpe_size=2")


def test_a_trained_model_reads_files_that_are_too_small_to_train_on(tmp_path):
    words = rnnzoo.create_task("word_lm", data=write(tmp_path, "w.txt", "He runs and Mary ran\n" * 60)).spec
    small = rnnzoo.create_task("word_lm", spec=words, data=write(tmp_path, "s.txt", "Mary runs and he\n"))
    assert small.encoded["test"].counts.sum() == 5
    pairs = rnnzoo.create_task("pairs", data=write(tmp_path, "p.tsv", PAIRS), min_count=2).spec
    one = write(tmp_path, "o.tsv", "L'homme rit.\tThe man laughs.\n")
    task = rnnzoo.create_task("pairs", spec=pairs, data=one, validation_data=one, test_data=one, min_count=2)
    assert task.spec is pairs and len(task.pairs["test"]) == 1


def test_classes_and_values_do_not_mix(tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 5))
    files = {}
    for name, y in (("values", X.sum(1)), ("classes", (X.sum(1) > 0).astype(int))):
        np.savez(tmp_path / f"{name}.npz", X=X, y=y)
        files[name] = str(tmp_path / f"{name}.npz")
    with pytest.raises(UserError, match="some series have a class and others a value"):
        rnnzoo.create_task("series", data=files["values"], test_data=files["classes"])
    spec = rnnzoo.create_task("series", data=files["values"]).spec
    with pytest.raises(UserError, match="the model predicts a value of each series"):
        rnnzoo.create_task("series", spec=spec, data=files["classes"])
    np.savez(tmp_path / "large.npz", X=X, y=np.arange(30) * 1000.0)
    assert rnnzoo.create_task("series", data=str(tmp_path / "large.npz")).spec.regression
    np.savez(tmp_path / "inf.npz", X=X, y=np.where(np.arange(30) == 3, np.inf, 0.5))
    with pytest.raises(UserError, match="missing or infinite"):
        rnnzoo.create_task("series", data=str(tmp_path / "inf.npz"))
