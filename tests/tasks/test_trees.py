"""Tasks of trees: generation, reading, errors, training, export and prediction."""

import io
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.data import listops
from rnnzoo.data.python_trees import extract_functions, parse_python
from rnnzoo.data.trees import parse_tree, tree_structure, tree_to_example
from rnnzoo.predict import Predictor, predict
from rnnzoo.run.cli import main
from rnnzoo.spec import SPECIAL_TOKENS
from rnnzoo.training import Trainer, TrainingOptions
from tests.helpers import assert_close, fresh_python, often

SMALL = {"train_size": 300, "eval_size": 40, "batch_size": 16, "max_length": 30}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("( ( ( [MAX 2 ) 9 ) ] )", 9),
        ("( ( ( ( [MIN 4 ) 7 ) 3 ) ] )", 3),
        ("( ( ( ( ( [SM 6 ) 5 ) 9 ) 3 ) ] )", 3),
        ("( ( ( ( [MED 1 ) 8 ) 5 ) ] )", 5),
        ("( ( ( [MED 1 ) 8 ) ] )", 4),
        ("( ( ( [SM 9 ) ( ( ( [MAX 2 ) 8 ) ] ) ) ] )", 7),
        ("9", 9),
    ],
)
def test_values_of_expressions(text, value):
    assert listops.evaluate_expression(parse_tree(text)) == value


def test_generated_expressions_match_the_paper():
    actual = listops.generate_expressions(np.random.default_rng(0), 3000, 200, set())
    nested, arguments = [], []
    for text, (tree, value) in actual.items():
        assert tree == parse_tree(text) and listops.evaluate_expression(tree) == value
        assert max(map(len, tree.children)) == 2
        lists = []
        for token in filter(None, tree.tokens):
            if token in listops.OPERATORS:
                if lists:
                    lists[-1] += 1
                    nested.append(1)
                lists.append(0)
            elif token == listops.END:
                arguments.append(lists.pop())
            else:
                lists[-1] += 1
                nested.append(0)
    assert set(arguments) == {2, 3, 4, 5}
    assert 0.18 < np.mean(nested) < 0.27  # 1/4, less what grew too long
    assert all(0.05 < np.mean([v == digit for _, v in actual.values()]) < 0.2 for digit in range(10))


def test_no_expression_is_in_two_splits_and_files_are_read(tmp_path):
    task = rnnzoo.create_task("listops", **SMALL)
    rows = [{e.inputs.tobytes() for e in task.examples[s]} for s in ("train", "validation", "test")]
    assert [len(r) for r in rows] == [300, 40, 40]
    assert not (rows[0] & rows[1] or rows[0] & rows[2] or rows[1] & rows[2])
    small = listops.generate_expressions(np.random.default_rng(0), 60, 8, set())
    file = tmp_path / "test.tsv"
    file.write_text("".join(f"{value}\t{text}\n" for text, (_, value) in small.items()), encoding="utf-8")
    given = rnnzoo.create_task("listops", **(SMALL | {"max_length": 8}), test_data=str(file))
    kept = {e.inputs.tobytes() for e in given.examples["train"]}
    assert len(given.examples["test"]) == 60
    assert not kept & {e.inputs.tobytes() for e in given.examples["test"]}
    flat = rnnzoo.create_task("listops", **SMALL, flat=True)
    for tree, chain in zip(task.examples["test"], flat.examples["test"], strict=True):
        assert np.array_equal(tree.inputs[tree.inputs[:, 0] > 0, 0], chain.inputs) and tree.targets == chain.targets


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3", "line 2: expected a digit, a tab and an expression"),
        ("3\t( ( ( [MAX 2 ) 9 ) ]", "line 2, column 1: an opening parenthesis that is never closed"),
        ("3\t( [MAX 2 9 ] )", "line 2: a node with more than two children"),
        ("3\t( [MAX x )", "line 2: x is not allowed in ListOps"),
    ],
)
def test_bad_files(line, message, tmp_path):
    file = tmp_path / "bad.tsv"
    file.write_text(f"9\t( ( ( [MAX 2 ) 9 ) ] )\n{line}\n", encoding="utf-8")
    with pytest.raises(rnnzoo.UserError) as error:
        rnnzoo.create_task("listops", data=str(file))
    assert message in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("composition", often("tree-gru", of=rnnzoo.COMPOSITIONS.list()))
def test_tree_model_learns_and_saves(composition, tmp_path):
    """Loss falls over 60 steps, the same weights from a `.keras` file, sequences refused."""
    task = rnnzoo.create_task("listops", **SMALL)
    model = rnnzoo.create_model("recursive", task.spec, composition=composition, units=12)
    trainer = Trainer(model, task, TrainingOptions(steps=60, learning_rate=0.01))
    losses = [result.loss for result in trainer.run()]
    assert np.mean(losses[-10:]) < 0.97 * np.mean(losses[:10])
    batches = list(task.evaluation("test"))
    right = sum(((np.argmax(model(b.inputs), -1) == b.targets) * b.weights).sum() for b in batches)
    assert trainer.evaluate("test")["accuracy"] == pytest.approx(right / sum(b.weights.sum() for b in batches))
    x = batches[0].inputs
    model.save(tmp_path / "model.keras")
    code = "import sys, keras, numpy as np, rnnzoo\n"
    code += "print(keras.models.load_model(sys.argv[1])(np.load(sys.argv[2])).numpy().tolist())"
    np.save(tmp_path / "x.npy", x)
    if composition == "tree-gru":
        assert_close(np.array(json.loads(fresh_python(code, tmp_path / "model.keras", tmp_path / "x.npy"))), model(x))
    with pytest.raises(rnnzoo.UserError, match="cannot stream"):
        model.step(x[:, 0], [])


def test_tasks_and_models_that_do_not_match_are_refused():
    tree, chain = (rnnzoo.create_task("listops", **SMALL, flat=flat).spec for flat in (False, True))
    with pytest.raises(rnnzoo.UserError, match="this task has trees: use --model=recursive"):
        rnnzoo.create_model("lstm", tree)
    with pytest.raises(rnnzoo.UserError, match="needs a task of trees"):
        rnnzoo.create_model("recursive", chain)
    with pytest.raises(rnnzoo.UserError, match="must equal --units"):
        rnnzoo.create_model("recursive", tree, composition="tree-rnn", embedding=3)


@pytest.mark.slow
def test_export_and_predict(tmp_path):
    """The export gives the model's answers for arrays and lines of expressions; bad lines are reported."""
    task = rnnzoo.create_task("listops", **SMALL)
    model = rnnzoo.create_model("recursive", task.spec, units=8)
    path = rnnzoo.export_saved_model(model, tmp_path / "export")
    lines = ["( ( ( [MAX 2 ) 9 ) ] )", "( ( ( ( [MIN 4 ) 7 ) 3 ) ] )"]
    wanted = []
    for line in lines:
        tree = parse_tree(line)
        ids = [task.spec.vocabulary.index(t) if t else 0 for t in tree.tokens]
        inputs = np.concatenate([np.array(ids)[:, None], tree_structure(tree.children)], 1)[None]
        wanted.append(task.spec.labels[int(tf.argmax(model(inputs.astype("int32")), -1)[0])])
    sink = io.BytesIO()
    source = [line.encode() + b"\n" for line in [lines[0], "( ( 1 )", lines[1], ""]]
    wrong = predict(Predictor(path), source, sink)
    assert sink.getvalue().decode().splitlines() == [wanted[0], "", wanted[1], ""]
    assert wrong == ["line 2: column 1: an opening parenthesis that is never closed"]


TREEBANK = "(3 (2 It) (4 (2 's) (3 good)))\n(1 (2 It) (0 (2 's) (1 bad)))\n(2 (2 So) (2 what))\n(4 Great)\n" * 8


def treebank(folder, text=TREEBANK):
    folder.mkdir(exist_ok=True)
    path = folder / "trees.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.slow
def test_labelled_trees_train_on_every_node(tmp_path):
    """Accuracy is that of roots; neutral nodes and sentences are left out with --binary."""
    data = treebank(tmp_path)
    task = rnnzoo.create_task("sst", data=data, batch_size=8)
    assert task.spec.labels == ("0", "1", "2", "3", "4") and task.spec.per_step and task.spec.arity == 2
    batch = next(task.evaluation("test"))
    rows = (batch.weights.sum(1) > 0).sum()
    assert batch.accuracy_weights.sum() == rows
    assert (batch.weights.sum(1)[batch.weights.sum(1) > 0] == (batch.inputs[..., 3] > 0).sum(1)[:rows]).all()
    binary = rnnzoo.create_task("sst", data=data, binary=True, lowercase=True)
    assert binary.spec.labels == ("negative", "positive") and "great" in binary.spec.vocabulary
    assert sum(len(binary.examples[s]) for s in binary.examples) == 24
    keras.utils.set_random_seed(0)
    model = rnnzoo.create_model("recursive", task.spec, units=8)
    trainer = Trainer(model, task, TrainingOptions(steps=150, learning_rate=0.03))
    for _ in trainer.run():
        pass
    assert trainer.evaluate("test")["accuracy"] == 1.0
    path = rnnzoo.export_saved_model(model, tmp_path / "export")
    sink = io.BytesIO()
    lines = ["(3 (2 It) (4 (2 's) (3 good)))", "( It ( 's good ) )", "Great", "(Great)", "(0 Great)"]
    assert predict(Predictor(path), [line.encode() + b"\n" for line in lines], sink) == []
    actual = sink.getvalue().decode().splitlines()
    assert actual == [f"3\t{lines[0]}"] * 2 + ["4\t(4 Great)"] * 3
    root = rnnzoo.create_task("sst", data=data, all_nodes=False)
    elsewhere = treebank(tmp_path / "other", "(3 (9 It) (4 good))\n")
    with pytest.raises(rnnzoo.UserError, match="test: the labels 9 are not in the training data"):
        rnnzoo.create_task("sst", data=data, test_data=elsewhere)
    assert not root.spec.per_step and next(root.evaluation("test")).targets.ndim == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("(3 (2 It) (4 good)", "line 33, column 1: an opening parenthesis that is never closed"),
        ("(3 (2 It) ( (4 good)))", "line 33, column 13: a label must follow the opening parenthesis, got '('"),
        ("(3 (2 It) (4 good)) (2 x)", "line 33, column 21: a second tree"),
        ("( )", "line 33, column 3: a label must follow the opening parenthesis, got ')'"),
    ],
)
def test_bad_labelled_trees(line, message, tmp_path):
    with pytest.raises(rnnzoo.UserError) as error:
        rnnzoo.create_task("sst", data=treebank(tmp_path, TREEBANK + line + "\n"))
    assert message in str(error.value)


def test_binary_needs_the_five_grades(tmp_path):
    with pytest.raises(rnnzoo.UserError, match="--binary needs labels 0 to 4, got 'good'"):
        rnnzoo.create_task("sst", data=treebank(tmp_path, "(good (good a) (good b))\n"), binary=True)
    with pytest.raises(rnnzoo.UserError, match="--task=sst needs --data"):
        rnnzoo.create_task("sst")


@pytest.mark.slow
def test_syntax_trees_of_python(tmp_path):
    """Trees match the code, exports read code, and invalid Python is reported."""
    tree = parse_python("def f(a):\n    return g(a, 'b')\n")
    assert " ".join(filter(None, tree.tokens)) == (
        "FunctionDef f arguments arg a Return Call Name g Name a Constant str"
    )
    assert max(map(len, tree.children)) == 2 and sum(map(len, tree.children)) == len(tree.tokens) - 1
    with pytest.raises(rnnzoo.UserError, match="line 1, column 5: invalid Python"):
        parse_python("def 1()")
    deep = parse_python("x = " + "+".join(["a"] * 800))
    assert tree_structure(deep.children)[:, 2].max() > 700
    task = rnnzoo.create_task("ast", max_length=80)
    assert len(task.spec.labels) == 8 and task.examples["train"][0].inputs.shape[1] == 4
    words = (*SPECIAL_TOKENS, *filter(None, tree.tokens))
    read = tree_to_example(tree, words, 0, flat=True).inputs
    assert [words[i] for i in read] == [w for w in tree.tokens if w]
    model = rnnzoo.create_model("recursive", task.spec, units=8, composition="tree-gru")
    path = rnnzoo.export_saved_model(model, tmp_path / "export")
    sink = io.BytesIO()
    wrong = predict(Predictor(path), [b"x = 1\n", b"x = = 1\n"], sink)
    answers = sink.getvalue().decode().splitlines()
    assert answers[0] in task.spec.labels and answers[1] == ""
    assert wrong == ["line 2: line 1, column 5: invalid Python: invalid syntax"]


def test_functions_are_found_after_form_feeds():
    """A form feed between methods does not end a line; a string may begin at the margin."""
    text = 'class A:\n    def f(self):\n        return """\nx"""\n\n\x0c\n    def g(self):\n        pass\n'
    actual = extract_functions(text)
    assert actual == ['def f(self):\n        return """\nx"""', "def g(self):\n        pass"]
    assert [parse_python(piece).tokens[1] for piece in actual] == ["f", "g"]


@pytest.mark.slow
def test_nary_trees_have_inner_tokens(tmp_path):
    """With --nary a node has its kind and any number of children; compositions without inner inputs are refused."""
    tree = parse_python("f(a, b)", nary=True)
    assert tree.tokens == ["f", "Name", "a", "Name", "b", "Name", "Call", "Expr"]
    assert tree.children == [(), (0,), (), (2,), (), (4,), (1, 3, 5), (6,)]
    task = rnnzoo.create_task("ast", max_length=60, nary=True)
    assert task.spec.inner_tokens and task.spec.arity == 0 and (task.examples["train"][0].inputs[:, 0] > 0).all()
    for composition, reason in (
        ("rntn", "only at the leaves"),
        ("tree-lstm-binary", "weights for each child position"),
    ):
        with pytest.raises(rnnzoo.UserError, match=reason):
            rnnzoo.create_model("recursive", task.spec, units=8, composition=composition)
    model = rnnzoo.create_model("recursive", task.spec, units=8, composition="tree-lstm-childsum")
    batch = next(task.evaluation("test"))
    other = batch.inputs.copy()
    other[..., 0] = np.where(other[..., 3] > 1, 1, other[..., 0])
    assert np.abs(model(batch.inputs) - model(other)).max() > 1e-3, "kinds inside are read"
    path = rnnzoo.export_saved_model(model, tmp_path / "export")
    sink = io.BytesIO()
    assert predict(Predictor(path), [b"f(a, b)\n", b"f(" + b"a, " * 300 + b")\n"], sink) == []
    ids = np.array([task.spec.vocabulary.index(t) if t in task.spec.vocabulary else 1 for t in tree.tokens])
    inputs = np.concatenate([ids[:, None], tree_structure(tree.children)], 1)[None]
    assert sink.getvalue().decode().splitlines()[0] == task.spec.labels[int(tf.argmax(model(inputs), -1)[0])]
    with pytest.raises(rnnzoo.UserError, match="give only one of them"):
        rnnzoo.create_task("ast", nary=True, flat=True)


VECTORS = "It 1 2 3\n. . 0 0 0\ngood -1 0.5 2e-1\nnever 9 9 9\n"


@pytest.mark.slow
def test_word_vectors_initialize_the_embedding(tmp_path):
    """Known words have their vectors at step 0; an unknown one is as large; a run by flags takes them."""
    file = tmp_path / "vectors.txt"
    file.write_text("4 3\n" + VECTORS, encoding="utf-8")
    flags = ["--model=recursive", "--task=sst", f"--data={treebank(tmp_path)}", f"--vectors={file}", "--steps=2"]
    run = [f"--run_dir={tmp_path / 'run'}", f"--export_dir={tmp_path / 'export'}", "--learning_rate=1e-9"]
    assert main(["train.py", *flags, *run, "--embedding=3", "--units=4"]) == 0
    model = keras.models.load_model(tmp_path / "run" / "model.keras")
    rows = model.embedding.embeddings.numpy()
    word = model.spec.vocabulary.index
    assert_close(rows[[word("It"), word("good")]], np.array([[1, 2, 3], [-1, 0.5, 0.2]]))
    assert rows.shape[1] == 3 and 0.1 < np.abs(rows[word("bad")]).max() < 4
    run = [f"--run_dir={tmp_path / 'other'}", f"--export_dir={tmp_path / 'other_export'}"]
    assert main(["train.py", *flags, *run, "--units=4"]) != 0
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("It 1 2\ngood 1\n", "line 2: expected 2 numbers separated by spaces, got 1"),
        ("It 1 x\n", "line 1: 'x' is not a number"),
        ("It 1 nan\n", "line 1: a number is not finite"),
        ("It\n", "line 1: expected some numbers separated by spaces, got 0"),
        ("never 1 2\n", "has no word of the data"),
        ("\n", "expected some numbers separated by spaces, got 0"),
    ],
)
def test_bad_vectors(text, message, tmp_path):
    file = tmp_path / "vectors.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(rnnzoo.UserError) as error:
        rnnzoo.create_task("sst", data=treebank(tmp_path), vectors=str(file))
    assert message in str(error.value)


@pytest.mark.slow
def test_tree_runs_resume_exactly(tmp_path):
    """Twelve steps at once, and six and six: the same weights, the same metrics."""

    def train(name, steps, *more):
        flags = ["--model=recursive", "--task=listops", "--units=8", "--train_size=200", "--schedule=constant"]
        folders = [f"--run_dir={tmp_path / name}", f"--export_dir={tmp_path / name}-export"]
        code = "import sys; from rnnzoo.run.cli import main; assert main() == 0"  # determinism is of a whole process
        fresh_python(code, *flags, *folders, f"--steps={steps}", "--eval_every=3", "--deterministic", *more)
        return json.loads((tmp_path / name / "result.json").read_text())

    whole = train("whole", 12)
    train("parts", 6)
    parts = train("parts", 12, "--resume")
    assert whole["weights_sha256"] == parts["weights_sha256"] and whole["metrics"] == parts["metrics"]
