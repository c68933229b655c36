"""The pretrained models of the repository: cards, sizes, both loaders, examples, figures."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo.export import check
from rnnzoo.export.saved_model import make_serving
from rnnzoo.inference.model_names import find_model
from rnnzoo.zoo.card_files import read_card, read_example, read_metrics
from rnnzoo.zoo.cards import example_code
from rnnzoo.zoo.measurement import measure, run_example
from rnnzoo.zoo.recipes import MIB, read_recipes
from rnnzoo.zoo.verification import compare_answers, is_close

RECIPES = read_recipes()
NAMES = [name for name in rnnzoo.list_pretrained() if name in RECIPES]
MAX_MIB = 40
CHEAP = ("lstm-reber", "lstm-forecast-mackey_glass", "decoder-waveform", "gru-classify-python")

if not NAMES:  # in the sdist, which does not hold them; RNNZOO_MODELS names the folder of a checkout
    pytest.skip("the pretrained models are not here", allow_module_level=True)


def files(name):
    return [path for path in find_model(name).rglob("*") if path.is_file()]


def test_every_recipe_is_built():
    assert set(NAMES) == set(RECIPES)


def test_sizes_are_within_the_limits():
    sizes = {name: sum(path.stat().st_size for path in files(name)) / MIB for name in NAMES}
    assert {name: size for name, size in sizes.items() if size > RECIPES[name].max_mib} == {}
    assert sum(sizes.values()) <= MAX_MIB


@pytest.mark.parametrize("name", NAMES)
def test_no_path_of_a_machine_is_inside(name):
    for path in files(name):
        found = re.search(rb"/(?:home|work|root|tmp|usr|opt|build|venv)/[\w./-]{3,}", path.read_bytes())
        assert found is None, f"{path}: {found}"


@pytest.mark.parametrize("name", NAMES)
def test_the_card_is_that_of_its_recipe(name):
    text, recipe = read_card(find_model(name)), RECIPES[name]
    assert f"python train.py {recipe.flags}\n" in text and recipe.summary in text
    assert recipe.source.license in text and recipe.source.credit in text
    assert read_example(find_model(name))[0] == example_code(recipe)
    figures, _ = read_metrics(find_model(name))
    assert set(recipe.limits) <= set(figures)
    for image in re.findall(r"!\[figure\]\((.*?)\)", text):
        assert (find_model(name) / image).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_hub_reads_the_card(name):
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard.load(find_model(name) / "README.md").data
    figures, _ = read_metrics(find_model(name))
    assert data.license == "apache-2.0" and data.model_name == name
    assert {result.metric_type: result.metric_value for result in data.eval_results} == figures


def random_inputs(signature):
    """Valid inputs of a signature: two texts, a tree of one node, or numbers."""
    inputs = {}
    for key, spec in signature.structured_input_signature[1].items():
        shape = [2 if size is None else size for size in spec.shape]
        if "parent" in signature.structured_input_signature[1]:
            shape = [1, 1]
        if spec.dtype == tf.string:
            inputs[key] = np.full(shape, "a b", object)
        elif spec.dtype == tf.int32:
            inputs[key] = np.full(shape, int(key == "level"), "int32")
        else:
            inputs[key] = np.random.default_rng(0).normal(size=shape).astype("float32")
    return inputs


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_both_loaders_answer(name):
    path = str(find_model(name))
    given = random_inputs(tf.saved_model.load(path).signatures["serving_default"])
    answers = [loader(path)("serving_default", given) for loader in (check.python_loader, check.session_loader)]
    assert answers[0].keys() == answers[1].keys()
    for key, value in answers[0].items():
        got = np.asarray(answers[1][key])
        if np.asarray(value).dtype == object:
            assert got.tolist() == np.asarray(value).tolist()
        else:
            np.testing.assert_allclose(got, value, atol=1e-5, rtol=1e-5)


RUN_EXAMPLES = """
import contextlib, io, json, pathlib, runpy, sys
sys.modules["rnnzoo"] = None  # an import would fail
printed = {}
for path in pathlib.Path("examples").iterdir():
    with contextlib.redirect_stdout(io.StringIO()) as output:
        runpy.run_path(str(path), run_name="__main__")
    printed[path.stem] = output.getvalue().rstrip()
print(json.dumps(printed))
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What the examples of all cards print, one after the other in a process that cannot import this package."""
    folder = tmp_path_factory.mktemp("cards")
    (folder / "saved_models").mkdir()
    (folder / "examples").mkdir()
    for name in NAMES:
        (folder / "saved_models" / name).symlink_to(find_model(name).resolve())
        (folder / "examples" / f"{name}.py").write_text(read_example(find_model(name))[0], encoding="utf-8")
    command = [sys.executable, "-c", RUN_EXAMPLES]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_example_gives_the_answer_of_the_card(name, printed):
    compare_answers(read_example(find_model(name))[1], printed[name])


@pytest.mark.slow
def test_an_example_runs_as_a_building_of_the_model_runs_it():
    code, answer = read_example(find_model(CHEAP[0]))
    compare_answers(answer, run_example(find_model(CHEAP[0]), code))


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
def test_figures_are_those_of_the_card(name, tmp_path):
    stated, data = read_metrics(find_model(name))
    measured = measure(find_model(name), tmp_path)
    if not measured["data"].startswith(data):  # the standard library of another Python
        assert RECIPES[name].source.title == "The Python standard library"
        return
    for metric, value in stated.items():
        assert is_close(measured["metrics"][metric], value), metric


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm-reber", "seq2seq-dates", "recursive-listops", "bidirectional-tag-python"])
def test_a_keras_model_of_the_weights_gives_the_answers_of_the_signatures(name):
    model = rnnzoo.load_pretrained(name)
    again = make_serving(model)
    served = rnnzoo.load(name).signatures
    for signature, _, inputs in again.probes()[:4]:
        for key, value in again.functions[signature](*inputs.values()).items():
            expected, got = np.asarray(value), np.asarray(served[signature](**inputs)[key])
            if expected.dtype == object:
                assert got.tolist() == expected.tolist()
            else:
                np.testing.assert_allclose(got, expected, atol=1e-4, rtol=1e-4)
    assert Path(find_model(name)).name == name


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_tables_of_the_comparison_state_the_metrics_of_the_cards(page):
    text = (Path(rnnzoo.__file__).parent.parent / page).read_text(encoding="utf-8")
    rows = re.findall(
        r"^\|.*`([\w-]+-char_lm-compare[\w-]*)` \|(?:.*\|)? ([\d.]+) \|(?: \d+ min \d+ s \|)?$", text, re.MULTILINE
    )
    assert len(rows) >= 6
    for name, value in rows:
        stated = read_metrics(find_model(name))[0]["bits_per_char"]
        assert abs(float(value) - stated) <= 0.006 if page == "README.md" else float(value) == round(stated, 3)
    if page != "README.md":
        assert {name for name, _ in rows} == {name for name in NAMES if "-compare" in name}
