"""Configuration of Keras objects from the signature of their constructor, stated once."""

import inspect
from typing import Any

import keras

_PLAIN = (str, int, float, bool, type(None))


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


def signature_of(named: dict[str, inspect.Parameter]) -> inspect.Signature:
    """A signature that lists those parameters, positional ones first, and takes Keras's too."""
    ordered = sorted(named.values(), key=lambda p: (p.kind, p.default is not p.empty))
    return inspect.Signature([*ordered, inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)])


class SignatureConfig:
    """Mixin before a Keras class: `get_config` and `from_config` follow from `__init__`.

    The arguments are remembered as they were given; objects among them (a regularizer, an
    initializer, a layer) are serialised by Keras, so a subclass writes no configuration code.
    """

    _arguments: dict[str, Any]
    __signature__: inspect.Signature

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.__signature__ = signature_of(parameters(cls))

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
        own = {
            name: value if isinstance(value, _PLAIN) else keras.saving.serialize_keras_object(value)
            for name, value in self._arguments.items()
        }
        return {**keras.layers.Layer.get_config(self), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None):
        return cls(**{name: _restore(value, custom_objects) for name, value in config.items()})


def _restore(value: Any, custom_objects: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_restore(item, custom_objects) for item in value]
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
    return value
