"""The public names of the package, imported by `import rnnzoo`."""

from rnnzoo import cells, compositions, data, inspect, interop, layers, models, tasks
from rnnzoo.errors import UserError
from rnnzoo.export import export_saved_model
from rnnzoo.inference.loading import load
from rnnzoo.inference.model_names import list_pretrained
from rnnzoo.inference.pretrained import load_pretrained
from rnnzoo.models import create_model, list_models
from rnnzoo.registry import CELLS, COMPOSITIONS, MODELS, TASKS
from rnnzoo.serialization import register_renamed_classes
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks import create_task, list_tasks

register_renamed_classes()
list_cells = CELLS.list
__all__ = ["CELLS", "COMPOSITIONS", "MODELS", "TASKS", "TaskSpec", "UserError", "cells", "compositions", "data"]
__all__ += [
    "create_model",
    "create_task",
    "export_saved_model",
    "inspect",
    "interop",
    "layers",
    "list_cells",
    "list_models",
    "list_pretrained",
    "list_tasks",
    "load",
    "load_pretrained",
    "models",
    "tasks",
]
