"""Keras models rebuilt from exports and run folders, with the configuration they were trained by."""

import os
from pathlib import Path
from typing import Any

import tensorflow as tf

from rnnzoo.errors import UserError, first_line
from rnnzoo.inference.loading import load
from rnnzoo.inference.model_names import find_model
from rnnzoo.inference.safety.keras_file_check import check_sizes
from rnnzoo.models import ZooModel
from rnnzoo.utils.json_files import MODEL_CONFIG, RUN_CONFIG, read_json

DEPTHS = ("layers", "depth")  # ends of the names of options that are numbers of layers
CONFIG = Path("assets.extra") / "config.json"


def load_trained_model(path: str | os.PathLike) -> tuple[ZooModel, dict[str, Any]]:
    """Loads the model of an export, or of the folder of a run, and its configuration.

    Args:
        path: the name of a pretrained model, or the folder of an export or of a run.

    Raises:
        UserError: the folder is neither, or the run has not ended.
    """
    path = find_model(path)
    if (path / "saved_model.pb").is_file():
        model, _, config = load_export(path)
        return model, config
    if not path.exists():
        raise UserError(f"there is no file or folder {path}")
    if not (path / "config.json").is_file():
        raise UserError(f"{path} is neither an export nor the folder of a run")
    config = read_json(path / "config.json", RUN_CONFIG)
    if not (path / "model.keras").is_file():
        raise UserError(f"{path} holds no model.keras: let the run end first (train.py --resume --run_dir={path})")
    return load(path / "model.keras"), config


def load_export(path: str | os.PathLike) -> tuple[ZooModel, Any, dict[str, Any]]:
    """Loads an export: the model that it holds, the SavedModel, and the configuration.

    Args:
        path: the name of a pretrained model, or the folder of an export.

    Raises:
        UserError: the folder is not an export of this package, or damaged.
    """
    path = find_model(path)
    if not (path / "saved_model.pb").is_file():
        raise UserError(f"{path} is not an export: it holds no saved_model.pb")
    config, loaded = read_json(path / CONFIG, MODEL_CONFIG), load(path)
    return rebuild_model(config, loaded.weights, path), loaded, config


def rebuild_model(config: dict[str, Any], weights: Any, path: Path) -> ZooModel:
    """Creates the model that an export describes, with the weights that it holds, `{path: variable}`.

    Raises:
        UserError: the export describes another model than that of its weights, or a much larger one.
    """
    stored = {name: weights[name] for name in weights}
    check_sizes(path, {key: config[key] for key in ("spec", "options")}, sum(v.numpy().nbytes for v in stored.values()))
    if any(isinstance(v, int) and v > len(stored) for k, v in config["options"].items() if k.endswith(DEPTHS)):
        raise UserError(f"{path} is not loaded: its configuration has more layers than it holds weights")
    try:
        model = ZooModel.from_config({"name": "model", "dtype": None, **config})
        own = model.weights_by_path()
        if {name: tuple(v.shape) for name, v in own.items()} != {name: tuple(v.shape) for name, v in stored.items()}:
            raise ValueError("its weights are not those of the model that it describes")
        for name, variable in own.items():
            variable.assign(tf.cast(stored[name], variable.dtype))
    except Exception as error:  # whatever a damaged configuration leads to
        raise UserError(f"{path} is damaged: {first_line(error)}") from None
    return model
