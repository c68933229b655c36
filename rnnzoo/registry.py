"""A registry of named entries, and the four registries of the package."""

import difflib
import fnmatch
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import keras

from rnnzoo.errors import UserError

T = TypeVar("T", bound=Callable[..., Any])


class Registry(Generic[T]):
    """Maps explicit names to functions or classes.

    A name can be registered once; looking up an unknown name raises a `UserError` with the nearest names. Registered
    Keras classes can be loaded from `.keras` files without `custom_objects`.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, T] = {}
        self._listeners: list[Callable[[str, T], None]] = []

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: `@MODELS.register("name")`. Raises `UserError` for a name that is registered already."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise UserError(f"{self.kind} '{name}' is already registered by {_owner(self._entries[name])}")
            if isinstance(entry, type) and issubclass(entry, keras.layers.Layer):
                keras.saving.register_keras_serializable(package="rnnzoo")(entry)
            self._entries[name] = entry
            for listener in self._listeners:
                listener(name, entry)
            return entry

        return add

    def add_listener(self, listener: Callable[[str, T], None]) -> None:
        """Calls `listener(name, entry)` for every entry, now and for entries registered later."""
        self._listeners.append(listener)
        for name, entry in self._entries.items():
            listener(name, entry)

    def list(self, pattern: str = "*") -> list[str]:
        """Returns the names that match an fnmatch pattern, sorted."""
        return sorted(fnmatch.filter(self._entries, pattern))

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            near = difflib.get_close_matches(name.lower(), self._entries, n=3, cutoff=0.4) or self.list()
            raise UserError(f"unknown {self.kind} '{name}'; did you mean {' or '.join(near)}?")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.list())


def _owner(entry: Any) -> str:
    return f"{entry.__module__}.{getattr(entry, '__qualname__', repr(entry))}"


CELLS: Registry = Registry("cell")
COMPOSITIONS: Registry = Registry("composition")
MODELS: Registry = Registry("model")
TASKS: Registry = Registry("task")
