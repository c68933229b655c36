"""Models of each registered cell, in any depth, and the recurrent core that other models share."""

import contextlib
import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from rnnzoo.cells import AffineCell, Cell, DeepTransitionCell
from rnnzoo.config import option
from rnnzoo.errors import UserError, first_line
from rnnzoo.layers import RNN, Bidirectional, Stack
from rnnzoo.layers.deep import make_hidden_layers
from rnnzoo.models.embedding import make_embedding
from rnnzoo.models.network import Network
from rnnzoo.registry import CELLS, MODELS
from rnnzoo.serialization import constructor_parameters
from rnnzoo.spec import TaskSpec


@dataclasses.dataclass(frozen=True)
class RecurrentOptions:
    """Options of every recurrent model; a cell adds its own."""

    units: int = option(256, "units of each recurrent layer", minimum=1, size="units")
    layers: int = option(1, "number of stacked recurrent layers", minimum=1, size="layers")
    residual: bool = option(False, "each layer but the first adds its input to its output")
    input_depth: int = option(
        1, "layers between input and hidden state (deep input); 1: the cell alone", minimum=1, size="layers"
    )
    transition_depth: int = option(
        1, "layers between two hidden states (deep transition); 1: the cell alone", minimum=1, size="layers"
    )
    shortcut: bool = option(False, "the previous state also enters the last layer of a deep transition")
    output_depth: int = option(
        1, "layers between hidden state and output (deep output); 1: the linear output layer", minimum=1, size="layers"
    )
    hidden_units: int | None = option(
        None, "units of the hidden layers of --input_depth and --output_depth; default: units", minimum=1, size="units"
    )
    embedding: int = option(64, "size of the token embedding", minimum=1, size="units")
    feature_embedding: int = option(
        10, "size of the embedding of each further column of a word", minimum=1, size="units"
    )
    char_units: int = option(
        25, "units, in each direction, of the LSTM over the characters of a word", minimum=1, size="units"
    )
    crf: bool = option(False, "predict all labels of a sequence together, by a conditional random field")
    activation: str | None = option(None, "activation function, by its Keras name; default: the cell's own")
    dropout: float = option(0.0, "fraction of each layer's inputs dropped in training", minimum=0, below=1)
    recurrent_dropout: float = option(0.0, "fraction of the previous state dropped in training", minimum=0, below=1)
    output_dropout: float = option(
        0.0, "fraction of each layer's outputs dropped in training, sampled at every step", minimum=0, below=1
    )
    truncate: int = option(
        0,
        "truncated BPTT: time steps that the gradient of a step's loss goes back (1: as Elman 1990); 0: all",
        minimum=0,
        size="time",
    )


COMMON = {field.name for field in dataclasses.fields(RecurrentOptions)}


def cell_options(cell_class: type[Cell]) -> list[tuple[str, Any, Any]]:
    """Returns the numeric, boolean and string arguments of a cell as option fields, with help from its docstring."""
    fields = []
    for name, parameter in constructor_parameters(cell_class).items():
        is_plain = parameter.annotation in (int, float, bool, str, int | None, float | None, str | None)
        if is_plain and name not in COMMON and name not in constructor_parameters(AffineCell):
            size: Any = "units" if parameter.annotation in (int, int | None) else None
            fields.append((name, parameter.annotation, option(parameter.default, _help(cell_class, name), size=size)))
    return fields


def _help(cell_class: type, name: str) -> str:
    for cls in cell_class.__mro__:
        if match := re.search(rf"^ *{name}: (.*)$", inspect.getdoc(cls) or "", re.MULTILINE):
            return match[1].rstrip(".;")
    return name


def make_options(name: str, fields: Iterable[tuple[str, Any, Any]]) -> type:
    """Creates a subclass of `RecurrentOptions` with further fields, which take precedence."""
    return dataclasses.make_dataclass(f"{name}Options", list(fields), bases=(RecurrentOptions,), frozen=True)


def make_cell_factory(cell_name: str, options: Any) -> Callable[[], Any]:
    """Returns a function that creates a cell from options; an option of None means the cell's own default."""
    cell_class = CELLS[cell_name]
    check_activation(options.activation)
    values = {
        key: value for key, value in dataclasses.asdict(options).items() if key in constructor_parameters(cell_class)
    }
    defaults = {key: parameter.default for key, parameter in constructor_parameters(cell_class).items()}
    arguments = {key: defaults[key] if value is None else value for key, value in values.items()}
    if options.hidden_units and options.input_depth == options.output_depth == 1:
        raise UserError("--hidden_units needs hidden layers: give --input_depth or --output_depth too")

    def make() -> Any:
        cell = cell_class(**arguments)
        if options.transition_depth > 1 or options.shortcut:
            return DeepTransitionCell(cell, options.transition_depth, options.shortcut)
        return cell

    return make


def check_activation(name: str | None) -> None:
    """Raises `UserError` unless Keras has an activation function of that name that keeps the shape of its input."""
    try:
        if name and keras.activations.get(name)(tf.zeros([1, 4])).shape != (1, 4):
            raise ValueError("it changes the number of units")
    except (ValueError, TypeError) as error:
        raise UserError(f"--activation={name} cannot be used: {first_line(error)}; try tanh, relu or sigmoid") from None


@contextlib.contextmanager
def name_model_in_errors(name: str) -> Iterator[None]:
    """Context in which a `ValueError` of a layer becomes a `UserError` that names the model."""
    try:
        yield
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"model '{name}': {error}") from None


def build_network(name: str, cell_name: str, spec: TaskSpec, options: Any, merge_mode: str = "") -> Network:
    """Builds the model `name`, unidirectional or (with a merge mode) bidirectional."""
    with name_model_in_errors(name):
        core = build_core(make_cell_factory(cell_name, options), options, merge_mode)
    embedding = make_embedding(spec, options.embedding, options.feature_embedding, options.char_units)
    return Network(core, spec, embedding, (name, dataclasses.asdict(options)), options.output_dropout, options.crf)


def build_core(make_cell: Callable[[], Any], options: Any, merge_mode: str = "", **stack: Any) -> Stack:
    """Builds stacked recurrent layers of a cell, with the hidden layers before and after them."""
    layers: list[Any] = [RNN(make_cell(), truncate=options.truncate or None) for _ in range(options.layers)]
    activation = getattr(tree.flatten(getattr(layers[0].cell, "cells", layers[0].cell))[0], "activation", "tanh")
    if merge_mode:
        layers = [Bidirectional(layer, merge_mode=merge_mode) for layer in layers]
    units = options.hidden_units or options.units
    before = make_hidden_layers(units, options.input_depth - 1, activation)
    after = make_hidden_layers(units, options.output_depth - 1, activation)
    return Stack([*before, *layers, *after], residual=options.residual, dropout=options.output_dropout, **stack)


def register_cell(name: str, cell_class: type[Cell]) -> None:
    """Registers the model of a cell."""

    def build(spec: TaskSpec, options: Any) -> Network:
        return build_network(name, name, spec, options)

    build.__doc__ = cell_class.__doc__
    build.__annotations__ = {"spec": TaskSpec, "options": make_options(cell_class.__name__, cell_options(cell_class))}
    MODELS.register(name)(build)


CELLS.add_listener(register_cell)
