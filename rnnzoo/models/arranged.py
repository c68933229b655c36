"""Models named after how their ticks are arranged, of any cell: deep in four ways, and in both directions."""

from typing import Any

from rnnzoo.cells import Cell
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.models.network import Network
from rnnzoo.models.recurrent import COMMON, RecurrentOptions, make_network, make_options, own_options
from rnnzoo.registry import CELLS, MODELS
from rnnzoo.serialization import parameters
from rnnzoo.spec import TaskSpec

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


def options_of(defaults: dict[str, Any]) -> type:
    """The options of an arrangement: `cell`, the common ones with these defaults, and those of every cell."""
    fields: list[tuple[str, Any, Any]] = [
        ("cell", str, option("elman" if "merge_mode" not in defaults else "lstm", "name of the cell"))
    ]
    for field in RecurrentOptions.__dataclass_fields__.values():
        if field.name in defaults:
            limits = {name: field.metadata[name] for name in ("minimum", "below", "choices")}
            own = option(defaults[field.name], field.metadata["help"], **limits)
            fields.append((field.name, field.type, own))
    if "merge_mode" in defaults:
        fields.append(("merge_mode", str, MERGE))
    every: dict[str, Any] = {}
    for cell in CELLS:
        for name, kind, own in own_options(CELLS[cell]):
            every.setdefault(name, (name, kind | None, option(None, f"{own.metadata['help']} (cell {cell})")))
    return make_options("Arranged", [*fields, *every.values()])


def register(name: str, text: str, defaults: dict[str, Any]) -> None:
    """Registers an arrangement of cells."""

    def build(spec: TaskSpec, options: Any) -> Network:
        has = parameters(CELLS[options.cell])
        for key in vars(options):
            foreign = key not in (*COMMON, "cell", "merge_mode", *has)
            if foreign and getattr(options, key) is not None:
                own = sorted(option_name for option_name, *_ in own_options(CELLS[options.cell]))
                raise UserError(f"cell '{options.cell}' has no option '{key}'; its own are: {', '.join(own) or 'none'}")
        return make_network(name, options.cell, spec, options, getattr(options, "merge_mode", ""))

    build.__doc__ = text
    MODELS.register(name)(build)

    def renew(cell_name: str, cell_class: type[Cell]) -> None:
        build.__annotations__ = {"spec": TaskSpec, "options": options_of(defaults)}

    CELLS.follow(renew)


for _name, (_text, _defaults) in ARRANGED.items():
    register(_name, _text, _defaults)
