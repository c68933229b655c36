"""Rewriting of a model's SavedModel from its weights, without training."""

import tempfile
from pathlib import Path

from rnnzoo.export import export_saved_model
from rnnzoo.inference.trained_model import load_export
from rnnzoo.zoo.card_files import read_card
from rnnzoo.zoo.installation import install_model

MODEL_KEYS = ("spec", "options", "name", "dtype", "rnnzoo")  # entries of config.json that every export writes


def reexport(folder: Path, max_mib: float) -> None:
    """Replaces the SavedModel of a folder by one that the present version writes; all other files are kept.

    Raises:
        UserError: the folder has no card, or is not an export.
        ExportError: the new SavedModel gives other answers than its model.
    """
    from rnnzoo import api  # noqa: F401  (registers everything)

    read_card(folder)
    model, _, config = load_export(folder)
    kept = {key: value for key, value in config.items() if key not in MODEL_KEYS}
    with tempfile.TemporaryDirectory() as temporary:
        written = export_saved_model(model, Path(temporary) / folder.name, config=kept)
        install_model(written, folder, max_mib)
