"""Every registered cell as a model of the same name."""

import dataclasses
import inspect
import re
from typing import Any

from rnnzoo.cells import AffineCell, Cell
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.layers import RNN
from rnnzoo.layers.stack import Stack
from rnnzoo.models.network import Network
from rnnzoo.registry import CELLS, MODELS
from rnnzoo.serialization import parameters
from rnnzoo.spec import TaskSpec


@dataclasses.dataclass(frozen=True)
class RecurrentOptions:
    """Options of every recurrent model; a cell adds its own."""

    units: int = option(256, "units of each recurrent layer", minimum=1)
    layers: int = option(1, "recurrent layers, one on top of another", minimum=1)
    embedding: int = option(64, "size of the embedding of tokens", minimum=1)
    activation: str | None = option(None, "activation function, by its Keras name; default: the cell's own")
    dropout: float = option(0.0, "fraction of each layer's inputs hidden in training", minimum=0, below=1)
    recurrent_dropout: float = option(0.0, "fraction of the previous state hidden in training", minimum=0, below=1)


def cell_options(cell_class: type[Cell]) -> type:
    """`RecurrentOptions` and the cell's own plain parameters, with their help from its docstring."""
    common = {field.name for field in dataclasses.fields(RecurrentOptions)}
    fields = []
    for name, parameter in parameters(cell_class).items():
        plain = parameter.annotation in (int, float, bool, str, int | None, float | None, str | None)
        if plain and name not in common and name not in parameters(AffineCell):
            fields.append((name, parameter.annotation, option(parameter.default, _help(cell_class, name))))
    return dataclasses.make_dataclass(f"{cell_class.__name__}Options", fields, bases=(RecurrentOptions,), frozen=True)


def _help(cell_class: type, name: str) -> str:
    found = re.search(rf"^ *{name}: (.*)$", inspect.getdoc(cell_class) or "", re.MULTILINE)
    return found[1].rstrip(".;") if found else name


def register_cell(name: str, cell_class: type[Cell]) -> None:
    """Registers the model of a cell."""
    options_type = cell_options(cell_class)

    def build(spec: TaskSpec, options: Any) -> Network:
        given = dataclasses.asdict(options)
        arguments = {key: value for key, value in given.items() if key not in ("layers", "embedding")}
        arguments = {key: value for key, value in arguments.items() if key in parameters(cell_class)}
        if arguments.get("activation") is None:
            arguments.pop("activation", None)
        try:
            layers = [RNN(cell_class(**arguments)) for _ in range(options.layers)]
        except ValueError as error:
            raise UserError(f"model '{name}': {error}") from None
        recipe = (name, given)
        return Network(Stack(layers), spec, options.embedding, recipe)

    build.__doc__ = cell_class.__doc__
    build.__annotations__ = {"spec": TaskSpec, "options": options_type}
    MODELS.register(name)(build)


CELLS.follow(register_cell)
