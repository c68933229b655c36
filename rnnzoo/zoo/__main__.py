"""Pretrained models from recipes: `python -m rnnzoo.zoo list | build | verify | reexport [NAME...]`."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rnnzoo.config import option
from rnnzoo.errors import RunError, UserError
from rnnzoo.inference.model_names import model_folders
from rnnzoo.utils import command_line, startup
from rnnzoo.utils.model_cards import has_card
from rnnzoo.zoo.recipes import Recipe, choose_recipes, read_recipes

USAGE = """usage: python -m rnnzoo.zoo list | build NAME... | verify [NAME...] | reexport [NAME...]

list      the recipes, with size and metrics of the models that are built; a name may be a pattern, such as "lstm-*"
build     train, export, measure, and write the model with its card; a build that was stopped is resumed
verify    measure built models again on their test data, in a fresh process, and compare with their cards
reexport  rewrite the SavedModels of built models from their weights, without training
"""


@dataclasses.dataclass(frozen=True)
class ZooOptions:
    """Options of `python -m rnnzoo.zoo`."""

    data_dir: str | None = option(None, "folder of the downloaded files that some recipes train on")
    models_dir: str | None = option(
        None, "folder of models; default: the first one of RNNZOO_MODELS, else saved_models/ of the checkout"
    )
    work_dir: str = option("runs/zoo", "folder of the runs of build, and of copies of data")
    recipes: str | None = option(None, "TOML file of recipes; default: those of the package")
    markdown: bool = option(False, "list as a Markdown table")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad input, 1 for a failure or a metric that differs."""
    return command_line.run_tool(sys.argv if argv is None else argv, ZooOptions, USAGE, _main)


def _main(options: ZooOptions, arguments: list[str]) -> int:
    command, *names = arguments
    if command not in COMMANDS:
        raise UserError(f"there is no command '{command}'; expected {', '.join(COMMANDS)}")
    recipes = read_recipes(Path(options.recipes) if options.recipes else None)
    if command == "build" and not names:
        raise UserError("build needs the names of recipes; python -m rnnzoo.zoo list prints them")
    chosen = choose_recipes(recipes, names) if names else list(recipes.values())
    folders = [Path(options.models_dir)] if options.models_dir else model_folders()
    if not folders:
        raise UserError("give --models_dir, the folder of models, or set RNNZOO_MODELS to it")
    if command in ("verify", "reexport") and not names:
        chosen = [recipe for recipe in chosen if has_card(folders[0] / recipe.name)]
        if not chosen:
            raise UserError(f"there is no built model in {folders[0]}; give --models_dir, or build one")
    return COMMANDS[command](options, chosen, folders[0])


def _list(options: ZooOptions, recipes: list[Recipe], models_dir: Path) -> int:
    from rnnzoo.zoo.listing import list_models

    print("\n".join(list_models(recipes, models_dir, options.markdown)))
    return 0


def _build(options: ZooOptions, recipes: list[Recipe], models_dir: Path) -> int:
    data_dir, work_dir = Path(options.data_dir) if options.data_dir else None, Path(options.work_dir)
    with startup.suppress_import_messages():
        from rnnzoo.zoo.builder import build
        from rnnzoo.zoo.sources import prepare_data

    for recipe in recipes:  # before hours of training
        prepare_data(recipe.source, data_dir, work_dir / "data")
    return _for_each(recipes, lambda recipe: f"built {build(recipe, data_dir, work_dir, models_dir)}")


def _verify(options: ZooOptions, recipes: list[Recipe], models_dir: Path) -> int:
    data_dir, work_dir = Path(options.data_dir) if options.data_dir else None, Path(options.work_dir)
    with startup.suppress_import_messages():
        from rnnzoo.zoo.verification import verify

    return _for_each(recipes, lambda recipe: verify(recipe, data_dir, work_dir, models_dir))


def _reexport(options: ZooOptions, recipes: list[Recipe], models_dir: Path) -> int:
    with startup.suppress_import_messages():
        from rnnzoo.zoo.reexport import reexport

    def write(recipe: Recipe) -> str:
        reexport(models_dir / recipe.name, recipe.max_mib)
        return f"written {models_dir / recipe.name}"

    return _for_each(recipes, write)


def _for_each(recipes: list[Recipe], action: Callable[[Recipe], str]) -> int:
    """Prints the result for each recipe; a failure is printed and the others follow. Returns the exit status."""
    status = 0
    for recipe in recipes:
        try:
            print(action(recipe), flush=True)
        except (UserError, RunError, OSError) as error:
            message = str(error).removeprefix(f"{recipe.name}: ")
            status = command_line.BAD_INPUT if isinstance(error, UserError) and not status else command_line.FAILED
            command_line.print_error(f"{recipe.name}: {message}", status)
    return status


COMMANDS = {"list": _list, "build": _build, "verify": _verify, "reexport": _reexport}

if __name__ == "__main__":
    sys.exit(main())
