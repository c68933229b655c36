"""docs/architectures.md is up to date with the code and covers every model."""

import importlib.util
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import rnnzoo

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_architectures_are_up_to_date():
    spec = importlib.util.spec_from_file_location("architectures", DOCS / "architectures.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    text = (DOCS / "architectures.md").read_text(encoding="utf-8")
    assert text == made.page(), "run: python docs/architectures.py"
    for file, picture in made.pictures().items():
        assert (DOCS / "images" / file).read_text(encoding="utf-8") == picture, "run: python docs/architectures.py"
        ElementTree.fromstring(picture)
        assert f"images/{file}" in text
    for name in rnnzoo.list_models():
        assert f"## `{name}`" in text
