"""Configuration of Keras objects from the signature of their constructor, stated once."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

# Every name that files of earlier versions hold and that is another one now: {kind: {old: new}}. `.keras` files,
# checkpoints and the folders of runs are read by way of it; a rename is one line here and one in CHANGELOG.md.
RENAMED: dict[str, dict[str, str]] = {
    "class": {},  # registered layers, cells and models, without the package's name
    "argument": {},  # of their constructors
    "option": {},  # of models, tasks and training, as in `config.json` and in a model's recipe
    "value": {},  # names of models, tasks, cells, scores ... that are values of options
    "spec": {},  # fields of `TaskSpec`
}


def apply_renames(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Renames the keys of a configuration from an earlier version; of options, the values too."""
    names = RENAMED[kind]
    values = {names.get(name, name): value for name, value in values.items()}
    return {name: apply_value_rename(value) for name, value in values.items()} if kind == "option" else values


def apply_value_rename(value: Any) -> Any:
    """Renames the value of an option from an earlier version."""
    return RENAMED["value"].get(value, value) if isinstance(value, str) else value


def register_renamed_classes() -> None:
    """Registers the classes of this package under their names in earlier versions too, so that Keras finds them."""
    known = keras.saving.get_custom_objects()
    for old, new in RENAMED["class"].items():
        known[f"rnnzoo>{old}"] = known[f"rnnzoo>{new}"]


_PLAIN = (str, int, float, bool, type(None))
OF_KERAS = ("activity_regularizer", "use_cudnn")  # arguments of Keras's recurrent layers that no cell has


def parameters(cls: type) -> dict[str, inspect.Parameter]:
    """The named parameters of a constructor, those it passes on through `**kwargs` included.

    A constructor with a `__signature__` of its own lists them all already. Stops at
    Keras's own classes: their `name`, `dtype` and `trainable` are Keras's business.
    """
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] == "keras":
            break
        if "__init__" not in vars(base):
            continue
        own = list(inspect.signature(base.__init__).parameters.values())[1:]
        for parameter in own:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                found.setdefault(parameter.name, parameter)
        whole = hasattr(base.__init__, "__signature__")
        if whole or not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
            break
    return found


def signature_of(named: dict[str, inspect.Parameter], like: type | None = None) -> inspect.Signature:
    """A signature that lists those parameters and takes Keras's too.

    The positional ones come first; `like` is a class whose parameters are taken by position, in its order.
    """
    order = positional_parameters(like) if like is not None else {}
    order = {name: p for name, p in order.items() if name in named or name in OF_KERAS}
    for name, parameter in order.items():
        order[name] = named.get(name, parameter).replace(kind=parameter.POSITIONAL_OR_KEYWORD)
    if like is not None:
        rest = [p.replace(kind=p.KEYWORD_ONLY) for name, p in named.items() if name not in order]
        named = {**order, **{p.name: p for p in rest}}
    ordered = sorted(named.values(), key=lambda p: (p.kind, p.default is not p.empty))
    return inspect.Signature([*ordered, inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)])


def positional_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """The parameters that a constructor takes by position, in their order."""
    found = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    return {p.name: p for p in found if p.kind is p.POSITIONAL_OR_KEYWORD}


def accept_positional(like: type) -> Callable[[type], type]:
    """Class decorator: the constructor accepts positional arguments in the order of the class `like`."""

    def decorate(cls: type) -> type:
        init: Any = cls.__init__  # type: ignore[misc]
        signature = signature_of(parameters(cls), like)

        def __init__(self, *args, **kwargs):
            given = signature.bind(*args, **kwargs).arguments
            given.update(given.pop("kwargs", {}))
            init(self, **given)

        set_constructor(cls, __init__, signature)
        return cls

    return decorate


def set_constructor(cls: Any, init: Callable, signature: inspect.Signature) -> None:
    """Sets the constructor of a class, with this signature."""
    receiver = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    whole = signature.replace(parameters=[receiver, *signature.parameters.values()])
    init.__signature__ = whole  # type: ignore[attr-defined]
    cls.__init__ = init


class ConstructorSignature:
    """The signature of a class, for `inspect.signature(cls)` and `help`; an instance is called by its `__call__`."""

    def __get__(self, instance: Any, owner: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("an instance has the signature of its __call__")
        return signature_of(parameters(owner))


class SignatureConfig:
    """Mixin before a Keras class: `get_config` and `from_config` follow from `__init__`.

    The arguments are remembered as they were given; objects among them (a regularizer, an
    initializer, a layer) are serialised by Keras, so a subclass writes no configuration code.
    """

    _arguments: dict[str, Any]
    __signature__ = ConstructorSignature()

    def __new__(cls, *args, **kwargs):
        instance = super().__new__(cls, *args, **kwargs)
        known = parameters(cls)
        positional = [name for name, p in known.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
        given = {**dict(zip(positional, args, strict=False)), **kwargs}
        own = inspect.signature(cls.__init__).parameters.values()
        defaults = {p.name: p.default for p in own if p.default is not p.empty}
        # of the parameters of base classes only what was given: a subclass may have its own idea of the rest
        arguments = {name: given.get(name, defaults.get(name)) for name in known if name in given or name in defaults}
        # past Keras's __setattr__, which would track a layer among the arguments twice
        object.__setattr__(instance, "_arguments", arguments)
        return instance

    def get_config(self) -> dict[str, Any]:
        own = {name: _serialize(value) for name, value in self._arguments.items()}
        return {**keras.layers.Layer.get_config(self), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None):
        config = apply_renames("argument", config)
        return cls(**{name: _restore(value, custom_objects) for name, value in config.items()})


TUPLE = "__tuple__"  # in place of a class name: JSON knows lists only
DICTIONARY = "__dict__"  # and of dictionaries, those whose keys are strings


def _serialize(value: Any) -> Any:
    """An argument as JSON can hold it; what is in lists, tuples and dictionaries keeps its kind and place."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, tuple):
        return {"class_name": TUPLE, "items": [_serialize(item) for item in value]}
    if isinstance(value, list):
        return [_serialize(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value) and "class_name" not in value:
        return {key: _serialize(item) for key, item in value.items()}
    if isinstance(value, dict):
        items = [[_serialize(key), _serialize(item)] for key, item in value.items()]
        return {"class_name": DICTIONARY, "items": items}
    return keras.saving.serialize_keras_object(value)


def _restore(value: Any, custom_objects: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_restore(item, custom_objects) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == TUPLE and "items" in value:
        return tuple(_restore(item, custom_objects) for item in value["items"])
    if value.get("class_name") == DICTIONARY and "items" in value:
        pairs = ([_restore(part, custom_objects) for part in pair] for pair in value["items"])
        return dict(pairs)
    if "class_name" in value and "config" in value:
        return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
    return {key: _restore(item, custom_objects) for key, item in value.items()}
