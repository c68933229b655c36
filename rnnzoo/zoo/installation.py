"""Replacement of a pretrained model's folder by a new export with its card."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from rnnzoo.errors import RunError, UserError
from rnnzoo.export.folders import GRAPH, OTHER_FILES, locked_folder, remove_leftovers, replace_export
from rnnzoo.utils.locks import is_empty
from rnnzoo.utils.model_cards import CARD, has_card
from rnnzoo.zoo.recipes import MIB

IMAGES = ("forecast.png", "attention.png", "curve.png")  # of a run, the most telling one first


def check_target(target: Path) -> None:
    """Raises `UserError` unless a folder is missing, empty or a pretrained model, which may be replaced."""
    replaceable = not target.exists() or (target.is_dir() and (is_empty(target) or has_card(target)))
    if not replaceable:
        raise UserError(f"{target} has no model card and is not replaced; move it, or give another --models_dir")


def install_model(
    export: Path, target: Path, max_mib: float, card: str | None = None, images: Sequence[Path] = ()
) -> None:
    """Copies an export to the folder of a model, which it replaces; other files of the folder are kept.

    Args:
        export: the folder of the export.
        target: the folder of the model.
        max_mib: the most MiB that it may take.
        card: the text of a new card, which comes with new images; None: card and images are kept.
        images: the images of the card.

    Raises:
        UserError: the folder holds something else than a model with a card.
        RunError: it would be too large.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target)
    check_target(target)
    with locked_folder(target) as folder:
        written = folder / "saved_model"
        shutil.copytree(export, written, ignore=shutil.ignore_patterns(".*"))
        replaced = {GRAPH, *OTHER_FILES, *(() if card is None else (CARD, *IMAGES))}
        for path in target.iterdir() if target.is_dir() else ():
            if path.name not in replaced:
                (shutil.copytree if path.is_dir() else shutil.copyfile)(path, written / path.name)
        if card is not None:
            (written / CARD).write_text(card, encoding="utf-8")
        for image in images:
            shutil.copyfile(image, written / image.name)
        size = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
        if size > max_mib * MIB:
            raise RunError(f"{target.name} takes {size / MIB:.2f} MiB, more than the {max_mib} MiB of its recipe")
        replace_export(written, target)
