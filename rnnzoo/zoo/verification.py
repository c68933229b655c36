"""Verification of a built model: its metrics and its example are measured again and compared with its card."""

import math
import re
from pathlib import Path

from rnnzoo.errors import RunError
from rnnzoo.zoo.card_files import read_example, read_metrics
from rnnzoo.zoo.cards import example_code
from rnnzoo.zoo.measurement import measure, run_example
from rnnzoo.zoo.recipes import Recipe
from rnnzoo.zoo.sources import prepare_data

RELATIVE, ABSOLUTE = 2e-3, 1e-6  # tolerance of a metric, for another order of summation
ROUNDING = 0.011  # tolerance of a number in an answer, which may be rounded to two digits
NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e[-+]?\d+)?")


def verify(recipe: Recipe, data_dir: Path | None, work_dir: Path, models_dir: Path) -> str:
    """Measures a model again and compares it with its card; returns a line with the result.

    If its test data are another version (such as the standard library of another Python), only the example is
    compared, and the line states the metrics on these data.

    Raises:
        UserError: the model has no card, or its data are missing.
        RunError: a metric, the example or its answer differs from the card.
    """
    folder = models_dir / recipe.name
    stated, data = read_metrics(folder)
    code, answer = read_example(folder)
    if code != example_code(recipe):
        raise RunError("the example of its card is not that of its recipe")
    prepare_data(recipe.source, data_dir, work_dir / "data")
    compare_answers(answer, run_example(folder, code))
    measured = measure(folder, work_dir / "data")
    metrics = measured["metrics"]
    text = ", ".join(f"{name} {value:.5g}" for name, value in metrics.items())
    if not measured["data"].startswith(data):
        return f"{recipe.name}: other data than those of the card; on these {text}"
    for name, value in stated.items():
        if name not in metrics or not is_close(metrics[name], value):
            raise RunError(f"{name} is {metrics.get(name, math.nan):.5g}, and its card states {value:.5g}")
    return f"{recipe.name}: as its card states, {text}"


def compare_answers(stated: str, measured: str) -> None:
    """Raises `RunError` if an answer differs from that of a card by more than the rounding of its numbers."""
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (stated, measured)]
    texts = ["".join(NUMBER.sub("#", text).split()) for text in (stated, measured)]
    same = texts[0] == texts[1] and len(numbers[0]) == len(numbers[1])
    if not same or any(abs(b - a) > ROUNDING * max(1, abs(a)) for a, b in zip(*numbers, strict=True)):
        raise RunError(f"the example prints {measured[:80]!r}, and its card states {stated[:80]!r}")


def is_close(value: float, expected: float) -> bool:
    """Returns whether a metric equals that of a card up to floating-point summation order."""
    return abs(value - expected) <= RELATIVE * abs(expected) + ABSOLUTE
