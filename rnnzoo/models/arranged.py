"""Models named after how their ticks are arranged, of any cell: deep in four ways, and in both directions."""

from collections.abc import Callable
from typing import Any

from rnnzoo.cells import Cell
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.models.network import Network
from rnnzoo.models.recurrent import COMMON, RecurrentOptions, make_network, make_options, own_options
from rnnzoo.registry import CELLS, MODELS
from rnnzoo.serialization import parameters
from rnnzoo.spec import TaskSpec

Fields = list[tuple[str, Any, Any]]
DEPTH = "Pascanu, Gulcehre, Cho & Bengio (2013), arXiv 1312.6026."
ARRANGED: dict[str, tuple[str, dict[str, Any]]] = {
    "stacked": (
        f"Hidden states one on top of another, each feeding the next.\n\n{DEPTH}",
        {"layers": 2},
    ),
    "deep-input": (
        f"Nonlinear hidden layers between the input and the hidden state.\n\n{DEPTH}",
        {"input_depth": 2},
    ),
    "deep-transition": (
        f"Depth between one hidden state and the next (DT-RNN; with a shortcut DT(S)-RNN).\n\n{DEPTH}",
        {"transition_depth": 2},
    ),
    "deep-output": (
        f"Nonlinear hidden layers between the hidden state and the output (DO-RNN).\n\n{DEPTH}",
        {"output_depth": 2},
    ),
    "bidirectional": (
        "Reads a sequence forward and backward.\n\nSchuster & Paliwal (1997), Bidirectional recurrent neural networks.",
        {"merge_mode": "concat"},
    ),
}
MERGE = option("concat", "how both directions are put together", choices=("concat", "sum", "ave", "mul"))


def any_cell_options(name: str, fields: Fields) -> type:
    """The options of a model of any cell: `fields`, the common ones, and those of every cell, None until given."""
    every: dict[str, Any] = {}
    for cell in CELLS:
        for key, kind, own in own_options(CELLS[cell]):
            every.setdefault(
                key,
                (key, kind | None, option(None, **{**own.metadata, "help": f"{own.metadata['help']} (cell {cell})"})),
            )
    return make_options(name, [*fields, *every.values()])


def refuse_foreign(options: Any, fields: Fields) -> None:
    """Raises `UserError` for an option of another cell than the one that is chosen."""
    has = {*COMMON, *(name for name, *_ in fields), *parameters(CELLS[options.cell])}
    for key, value in vars(options).items():
        if key not in has and value is not None:
            own = sorted(name for name, *_ in own_options(CELLS[options.cell]))
            raise UserError(f"cell '{options.cell}' has no option '{key}'; its own are: {', '.join(own) or 'none'}")


def register_any_cell(name: str, text: str, fields: Fields, make: Callable[[TaskSpec, Any], Any]) -> None:
    """Registers a model of any cell, `make(spec, options)`; its options grow with the cells that are registered."""

    def build(spec: TaskSpec, options: Any) -> Any:
        refuse_foreign(options, fields)
        return make(spec, options)

    build.__doc__ = text
    MODELS.register(name)(build)

    def renew(cell_name: str, cell_class: type[Cell]) -> None:
        build.__annotations__ = {"spec": TaskSpec, "options": any_cell_options(name.title().replace("-", ""), fields)}

    CELLS.follow(renew)


def _fields(defaults: dict[str, Any]) -> Fields:
    """`cell`, and the common options that have another default here."""
    fields: Fields = [("cell", str, option("elman" if "merge_mode" not in defaults else "lstm", "name of the cell"))]
    for field in RecurrentOptions.__dataclass_fields__.values():
        if field.name in defaults:
            own = option(defaults[field.name], **field.metadata)
            fields.append((field.name, field.type, own))
    return [*fields, ("merge_mode", str, MERGE)] if "merge_mode" in defaults else fields


def _register(name: str, text: str, defaults: dict[str, Any]) -> None:
    def make(spec: TaskSpec, options: Any) -> Network:
        return make_network(name, options.cell, spec, options, getattr(options, "merge_mode", ""))

    register_any_cell(name, text, _fields(defaults), make)


for _name, (_text, _defaults) in ARRANGED.items():
    _register(_name, _text, _defaults)
