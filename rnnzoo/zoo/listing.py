"""Lists of recipes with the figures of their models, as text or as a Markdown table."""

import re
from pathlib import Path

from rnnzoo.errors import UserError
from rnnzoo.zoo.card_files import read_card, read_metrics
from rnnzoo.zoo.cards import format_metric
from rnnzoo.zoo.recipes import MIB, Recipe


def list_models(recipes: list[Recipe], models_dir: Path, markdown: bool) -> list[str]:
    """Returns a line for each recipe: its name, size, test figures, and what it does.

    Args:
        recipes: the recipes.
        models_dir: the folder of their models.
        markdown: whether the lines are a table.
    """
    rows = [_row(recipe, models_dir) for recipe in recipes]
    if markdown:
        lines = [["model", "weights", "MiB", "test", "what it does"], ["---"] * 5, *rows]
        return [f"| {' | '.join(row)} |" for row in lines]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows]


def _row(recipe: Recipe, models_dir: Path) -> list[str]:
    folder = models_dir / recipe.name
    try:
        figures, _ = read_metrics(folder)
    except UserError:
        return [recipe.name, "", "not built", "", recipe.summary]
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / MIB
    weights = re.search(r"; ([\d,]+) weights;", read_card(folder))
    first = next((name for name in recipe.limits if name in figures), next(iter(figures)))
    return [
        recipe.name,
        weights[1] if weights else "",
        f"{size:.2f}",
        f"{first} {format_metric(figures[first])}",
        recipe.summary,
    ]
