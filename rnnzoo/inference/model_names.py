"""Names of pretrained models, and the folders where they are found."""

import difflib
import fnmatch
import os
from pathlib import Path

import rnnzoo
from rnnzoo.errors import UserError, first_line
from rnnzoo.utils.model_cards import CARD, has_card

VARIABLE = "RNNZOO_MODELS"  # environment variable: folders of models
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
    folders = (card.parent for folder in model_folders() for card in folder.glob(f"*/{CARD}"))
    names = {folder.name for folder in folders if (folder / "saved_model.pb").is_file() and has_card(folder)}
    return sorted(fnmatch.filter(names, pattern))


def find_model(name: str | os.PathLike) -> Path:
    """Returns the folder of a model: that of a pretrained model by its name, otherwise the path.

    Args:
        name: the name of a model in a folder of RNNZOO_MODELS or in `saved_models/` of the checkout, or a path.

    Raises:
        UserError: there is neither a model of that name nor such a path; the message names the nearest ones.
    """
    path, text = Path(name), os.fspath(name)
    try:
        if path.name == text:  # without a folder
            for folder in model_folders():
                if (folder / text / "saved_model.pb").is_file():
                    return folder / text
        if path.exists() or path.name != text:
            return path
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {text!r}: {first_line(error)}") from None
    names = list_pretrained()
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.6)
    if path.suffix and not near:
        return path  # a file that does not exist
    if near:
        remedy = f"no pretrained model of that name; did you mean {' or '.join(near)}?"
    elif names:
        remedy = f"no pretrained model of that name; there are {', '.join(names)}"
    elif missing := [str(folder) for folder in model_folders() if not folder.is_dir()]:
        remedy = f"no pretrained model: {VARIABLE} names {', '.join(missing)}, which does not exist"
    else:
        remedy = (
            "no pretrained model: they are in saved_models/ of the repository, not in the installed package; clone it, "
            f"and set {VARIABLE} to that folder"
        )
    raise UserError(f"there is no file or folder {text}, and {remedy}")
