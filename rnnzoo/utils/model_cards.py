"""Recognition of pretrained models by their model card."""

from pathlib import Path

CARD = "README.md"


def has_card(folder: Path) -> bool:
    """Returns whether a folder holds a model card: a README.md whose front matter has a `model-index`."""
    try:
        with (folder / CARD).open(encoding="utf-8") as file:
            front, end, _ = file.read().removeprefix("---\n").partition("\n---\n")
    except (OSError, UnicodeError):
        return False
    return bool(end) and "\nmodel-index:\n" in front
