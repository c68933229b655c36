"""What a model card states: its figures, and its example with the answer."""

import re
from pathlib import Path

from rnnzoo.errors import UserError
from rnnzoo.inference.model_names import CARD


def read_figures(folder: Path) -> tuple[dict[str, float], str]:
    """Reads the figures of the test and the digest of the data from a card.

    Raises:
        UserError: there is no card, or it states no figures.
    """
    text = read_card(folder)
    front = text.split("\n---\n")[0]
    figures = re.findall(r"- type: (\w+)\n\s+value: ([-+.\de]+)", front)
    revision = re.search(r"revision: (\w*)", front)
    if not figures or revision is None:
        raise UserError(f"{folder / CARD} states no figures in its front matter")
    return {name: float(value) for name, value in figures}, revision[1]


def read_example(folder: Path) -> tuple[str, str]:
    """Reads the example of a card and the answer that it states."""
    blocks = re.search(r"```python\n(.*?)\n```\n.*?```text\n(.*?)\n```", read_card(folder), re.DOTALL)
    if blocks is None:
        raise UserError(f"{folder / CARD} holds no example")
    return blocks[1], blocks[2]


def read_card(folder: Path) -> str:
    """Reads a card. Raises `UserError` if there is none."""
    try:
        return (folder / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        raise UserError(f"{folder} has no model card ({CARD})") from None
