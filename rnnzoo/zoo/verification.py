"""Verification of a built model: its figures and its example are measured again and compared with its card."""

import re
from pathlib import Path

from rnnzoo.errors import RunError
from rnnzoo.zoo.card_files import read_example, read_figures
from rnnzoo.zoo.measurement import measure
from rnnzoo.zoo.recipes import Recipe
from rnnzoo.zoo.sources import prepare_data

TOLERANCE = 2e-3  # of a figure or of a number in an answer, relative to 0.1 and its size
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


def verify(recipe: Recipe, data_dir: Path | None, work_dir: Path, models_dir: Path) -> str:
    """Measures a model again and compares it with its card; returns a line with the result.

    If its test data are another version (such as the standard library of another Python), only the example is
    compared, and the line states the figures of these data.

    Raises:
        UserError: the model has no card, or its data are missing.
        RunError: a figure or the answer of the example differs from the card.
    """
    folder = models_dir / recipe.name
    stated, data = read_figures(folder)
    code, answer = read_example(folder)
    prepare_data(recipe.source, data_dir, work_dir / "data")
    measured = measure(folder, work_dir / "data", code)
    compare_answers(recipe.name, answer, measured["answer"])
    figures = ", ".join(f"{name} {measured['metrics'][name]:.5g}" for name in stated)
    if not measured["data"].startswith(data):
        return f"{recipe.name}: other data than those of the card; on these {figures}"
    for name, value in stated.items():
        if not is_close(measured["metrics"][name], value):
            raise RunError(f"{name} is {measured['metrics'][name]:.5g}, and its card states {value:.5g}")
    return f"{recipe.name}: as its card states, {figures}"


def compare_answers(name: str, stated: str, measured: str) -> None:
    """Raises `RunError` if an answer differs from that of a card by more than the rounding of its numbers."""
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (stated, measured)]
    texts = [re.sub(r"\s+", " ", NUMBER.sub("#", text)).strip() for text in (stated, measured)]
    same = texts[0] == texts[1] and len(numbers[0]) == len(numbers[1])
    if not same or not all(is_close(b, a, 0.02) for a, b in zip(*numbers, strict=True)):
        raise RunError(f"{name}: the example prints {measured[:80]!r}, and its card states {stated[:80]!r}")


def is_close(value: float, expected: float, tolerance: float = TOLERANCE) -> bool:
    """Returns whether a value is that of a card, but for the order in which a machine adds."""
    return abs(value - expected) <= tolerance * (0.1 + abs(expected))
