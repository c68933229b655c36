"""Writing of a model's SavedModel anew from its weights, without training."""

import tempfile
from pathlib import Path

from rnnzoo.export import export_saved_model
from rnnzoo.inference.trained_model import load_export
from rnnzoo.zoo.card_files import read_card
from rnnzoo.zoo.installation import EXTRA, install

OF_THE_MODEL = ("spec", "options", "name", "dtype", "rnnzoo")  # entries of config.json that the export writes


def reexport(folder: Path, max_mib: float) -> None:
    """Replaces the SavedModel of a folder by one that the present version writes; card and images are kept.

    Raises:
        UserError: the folder has no card, or is not an export.
        ExportError: the new SavedModel gives other answers than its model.
    """
    from rnnzoo import api  # noqa: F401  (registers everything)

    card = read_card(folder)
    model, _, config = load_export(folder)
    kept = {key: value for key, value in config.items() if key not in OF_THE_MODEL}
    with tempfile.TemporaryDirectory() as temporary:
        written = export_saved_model(model, Path(temporary) / folder.name, config=kept)
        images = [path for path in folder.iterdir() if path.suffix in EXTRA]
        copies = [Path(temporary) / path.name for path in images]
        for path, copy in zip(images, copies, strict=True):
            copy.write_bytes(path.read_bytes())
        install(written, card, copies, folder, max_mib)
