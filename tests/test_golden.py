"""Weights keep their names, shapes and order, so that old files load."""

import json

from tests import golden


def test_weights_are_as_they_were():
    kept = json.loads(golden.FILE.read_text(encoding="utf-8"))
    assert golden.weights() == kept, "if that is meant: python -m tests.golden, and say so in CHANGELOG.md"
