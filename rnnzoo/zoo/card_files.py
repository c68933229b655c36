"""Reading of model cards: their metrics, and their example with its answer."""

import re
from pathlib import Path

from rnnzoo.errors import UserError
from rnnzoo.utils.model_cards import CARD, has_card


def read_metrics(folder: Path) -> tuple[dict[str, float], str]:
    """Reads the metrics of the test and the digest of the data from a card.

    Raises:
        UserError: there is no card, or it states no metrics.
    """
    front = read_card(folder).split("\n---\n")[0]
    values = re.findall(r"- type: (\S+)\n +value: (\S+)", front)
    revision = re.search(r'revision: "?(\w*)', front)
    try:
        metrics = {name: float(value) for name, value in values}
    except ValueError as error:
        raise UserError(f"{folder / CARD}: the value of a metric is not a number: {error}") from None
    if not metrics or revision is None:
        raise UserError(f"{folder / CARD} states no metrics in its front matter")
    return metrics, revision[1]


def read_example(folder: Path) -> tuple[str, str]:
    """Reads the example of a card and the answer that it states."""
    blocks = re.search(r"```python\n(.*?)\n```\n.*?```text\n(.*?)\n```", read_card(folder), re.DOTALL)
    if blocks is None:
        raise UserError(f"{folder / CARD} holds no example")
    return blocks[1], blocks[2]


def read_card(folder: Path) -> str:
    """Reads a card. Raises `UserError` if there is none."""
    if not has_card(folder):
        raise UserError(f"{folder} has no model card, a {CARD} with a model-index: build the model first")
    return (folder / CARD).read_text(encoding="utf-8")
