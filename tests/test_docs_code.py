"""The code blocks of the documentation run, and the commands in its text exist."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rnnzoo
from rnnzoo.run import cli

ROOT = Path(rnnzoo.__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:\A|\n\n)((?:    .*(?:\n|\Z))+)")
# not of this package; what they do is shown, not run
OTHERS = ("apt-get", "curl", "docker", "export", "pip", "python3", "srun", "jupyter")

NEEDED = {"guides/formats.md": ["tf2onnx", "onnxruntime"], "tutorials/first-model.md": ["matplotlib"]}


def blocks(page):
    return FENCE.findall(page.read_text(encoding="utf-8"))


def name(page):
    return page.relative_to(DOCS).as_posix()


RUNNABLE = [page for page in PAGES if any(kind in ("python", "sh") for kind, _ in blocks(page))]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with `train.py`, where `python` is the Python of the tests."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (programs / "python").chmod(0o755)
    shutil.copy(ROOT / "train.py", tmp_path)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    if "RNNZOO_MODELS" not in os.environ:
        monkeypatch.setenv("RNNZOO_MODELS", str(ROOT / "saved_models"))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_blocks_run(page, folder):
    """The blocks of a page run one after the other, as one program in which shell commands are calls."""
    for module in NEEDED.get(name(page), ()):
        pytest.importorskip(module)
    if not rnnzoo.list_pretrained():
        pytest.skip("the pretrained models are not here")
    program = ["import subprocess"]
    for kind, text in blocks(page):
        if kind == "sh":
            program.append(f"subprocess.run(['bash', '-euo', 'pipefail', '-c', {text!r}], check=True)")
        elif kind == "python":
            program.append(text)
    (folder / "page.py").write_text("\n".join(program), encoding="utf-8")
    done = subprocess.run([sys.executable, "page.py"], cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{done.stdout[-1500:]}{done.stderr[-2500:]}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_other_blocks_can_be_parsed(page):
    for kind, text in blocks(page):
        if kind == "yaml":
            assert pytest.importorskip("yaml").safe_load(text)
        elif kind == "toml":
            assert tomllib.loads(text)
        elif kind == "json":
            assert json.loads(text)
        else:
            assert kind in ("python", "sh", "text"), f"{name(page)}: a block of kind '{kind}'"


def commands(page):
    """Yields the commands in indented blocks."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for block in INDENTED.findall(text):
        for line in re.sub(r"\\\n", "", block).splitlines():
            for part in line.strip().partition("  #")[0].split(" | "):
                if re.match(r"\$? ?(\S*/)?(python|pip|saved_model_cli)\b", part):
                    yield part.removeprefix("$ ")


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=name)
def test_commands_exist(page):
    extras = re.findall(r'^    "(\w+)": \[', (ROOT / "setup.py").read_text(encoding="utf-8"), re.MULTILINE)
    for command in commands(page):
        program, *arguments = shlex.split(command)
        if program.endswith("pip"):
            for extra in re.findall(r"rnnzoo\[(\w+)\]", command):
                assert extra in extras, f"{name(page)}: {command}"
        elif arguments[:1] == ["train.py"]:
            cli.parse([argument for argument in arguments if not argument.startswith((">", "<"))])
        elif arguments[:1] == ["-m"]:
            path = ROOT.joinpath(*arguments[1].split("."))
            assert arguments[1] == "pytest" or path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), (
                command
            )
        elif arguments and arguments[0].endswith(".py"):
            assert (ROOT / arguments[0]).is_file(), f"{name(page)}: {command}"


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        assert f" {name(page)}\n" in text, f"mkdocs.yml does not list {name(page)}"
