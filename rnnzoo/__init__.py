"""rnnzoo: recurrent neural networks as Keras layers that train fast, resume exactly and export."""

import importlib.util
from typing import TYPE_CHECKING, Any

from rnnzoo.utils import startup

__version__ = "0.4.0"

if TYPE_CHECKING or not startup.is_command():
    from rnnzoo.api import *  # noqa: F403
    from rnnzoo.api import __all__ as __all__
else:  # a command imports what it needs when it needs it
    if startup.module_name() == "rnnzoo.inspect":  # a package, which Python imports before it runs its command
        with startup.suppress_notices():
            import rnnzoo.api  # noqa: F401

    def __getattr__(name: str) -> Any:
        if name.startswith("_") or importlib.util.find_spec(f"{__name__}.{name}"):  # modules are imported as such
            raise AttributeError(f"module 'rnnzoo' has no attribute {name!r}")
        from rnnzoo import api

        return getattr(api, name)
