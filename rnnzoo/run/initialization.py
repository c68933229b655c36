"""Weights that a run begins with: those of a trained model (`--init_from`), and those it keeps (`--freeze`)."""

from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.inference.model_names import find_model
from rnnzoo.inference.trained_model import CONFIG, load_trained_model
from rnnzoo.models.embedding import initialize_embedding
from rnnzoo.models.transfer import freeze_parts, transfer_weights
from rnnzoo.renames import apply_renames, apply_value_rename
from rnnzoo.tasks import Task
from rnnzoo.utils.json_files import RUN_CONFIG, read_json

DATA_OPTIONS = (
    "data",
    "validation_data",
    "test_data",
    "vectors",
    "cache_dir",
)  # files of a run's own
TRAINED_CONFIG = {"model": str, "options?": dict, **{f"{key}?": RUN_CONFIG[key] for key in ("task", "training")}}
TRAINED_CONFIG |= {"model_options?": dict, "task_options?": dict}


def read_inherited_options(name: str, run_dir: str | None) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Returns what a run with `--init_from` inherits, unless other options are given.

    Args:
        name: the trained model.
        run_dir: the folder of a run that is resumed, which records what it inherited; the model may be gone.

    Returns:
        The names of the model and, if the trained model records it, of the task; and options of the model, of the task
        (without those that name files) and of the training (the learning rate).

    Raises:
        UserError: there is no such model.
    """
    resumed = run_dir is not None and (Path(run_dir) / "config.json").is_file()
    path = Path(run_dir) if run_dir is not None and resumed else find_model(name)
    stored = read_json(path / CONFIG if (path / "saved_model.pb").is_file() else _run_config(path), TRAINED_CONFIG)
    names = {key: apply_value_rename(stored[key]) for key in ("model", "task") if key in stored}
    parts = {"model": stored.get("model_options", stored.get("options", {})), "task": stored.get("task_options", {})}
    options = {part: apply_renames("option", values) for part, values in parts.items()}
    options["task"] = {key: value for key, value in options["task"].items() if key not in DATA_OPTIONS}
    training = stored.get("training", {})
    options["training"] = {key: training[key] for key in ("learning_rate",) if key in training}
    return names, options


def initialize_weights(model: Any, settings: Any, task: Task, is_resumed: bool) -> str:
    """Gives a model the weights of `--vectors` and `--init_from`, and excludes the parts of `--freeze` from training.

    Args:
        model: the model of the run.
        settings: the settings of the run.
        task: the task of the run.
        is_resumed: whether a checkpoint will replace the weights, so that only `--freeze` matters.

    Returns:
        A line that says how many symbols are known; empty without `--init_from`.

    Raises:
        UserError: there is no such model or part, or the layers are others than those of `model`.
    """
    name, message, new_tokens = settings.run.init_from, "", 0
    if task.word_vectors is not None and not is_resumed:
        initialize_embedding(model.word_embedding, *task.word_vectors)
    if name and not is_resumed:
        trained, _ = load_trained_model(name)
        try:
            transfer = transfer_weights(trained, model)
        except UserError as error:
            raise UserError(f"--init_from={name}: {error}") from None
        message = "; ".join(filter(None, [f"weights of {name}", transfer.describe()]))
        new_tokens = sum(new for kind, (_, new) in transfer.symbols.items() if kind != "labels")
    if settings.training.freeze:
        parts = [part.strip() for part in settings.training.freeze.split(",")]
        freeze_parts(model, parts)
        if new_tokens and "embedding" in parts:
            message += f"; warning: --freeze=embedding keeps the random vectors of the {new_tokens:,} new ones"
    return message


def _run_config(path: Path) -> Path:
    if not (path / "config.json").is_file():
        raise UserError(f"--init_from={path} is neither a pretrained model, an export nor the folder of a run")
    return path / "config.json"
