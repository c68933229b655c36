"""Configuration of Keras objects, derived from the signatures of their constructors."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from rnnzoo.renames import RENAMED, apply_renames


def register_renamed_classes() -> None:
    """Registers the classes of this package also under their names in earlier versions, for Keras to find them."""
    known = keras.saving.get_custom_objects()
    for old, new in RENAMED["class"].items():
        known[f"rnnzoo>{old}"] = known[f"rnnzoo>{new}"]


_PLAIN = (str, int, float, bool, type(None))
KERAS_ONLY = ("activity_regularizer", "use_cudnn")  # arguments of Keras's recurrent layers that no cell has


def constructor_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Returns the named parameters of a constructor, including those passed on through `**kwargs`.

    A constructor with a `__signature__` of its own lists all of them. The search stops at Keras's own classes, which
    handle `name`, `dtype` and `trainable`.
    """
    named: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] == "keras":
            break
        if "__init__" not in vars(base):
            continue
        own = list(inspect.signature(base.__init__).parameters.values())[1:]
        for parameter in own:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                named.setdefault(parameter.name, parameter)
        whole = hasattr(base.__init__, "__signature__")
        if whole or not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
            break
    return named


def create_signature(named: dict[str, inspect.Parameter], like: type | None = None) -> inspect.Signature:
    """Creates a signature of the given parameters and `**kwargs`.

    Args:
        named: the parameters.
        like: a class whose parameters can be passed by position, in its order.
    """
    order = positional_parameters(like) if like is not None else {}
    order = {name: p for name, p in order.items() if name in named or name in KERAS_ONLY}
    for name, parameter in order.items():
        order[name] = named.get(name, parameter).replace(kind=parameter.POSITIONAL_OR_KEYWORD)
    if like is not None:
        rest = [p.replace(kind=p.KEYWORD_ONLY) for name, p in named.items() if name not in order]
        named = {**order, **{p.name: p for p in rest}}
    ordered = sorted(named.values(), key=lambda p: (p.kind, p.default is not p.empty))
    return inspect.Signature([*ordered, inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)])


def positional_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Returns the parameters that a constructor takes by position, in their order."""
    own = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    return {p.name: p for p in own if p.kind is p.POSITIONAL_OR_KEYWORD}


def accept_positional(like: type) -> Callable[[type], type]:
    """Class decorator: the constructor accepts positional arguments in the order of the class `like`."""

    def decorate(cls: type) -> type:
        init: Any = cls.__init__  # type: ignore[misc]
        signature = create_signature(constructor_parameters(cls), like)

        def __init__(self, *args, **kwargs):
            arguments = signature.bind(*args, **kwargs).arguments
            arguments.update(arguments.pop("kwargs", {}))
            init(self, **arguments)

        set_constructor(cls, __init__, signature)
        return cls

    return decorate


def set_constructor(cls: Any, init: Callable, signature: inspect.Signature) -> None:
    """Sets the constructor of a class and its signature."""
    receiver = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    whole = signature.replace(parameters=[receiver, *signature.parameters.values()])
    init.__signature__ = whole  # type: ignore[attr-defined]
    cls.__init__ = init


class ConstructorSignature:
    """Descriptor of the constructor's signature, for `inspect.signature(cls)` and `help`."""

    def __get__(self, instance: Any, owner: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("an instance has the signature of its __call__")
        return create_signature(constructor_parameters(owner))


class SignatureConfig:
    """Mixin before a Keras class that derives `get_config` and `from_config` from `__init__`.

    The arguments are stored as given; objects among them (a regularizer, an initializer, a layer) are serialized by
    Keras, so that a subclass needs no configuration code.
    """

    _arguments: dict[str, Any]
    __signature__ = ConstructorSignature()

    def __new__(cls, *args, **kwargs):
        instance = super().__new__(cls, *args, **kwargs)
        known = constructor_parameters(cls)
        positional = [name for name, p in known.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
        given = {**dict(zip(positional, args, strict=False)), **kwargs}
        own = inspect.signature(cls.__init__).parameters.values()
        defaults = {p.name: p.default for p in own if p.default is not p.empty}
        # parameters of base classes are stored only if given: a subclass may set the others itself
        arguments = {name: given.get(name, defaults.get(name)) for name in known if name in given or name in defaults}
        # without Keras's __setattr__, which would track a layer among the arguments twice
        object.__setattr__(instance, "_arguments", arguments)
        return instance

    def get_config(self) -> dict[str, Any]:
        own = {name: _serialize(value) for name, value in self._arguments.items()}
        return {**keras.layers.Layer.get_config(self), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None):
        config = apply_renames("argument", config)
        return cls(**{name: _deserialize(value, custom_objects) for name, value in config.items()})


TUPLE = "__tuple__"  # in place of a class name, as JSON has lists only
DICTIONARY = "__dict__"  # for dictionaries with keys that are not strings


def _serialize(value: Any) -> Any:
    """Converts an argument to JSON; the contents of lists, tuples and dictionaries keep their type."""
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


def _deserialize(value: Any, custom_objects: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_deserialize(item, custom_objects) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == TUPLE and "items" in value:
        return tuple(_deserialize(item, custom_objects) for item in value["items"])
    if value.get("class_name") == DICTIONARY and "items" in value:
        pairs = ([_deserialize(part, custom_objects) for part in pair] for pair in value["items"])
        return dict(pairs)
    if "class_name" in value and "config" in value:
        return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
    return {key: _deserialize(item, custom_objects) for key, item in value.items()}
