"""Weights keep their names, shapes and order, so that old files load."""

import json

import pytest

from tests import golden


@pytest.mark.slow
def test_weight_shapes_equal_the_golden_file():
    kept = json.loads(golden.FILE.read_text(encoding="utf-8"))
    assert golden.weights() == kept, "if that is meant: python -m tests.golden, and say so in CHANGELOG.md"
