"""Pretrained models from recipes: `python -m rnnzoo.zoo list | build | verify | reexport [NAME...]`."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from rnnzoo.config import option
from rnnzoo.errors import RunError, UserError
from rnnzoo.inference.model_names import CARD, model_folders
from rnnzoo.utils import command_line, startup
from rnnzoo.zoo.recipes import Recipe, choose_recipes, read_recipes

USAGE = """usage: python -m rnnzoo.zoo list | build NAME... | verify [NAME...] | reexport [NAME...]

list      the recipes and the figures of the models that are built (a name: those that match, such as "lstm-*")
build     train, export, measure, and write the model with its card; a build that was stopped goes on
verify    measure built models again on their test data, in a fresh process, and compare with their cards
reexport  write the SavedModels of built models anew from their weights, without training
"""


@dataclasses.dataclass(frozen=True)
class ZooOptions:
    """Options of `python -m rnnzoo.zoo`."""

    data_dir: str | None = option(None, "folder of the downloaded files that some recipes train on")
    models_dir: str | None = option(
        None, "folder of models; default: the first one of RNNZOO_MODELS, or saved_models/ of the checkout"
    )
    work_dir: str = option("runs/zoo", "folder of the runs of build, and of copies of data")
    recipes: str | None = option(None, "TOML file of recipes; default: those of the package")
    markdown: bool = option(False, "list as a Markdown table")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad input, 1 for a failure or a figure that differs."""
    return command_line.run_tool(sys.argv if argv is None else argv, ZooOptions, USAGE, _main)


def _main(options: ZooOptions, arguments: list[str]) -> int:
    command, *names = arguments
    recipes = read_recipes(Path(options.recipes) if options.recipes else None)
    models_dir = Path(options.models_dir) if options.models_dir else (model_folders() or [Path("saved_models")])[0]
    if command not in COMMANDS:
        raise UserError(f"there is no command '{command}'; expected {', '.join(COMMANDS)}")
    if command == "build" and not names:
        raise UserError("build needs the names of recipes; python -m rnnzoo.zoo list prints them")
    chosen = choose_recipes(recipes, names or ["*"])
    if command in ("verify", "reexport") and not names:
        chosen = [recipe for recipe in chosen if (models_dir / recipe.name / CARD).is_file()]
    return COMMANDS[command](options, chosen, models_dir)


def _list(options: ZooOptions, recipes: list[Recipe], models_dir: Path) -> int:
    from rnnzoo.zoo.listing import list_models

    print("\n".join(list_models(recipes, models_dir, options.markdown)))
    return 0


def _build(options: ZooOptions, recipes: list[Recipe], models_dir: Path) -> int:
    data_dir = Path(options.data_dir) if options.data_dir else None
    with startup.suppress_import_messages():
        from rnnzoo.zoo.builder import build

    for recipe in recipes:
        print(f"built {build(recipe, data_dir, Path(options.work_dir), models_dir)}")
    return 0


def _verify(options: ZooOptions, recipes: list[Recipe], models_dir: Path) -> int:
    data_dir = Path(options.data_dir) if options.data_dir else None
    with startup.suppress_import_messages():
        from rnnzoo.zoo.verification import verify

    failures = []
    for recipe in recipes:
        try:
            print(verify(recipe, data_dir, Path(options.work_dir), models_dir), flush=True)
        except (UserError, RunError) as error:
            failures.append(recipe.name)
            command_line.print_error(f"{recipe.name}: {error}", command_line.FAILED)
    return command_line.FAILED if failures else 0


def _reexport(options: ZooOptions, recipes: list[Recipe], models_dir: Path) -> int:
    with startup.suppress_import_messages():
        from rnnzoo.zoo.reexport import reexport

    for recipe in recipes:
        reexport(models_dir / recipe.name, recipe.max_mib)
        print(f"written {models_dir / recipe.name}", flush=True)
    return 0


COMMANDS = {"list": _list, "build": _build, "verify": _verify, "reexport": _reexport}

if __name__ == "__main__":
    sys.exit(main())
