"""rnnzoo: recurrent neural networks as Keras layers that train fast, resume exactly and export."""

import importlib.util
from typing import TYPE_CHECKING, Any

from rnnzoo.utils import startup

__version__ = "0.4.0"

if TYPE_CHECKING or not startup.is_command():
    from rnnzoo.api import *  # noqa: F403
    from rnnzoo.api import __all__ as __all__
else:  # commands import modules lazily, for a fast start
    if startup.module_name() == "rnnzoo.inspect":  # Python imports this package before it runs its __main__
        with startup.suppress_import_messages():
            import rnnzoo.api  # noqa: F401

    def __getattr__(name: str) -> Any:
        if name.startswith("_") or importlib.util.find_spec(f"{__name__}.{name}"):  # left to the import system
            raise AttributeError(f"module 'rnnzoo' has no attribute {name!r}")
        from rnnzoo import api

        return getattr(api, name)
