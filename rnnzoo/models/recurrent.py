"""Every registered cell as a model of the same name, in any depth; and the core that all models share."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells import AffineCell, Cell, DeepTransitionCell
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.json_files import first_line
from rnnzoo.layers import RNN, Bidirectional, Stack
from rnnzoo.layers.deep import hidden_layers
from rnnzoo.models.embedding import make_embedding
from rnnzoo.models.network import Network
from rnnzoo.registry import CELLS, MODELS
from rnnzoo.serialization import parameters
from rnnzoo.spec import TaskSpec


@dataclasses.dataclass(frozen=True)
class RecurrentOptions:
    """Options of every recurrent model; a cell adds its own."""

    units: int = option(256, "units of each recurrent layer", minimum=1, size="units")
    layers: int = option(1, "recurrent layers, one on top of another", minimum=1, size="layers")
    residual: bool = option(False, "each layer but the first adds its input to its output")
    input_depth: int = option(1, "layers between input and hidden state; 1: the cell's own", minimum=1, size="layers")
    transition_depth: int = option(
        1, "layers between a hidden state and the next; 1: the cell's own", minimum=1, size="layers"
    )
    shortcut: bool = option(False, "the previous state also goes past the inner layers of a deep transition")
    output_depth: int = option(1, "layers between hidden state and output; 1: a linear one", minimum=1, size="layers")
    hidden_units: int | None = option(
        None, "units of each such layer on the way in or out; default: units", minimum=1, size="units"
    )
    embedding: int = option(64, "size of the embedding of tokens", minimum=1, size="units")
    character_units: int = option(
        25, "units, each way, of the network over the characters of a word", minimum=1, size="units"
    )
    activation: str | None = option(None, "activation function, by its Keras name; default: the cell's own")
    dropout: float = option(0.0, "fraction of each layer's inputs hidden in training", minimum=0, below=1)
    recurrent_dropout: float = option(0.0, "fraction of the previous state hidden in training", minimum=0, below=1)
    layer_dropout: float = option(
        0.0, "fraction of each layer's outputs hidden in training, drawn anew at each step", minimum=0, below=1
    )
    truncate: int = option(
        0,
        "steps that the gradient of a step's loss goes back, its own included (1: as Elman 1990); 0: all",
        minimum=0,
        size="time",
    )


COMMON = {field.name for field in dataclasses.fields(RecurrentOptions)}


def own_options(cell_class: type[Cell]) -> list[tuple[str, Any, Any]]:
    """A cell's own plain parameters as fields, with their help from its docstring."""
    fields = []
    for name, parameter in parameters(cell_class).items():
        plain = parameter.annotation in (int, float, bool, str, int | None, float | None, str | None)
        if plain and name not in COMMON and name not in parameters(AffineCell):
            size: Any = "units" if parameter.annotation in (int, int | None) else None
            fields.append((name, parameter.annotation, option(parameter.default, _help(cell_class, name), size=size)))
    return fields


def _help(cell_class: type, name: str) -> str:
    for cls in cell_class.__mro__:
        if found := re.search(rf"^ *{name}: (.*)$", inspect.getdoc(cls) or "", re.MULTILINE):
            return found[1].rstrip(".;")
    return name


def make_options(name: str, fields: Iterable[tuple[str, Any, Any]]) -> type:
    """`RecurrentOptions` and these fields, which go before those of the same name."""
    return dataclasses.make_dataclass(f"{name}Options", list(fields), bases=(RecurrentOptions,), frozen=True)


def cell_maker(name: str, cell_name: str, options: Any) -> Callable[[], Any]:
    """What makes a cell as the options say; where an option is None the cell has its own default."""
    cell_class = CELLS[cell_name]
    check_activation(options.activation)
    given = {key: value for key, value in dataclasses.asdict(options).items() if key in parameters(cell_class)}
    defaults = {key: parameter.default for key, parameter in parameters(cell_class).items()}
    arguments = {key: defaults[key] if value is None else value for key, value in given.items()}
    if options.hidden_units and options.input_depth == options.output_depth == 1:
        raise UserError(
            "--hidden_units is of hidden layers, and there are none: give --input_depth or --output_depth too"
        )

    def make() -> Any:
        cell = cell_class(**arguments)
        if options.transition_depth > 1 or options.shortcut:
            return DeepTransitionCell(cell, options.transition_depth, options.shortcut)
        return cell

    return make


def check_activation(name: str | None) -> None:
    """Raises `UserError` unless Keras has a function of that name that takes each unit by itself, or all of a step."""
    try:
        if name and keras.activations.get(name)(tf.zeros([1, 4])).shape != (1, 4):
            raise ValueError("it changes the number of units")
    except (ValueError, TypeError) as error:
        raise UserError(f"--activation={name} cannot be used: {first_line(error)}; try tanh, relu or sigmoid") from None


def make_network(name: str, cell_name: str, spec: TaskSpec, options: Any, merge_mode: str = "") -> Network:
    """The model `name`: `options.layers` layers of a cell, in one direction or (with a merge mode) in both."""
    try:
        core = make_core(cell_maker(name, cell_name, options), options, merge_mode)
    except ValueError as error:
        raise UserError(f"model '{name}': {error}") from None
    embedding = make_embedding(spec, options.embedding, options.character_units)
    return Network(core, spec, embedding, (name, dataclasses.asdict(options)), options.layer_dropout)


def make_core(make_cell: Callable[[], Any], options: Any, merge_mode: str = "", **stack: Any) -> Stack:
    """Recurrent layers of a cell one on top of another, with the hidden layers before and behind them."""
    layers: list[Any] = [RNN(make_cell(), truncate=options.truncate or None) for _ in range(options.layers)]
    activation = getattr(tree.flatten(getattr(layers[0].cell, "cells", layers[0].cell))[0], "activation", "tanh")
    if merge_mode:
        layers = [Bidirectional(layer, merge_mode=merge_mode) for layer in layers]
    units = options.hidden_units or options.units
    before = hidden_layers(units, options.input_depth - 1, activation)
    behind = hidden_layers(units, options.output_depth - 1, activation)
    return Stack([*before, *layers, *behind], residual=options.residual, dropout=options.layer_dropout, **stack)


def register_cell(name: str, cell_class: type[Cell]) -> None:
    """Registers the model of a cell."""

    def build(spec: TaskSpec, options: Any) -> Network:
        return make_network(name, name, spec, options)

    build.__doc__ = cell_class.__doc__
    build.__annotations__ = {"spec": TaskSpec, "options": make_options(cell_class.__name__, own_options(cell_class))}
    MODELS.register(name)(build)


CELLS.follow(register_cell)
