"""The README: its commands, examples and length."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import rnnzoo
from rnnzoo.run import cli

ROOT = Path(rnnzoo.__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_quick_start_is_two_lines():
    section = TEXT.partition("## Quick start\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    first, second = block.splitlines()
    assert first == "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/python train.py"
    assert second == "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/python -m pytest -q"
    assert TEXT.count("\n") <= 150


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_run(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = tmp_path / "example.py"
    example.write_text(EXAMPLES[number], encoding="utf-8")
    runpy.run_path(str(example))


def test_readme_has_examples_of_layers_and_exports():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("command", re.findall(r"^    python (train\.py .*?)(?: +#.*)?$", TEXT, re.MULTILINE))
def test_flags_in_the_text_exist(command):
    cli.parse(command.split())


def test_all_models_are_listed():
    for name in [*rnnzoo.list_models(), *rnnzoo.list_tasks()]:
        assert f"`{name}`" in TEXT


SESSION = re.findall(r"^    \$ (.*)\n((?:    (?!\$ ).*\n)+)", TEXT, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SESSION)))
def test_pretrained_models_print_what_the_readme_shows(number):
    command, shown = SESSION[number]
    if not rnnzoo.list_pretrained():
        pytest.skip("the pretrained models are not here")
    command = command.replace(".venv/bin/python", sys.executable)
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT, check=True)
    assert [line.rstrip() for line in done.stdout.splitlines()] == [line[4:].rstrip() for line in shown.splitlines()]


def test_the_first_screen_shows_pretrained_models():
    assert len(SESSION) >= 3 and TEXT.index(SESSION[0][0]) < TEXT.index("## Train by flags")
