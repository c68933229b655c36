"""Models that wrap any cell: stacked, deep input, deep transition, deep output and bidirectional."""

from collections.abc import Callable
from typing import Any

from rnnzoo.cells import Cell
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.models.network import Network
from rnnzoo.models.recurrent import COMMON, RecurrentOptions, build_network, cell_options, make_options
from rnnzoo.registry import CELLS, MODELS
from rnnzoo.serialization import constructor_parameters
from rnnzoo.spec import TaskSpec

Fields = list[tuple[str, Any, Any]]
PAPER = "Pascanu, Gulcehre, Cho & Bengio (2013), arXiv 1312.6026."
MODELS_OF_ANY_CELL: dict[str, tuple[str, dict[str, Any]]] = {
    "stacked": (
        f"Stacked RNN: each recurrent layer reads the hidden states of the layer below.\n\n{PAPER}",
        {"layers": 2},
    ),
    "deep-input": (
        f"Deep input-to-hidden RNN: hidden layers between the input and the hidden state.\n\n{PAPER}",
        {"input_depth": 2},
    ),
    "deep-transition": (
        f"Deep transition RNN: layers between two hidden states (DT-RNN; with a shortcut DT(S)-RNN).\n\n{PAPER}",
        {"transition_depth": 2},
    ),
    "deep-output": (
        f"Deep output RNN: hidden layers between the hidden state and the output (DO-RNN).\n\n{PAPER}",
        {"output_depth": 2},
    ),
    "bidirectional": (
        "Bidirectional RNN: reads a sequence forward and backward.\n\n"
        "Schuster & Paliwal (1997), Bidirectional recurrent neural networks.",
        {"merge_mode": "concat"},
    ),
}
MERGE = option("concat", "how the outputs of both directions are merged", choices=("concat", "sum", "ave", "mul"))


def any_cell_options(name: str, fields: Fields) -> type:
    """Creates an options class: `fields`, the options of recurrent models, and those of every cell, by default None."""
    options: dict[str, Any] = {}
    for cell in CELLS:
        for key, kind, own in cell_options(CELLS[cell]):
            options.setdefault(
                key,
                (key, kind | None, option(None, **{**own.metadata, "help": f"{own.metadata['help']} (cell {cell})"})),
            )
    return make_options(name, [*fields, *options.values()])


def check_cell_options(options: Any, fields: Fields) -> None:
    """Raises `UserError` for an option of another cell than the chosen one."""
    allowed = {*COMMON, *(name for name, *_ in fields), *constructor_parameters(CELLS[options.cell])}
    for key, value in vars(options).items():
        if key not in allowed and value is not None:
            own = sorted(name for name, *_ in cell_options(CELLS[options.cell]))
            raise UserError(f"cell '{options.cell}' has no option '{key}'; its options are: {', '.join(own) or 'none'}")


def register_any_cell(name: str, doc: str, fields: Fields, create: Callable[[TaskSpec, Any], Any]) -> None:
    """Registers a model of any cell, made by `create(spec, options)`; it has the options of all registered cells."""

    def build(spec: TaskSpec, options: Any) -> Any:
        check_cell_options(options, fields)
        return create(spec, options)

    build.__doc__ = doc
    MODELS.register(name)(build)

    def update_options(cell_name: str, cell_class: type[Cell]) -> None:
        build.__annotations__ = {"spec": TaskSpec, "options": any_cell_options(name.title().replace("-", ""), fields)}

    CELLS.add_listener(update_options)


def _fields(defaults: dict[str, Any]) -> Fields:
    """Returns the option `cell`, and the common options whose defaults differ."""
    fields: Fields = [("cell", str, option("elman" if "merge_mode" not in defaults else "lstm", "name of the cell"))]
    for field in RecurrentOptions.__dataclass_fields__.values():
        if field.name in defaults:
            own = option(defaults[field.name], **field.metadata)
            fields.append((field.name, field.type, own))
    return [*fields, ("merge_mode", str, MERGE)] if "merge_mode" in defaults else fields


def _register(name: str, text: str, defaults: dict[str, Any]) -> None:
    def create(spec: TaskSpec, options: Any) -> Network:
        return build_network(name, options.cell, spec, options, getattr(options, "merge_mode", ""))

    register_any_cell(name, text, _fields(defaults), create)


for _name, (_text, _defaults) in MODELS_OF_ANY_CELL.items():
    _register(_name, _text, _defaults)
