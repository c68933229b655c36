"""Replacement of a pretrained model's folder by a new export with its card."""

import shutil
from pathlib import Path

from rnnzoo.errors import RunError
from rnnzoo.export.folders import locked_folder, replace_export
from rnnzoo.inference.model_names import CARD
from rnnzoo.zoo.recipes import MIB

EXTRA = (".png",)  # suffixes of the files beside a card


def install(export: Path, card: str, images: list[Path], target: Path, max_mib: float) -> None:
    """Moves an export with its card and images to the folder of a model, which it replaces.

    Raises:
        RunError: the folder would be larger than `max_mib`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked_folder(target) as folder:
        written = folder / "saved_model"
        shutil.copytree(export, written, ignore=shutil.ignore_patterns(CARD, *(f"*{suffix}" for suffix in EXTRA), ".*"))
        (written / CARD).write_text(card, encoding="utf-8")
        for image in images:
            shutil.copyfile(image, written / image.name)
        size = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
        if size > max_mib * MIB:
            raise RunError(f"{target.name} takes {size / MIB:.2f} MiB, more than the {max_mib} MiB of its recipe")
        replace_export(written, target)
