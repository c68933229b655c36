"""All experiments run in their quick versions."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import all as every
from experiments.elman_classes import CLASSES, SENTENCES, TEMPLATES, WORDS, likelihood
from experiments.reber import MAX_LENGTH, Networks, Trials, sample_strings

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_all_experiments_run_in_quick_mode():
    done = subprocess.run(
        [sys.executable, "-m", "experiments.all", "--quick"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in every.NAMES:
        assert re.search(rf"^{name}, \d+ s$", done.stdout, re.MULTILINE), done.stdout


def test_each_experiment_names_the_published_result():
    for name in every.NAMES:
        text = (ROOT / "experiments" / f"{name}.py").read_text(encoding="utf-8").partition('"""')[2].partition('"""')[0]
        assert ("ublished" in text and "seed" in text.lower()) or name in ("reber", "vanishing", "shakespeare"), name
    assert every.BEGIN in every.RESULTS.read_text(encoding="utf-8")


def test_results_are_inserted_into_the_docs(tmp_path, monkeypatch):
    path = tmp_path / "results.md"
    path.write_text(f"before\n{every.BEGIN}\n\n{every.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(every, "RESULTS", path)
    every.write_section("reber", ["second"])
    every.write_section("elman_xor", ["old"])
    every.write_section("elman_xor", ["first"])
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n")
    assert "old" not in text and text.index("first") < text.index("second")


def test_the_lexicon_and_its_true_likelihood():
    """29 words; after "man eat" comes food, and after a sentence of two words either a new one or more of it."""
    assert len(WORDS) == 29 and SENTENCES == 10_000 and len(TEMPLATES) == 16
    number = WORDS.index
    actual = likelihood([number("man"), number("eat"), number("bread")])
    assert actual.sum(1) == pytest.approx(1)
    foods = [number(word) for word in CLASSES["FOOD"].split()]
    assert actual[1, foods] == pytest.approx(1 / 3)
    assert actual[2, number("eat")] == 0 and actual[2, number("man")] == pytest.approx(7 / 16 / 4)
    both = likelihood([number("man"), number("move")])[1]
    assert 0 < both[number("book")] < 1 / 3 and both[number("dragon")] > 0


@pytest.mark.slow
def test_parallel_trials_are_independent():
    """What one trial learns depends on its own strings alone."""
    rng = np.random.default_rng(0)
    x, y, _, mask = sample_strings(rng, 3)
    active = np.ones(3, "float32")
    first, second, untouched = (Networks(Trials("lstm, no forget gate", 4, 3, 2), 0.5) for _ in range(3))
    for _ in range(20):
        first.train_step(x, y, mask, active)
    x[1], y[1], mask[1] = (part[0] for part in (x, y, mask))  # a longer string
    for _ in range(20):
        second.train_step(x, y, mask, np.array([1, 1, 0], "float32"))
    a, b = (net.layer.cell.kernel.numpy() for net in (first, second))
    start = untouched.layer.cell.kernel.numpy()
    assert np.allclose(a[0], b[0], atol=1e-6) and not np.allclose(a[1], b[1], atol=1e-6)
    assert np.array_equal(b[2], start[2]) and not np.allclose(a[2], start[2], atol=1e-6)
    assert x.shape[1] == MAX_LENGTH
