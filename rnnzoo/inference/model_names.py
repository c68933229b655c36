"""Names of pretrained models, and the folders where they are found."""

import difflib
import fnmatch
import os
from pathlib import Path

import rnnzoo
from rnnzoo.errors import UserError

VARIABLE = "RNNZOO_MODELS"  # environment variable: folders of models
CARD = "README.md"  # of a pretrained model
CHECKOUT = Path(rnnzoo.__file__).resolve().parent.parent


def model_folders() -> list[Path]:
    """Returns the folders that hold pretrained models: those of RNNZOO_MODELS, and `saved_models/` of the checkout."""
    folders = [Path(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return [*folders, *([CHECKOUT / "saved_models"] if (CHECKOUT / "setup.py").is_file() else [])]


def list_pretrained(pattern: str = "*") -> list[str]:
    """Returns the names of the pretrained models that match an fnmatch pattern, sorted.

    A pretrained model is an export with a model card (`README.md`) in a folder of the environment variable
    RNNZOO_MODELS, or in `saved_models/` of the checkout.

    >>> list_pretrained("no-such-model-*")
    []
    """
    cards = (card for folder in model_folders() for card in folder.glob(f"*/{CARD}"))
    names = {card.parent.name for card in cards if (card.parent / "saved_model.pb").is_file()}
    return sorted(fnmatch.filter(names, pattern))


def find_model(name: str | os.PathLike) -> Path:
    """Returns the folder of a model: that of a pretrained model by its name, otherwise the path.

    Args:
        name: the name of a model in a folder of RNNZOO_MODELS or in `saved_models/` of the checkout, or a path.

    Raises:
        UserError: there is neither a model of that name nor such a path; the message names the nearest ones.
    """
    path, text = Path(name), os.fspath(name)
    if path.name == text:  # without a folder
        for folder in model_folders():
            if (folder / text / "saved_model.pb").is_file():
                return folder / text
    if path.exists() or path.name != text or path.suffix:
        return path
    names = list_pretrained()
    if near := difflib.get_close_matches(text, names, n=3, cutoff=0.4):
        remedy = f"no pretrained model of that name; did you mean {' or '.join(near)}?"
    elif names:
        remedy = f"no pretrained model of that name; there are {', '.join(names)}"
    else:
        remedy = (
            "no pretrained model: they are in saved_models/ of the repository, not in the installed package; clone it, "
            f"and set {VARIABLE} to that folder"
        )
    raise UserError(f"there is no file or folder {text}, and {remedy}")
