"""Recipes of pretrained models: data, flags, limits of their figures, and an example, read from a TOML file."""

import dataclasses
import difflib
import fnmatch
import re
import tomllib
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError, first_line

RECIPES = Path(__file__).with_name("recipes.toml")
MIB = 1 << 20
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclasses.dataclass(frozen=True)
class Source:
    """Data that a recipe trains on.

    Attributes:
        title: its name.
        license: its licence.
        credit: authors, year, and conditions of use.
        address: where it comes from; for a file, where it can be downloaded.
        file: path of a file in the folder `--data_dir`; empty: the task generates or finds the data itself.
        sha256: digest of that file.
        product: name of the file that the flags of a recipe name by `--data`.
        convert: name of a function of `rnnzoo.zoo.sources` that converts `file` to `product`; empty: a copy.
    """

    title: str
    license: str
    credit: str
    address: str = ""
    file: str = ""
    sha256: str = ""
    product: str = ""
    convert: str = ""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a pretrained model is made.

    Attributes:
        name: its name, also that of its folder.
        summary: what it does, in one sentence.
        flags: flags of `train.py`, without those of folders.
        source: its data.
        stages: flags of further runs, each of which begins with the weights of the one before.
        limits: bounds of metrics of the test: at least, if higher is better, otherwise at most.
        example: third line of the example, after `model` was loaded.
        signature: the signature that the example calls.
        sample: arguments of `python -m rnnzoo.` of a sample in the card; empty: a figure.
        sample_input: standard input of that command.
        license: licence of the weights, as the Hugging Face hub names it.
        caution: for what the model is not to be used.
        seed: the random seed.
        max_mib: the most MiB that the export may take.
    """

    name: str
    summary: str
    flags: str
    source: Source
    limits: dict[str, float]
    example: str
    stages: list[str] = dataclasses.field(default_factory=list)
    signature: str = "serving_default"
    sample: list[str] = dataclasses.field(default_factory=list)
    sample_input: str = ""
    license: str = "other"
    caution: str = ""
    seed: int = 0
    max_mib: float = 3.0

    def runs(self) -> list[tuple[str, str]]:
        """Returns the name and the flags of each run; the last one has the name of the recipe."""
        names = [f"{self.name}.part{i}" for i in range(1, len(self.stages) + 1)] + [self.name]
        starts = ["", *(f" --init_from={name}" for name in names)]
        flags = [self.flags, *self.stages]
        return [(n, f"{f}{s} --seed={self.seed}") for n, f, s in zip(names, flags, starts, strict=False)]


FIELD_TYPES: dict[Any, Any] = {  # types of the values of a TOML file by the types of fields
    str: str,
    int: int,
    float: (int, float),
    dict[str, float]: dict,
    list[str]: list,
    Source: Source,
}


def read_recipes(path: Path | None = None) -> dict[str, Recipe]:
    """Reads a file of recipes; by default that of this package.

    Args:
        path: a TOML file with a table `[source.NAME]` for each source of data and `[recipe.NAME]` for each recipe, with
            the attributes of `Source` and `Recipe` as keys.

    Raises:
        UserError: the file cannot be read, or lacks a key, or has one that is unknown or of another type.
    """
    path = path or RECIPES
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--recipes: {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"--recipes: {path} is not a TOML file: {first_line(error)}") from None
    for key, table in tables.items():
        if key not in ("source", "recipe") or not isinstance(table, dict):
            raise UserError(f"--recipes: {path}: there is no table [{key}]; expected [source.NAME] and [recipe.NAME]")
    sources, recipes = {}, {}
    for name, values in tables.get("source", {}).items():
        sources[name] = _create(Source, values, f"{path}: source.{name}")
        _check_source(sources[name], f"--recipes: {path}: source.{name}")
    for name, values in tables.get("recipe", {}).items():
        where = f"{path}: recipe.{name}"
        if not NAME.fullmatch(name):
            raise UserError(f"--recipes: {where}: a name has letters, digits, '-', '_' and '.'")
        if not isinstance(values, dict):
            raise UserError(f"--recipes: {where} is not a table")
        if values.get("source") not in sources:
            raise UserError(f"--recipes: {where}: there is no table [source.{values.get('source')}]")
        recipes[name] = _create(Recipe, {**values, "name": name, "source": sources[values["source"]]}, where)
        _check_items(recipes[name], f"--recipes: {where}")
    return recipes


def choose_recipes(recipes: dict[str, Recipe], names: list[str]) -> list[Recipe]:
    """Returns the recipes with these names or fnmatch patterns. Raises `UserError` for a name that is unknown."""
    chosen: dict[str, Recipe] = {}
    for name in names:
        matches = fnmatch.filter(recipes, name)
        if not matches:
            near = difflib.get_close_matches(name, recipes, n=3, cutoff=0.4) or list(recipes)[:3]
            hint = f"did you mean {' or '.join(near)}?" if near else "the file holds none"
            raise UserError(f"unknown recipe '{name}'; {hint}")
        chosen |= {match: recipes[match] for match in matches}
    return list(chosen.values())


def _check_source(source: Source, where: str) -> None:
    """Raises `UserError` unless a source that is a file says where it is, what it holds and how it is named."""
    if not source.file:
        return
    for name in ("address", "sha256", "product"):
        if not getattr(source, name):
            raise UserError(f"{where} has a file, and needs {name} too")
    if not re.fullmatch("[0-9a-f]{64}", source.sha256):
        raise UserError(f"{where}: sha256 must have 64 digits 0-9a-f, got {source.sha256[:70]!r}")
    if not NAME.fullmatch(source.product):
        raise UserError(f"{where}: product must be the name of a file without a folder, got {source.product!r}")


def _check_items(recipe: Recipe, where: str) -> None:
    """Raises `UserError` for items of a list or table that have the wrong type."""
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in recipe.limits.values()):
        raise UserError(f"{where}: limits must be numbers")
    if not all(isinstance(item, str) for item in (*recipe.sample, *recipe.stages)):
        raise UserError(f"{where}: sample and stages must be lists of strings")


def _create(cls: Any, values: Any, where: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if not isinstance(values, dict):
        raise UserError(f"--recipes: {where} is not a table")
    for name, value in values.items():
        if name not in fields:
            raise UserError(f"--recipes: {where} has no key '{name}'; its keys are {', '.join(fields)}")
        if not isinstance(value, FIELD_TYPES[fields[name].type]) or isinstance(value, bool):
            raise UserError(f"--recipes: {where}: {name} has the wrong type: {str(value)[:60]!r}")
    required = [n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING]
    missing = [name for name in required if name not in values]
    if missing:
        raise UserError(f"--recipes: {where} lacks {', '.join(missing)}")
    return cls(**values)
