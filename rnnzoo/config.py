"""Options: fields of frozen dataclasses, from which flags, checks and JSON are derived."""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from absl import flags

from rnnzoo.errors import UserError

MAX_INT = 2**63 - 1
MAX_FLOAT = 3e38  # of float32
AutoBool = bool | Literal["auto"]  # of an option that is True, False, or decided by the program
Size = Literal["batch", "time", "units", "layers", "examples"]


def option(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    choices: Iterable[str] | None = None,
    size: Size | None = None,
) -> Any:
    """Creates a field of an options dataclass.

    Args:
        default: the default value.
        help: one line of help.
        minimum: inclusive lower bound.
        maximum: inclusive upper bound.
        below: exclusive upper bound.
        choices: the possible values.
        size: kind of size, for an option on which the memory of a run depends; see `rnnzoo.utils.memory`.
    """
    limits: dict[str, Any] = {"minimum": minimum, "maximum": maximum, "below": below, "size": size}
    limits["choices"] = tuple(choices) if choices else None
    return dataclasses.field(default=default, metadata={"help": help, **limits})


def options_class(entry: Any) -> type:
    """Returns the dataclass that a registered model or task takes as `options`."""
    target = entry.__init__ if isinstance(entry, type) else entry
    return typing.get_type_hints(target)["options"]


def option_type(field: dataclasses.Field) -> type:
    """Returns the type of a field without `| None` and `"auto"`: int, float, bool or str."""
    if field.type == AutoBool:
        return bool
    if isinstance(field.type, types.UnionType):
        return next(t for t in typing.get_args(field.type) if t is not types.NoneType)
    return typing.cast(type, field.type)


def create_options(cls: type, values: Mapping[str, Any], owner: str) -> Any:
    """Creates an options dataclass. Raises `UserError` for an unknown name or a value out of range."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for name, value in values.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(sorted(fields))}"
            raise UserError(f"{owner} has no option '{name}'; {hint}")
        check_option(fields[name], value)
    return cls(**values)


def check_option(field: dataclasses.Field, value: Any) -> None:
    """Raises `UserError` unless a value is valid for a field."""
    if value == "auto" and field.type == AutoBool:
        return
    if value is None and (field.default is None or isinstance(field.type, types.UnionType)):
        return
    expected, rule = option_type(field), field.metadata
    has_type = isinstance(value, expected) or (expected is float and isinstance(value, int))
    if not has_type or (isinstance(value, bool) and expected is not bool):
        kind = "auto, true or false" if field.type == AutoBool else f"of type {expected.__name__}"
        raise UserError(f"--{field.name} must be {kind}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"--{field.name} must be a finite number, got {value!r}")
    if value == "" and field.default != "":
        raise UserError(f"--{field.name} is empty; give a value, or leave it out")
    if isinstance(value, str):
        check_text(f"--{field.name}", value)
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise UserError(f"--{field.name} must be at most {MAX_INT}, got a number of {len(str(abs(value)))} digits")
    if isinstance(value, float) and abs(value) > MAX_FLOAT:
        raise UserError(f"--{field.name} must be at most {MAX_FLOAT:g}, got {value!r}")
    minimum, below, choices = rule.get("minimum"), rule.get("below"), rule.get("choices")
    if minimum is not None and value < minimum:
        raise UserError(f"--{field.name} must be at least {minimum}, got {value!r}")
    if (maximum := rule.get("maximum")) is not None and value > maximum:
        raise UserError(f"--{field.name} must be at most {maximum}, got {value!r}")
    if below is not None and value >= below:
        raise UserError(f"--{field.name} must be below {below}, got {value!r}")
    if choices and value not in choices:
        raise UserError(f"--{field.name} must be one of {', '.join(choices)}, got {value!r}")


def check_text(name: str, text: str) -> None:
    """Raises `UserError` for text with a NUL character, or that cannot be encoded as UTF-8."""
    if "\0" in text:
        raise UserError(f"{name} must not contain a NUL character, got {text!r}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(f"{name} must be valid UTF-8 text, got {text!r}") from None


def define_flags(options: Iterable[tuple[str, str, str]], values: flags.FlagValues) -> None:
    """Defines one absl flag for each `(name, type, help)`, with default None: the defaults are in the dataclasses."""
    define: dict[str, Any] = {
        "int": flags.DEFINE_integer,
        "float": flags.DEFINE_float,
        "bool": flags.DEFINE_boolean,
        "str": flags.DEFINE_string,
        "auto": _define_auto_bool,
    }
    for name, type_name, text in options:
        if name not in values:
            define[type_name](name, None, text, flag_values=values)


class _AutoBoolParser(flags.ArgumentParser):
    def parse(self, argument: Any) -> bool | str:
        values: dict[str, bool | str] = {"auto": "auto", "true": True, "1": True, "false": False, "0": False}
        if str(argument).lower() not in values:
            raise ValueError(f"must be auto, true or false, got {argument!r}")
        return values[str(argument).lower()]


def _define_auto_bool(name: str, default: None, help: str, flag_values: flags.FlagValues) -> None:
    flag: flags.Flag = flags.Flag(_AutoBoolParser(), flags.ArgumentSerializer(), name, default, help)
    flag.boolean = True  # so that --name and --noname are accepted
    flags.DEFINE_flag(flag, flag_values)


def format_default(value: Any) -> str:
    """Formats the default of an option for `--help`; empty for an option that is off."""
    return "" if value is None or value is False or value == "" else f" [{value}]"


def flag_type(field: dataclasses.Field) -> str:
    """Returns the name of the type of a flag: int, float, bool, str or auto."""
    return "auto" if field.type == AutoBool else option_type(field).__name__


def flag_definitions(cls: type) -> list[tuple[str, str, str]]:
    """Returns name, type and help of the options of a dataclass."""
    return [(f.name, flag_type(f), f.metadata["help"]) for f in dataclasses.fields(cls)]
