"""Whether a layer is run by native kernels or compiled by XLA."""

from typing import Any

from rnnzoo.engine import native
from rnnzoo.engine.modes import is_called_by_function


class EngineChoice:
    """Base class of layers that native kernels can run."""

    cell: Any
    truncate: int | None
    _supports_jit = True

    @property
    def runs_natively(self) -> bool:
        """Whether a native kernel runs the layer in the plain graph."""
        return self.truncate is None and native.serves(self.cell)

    @property
    def supports_jit(self) -> bool:
        """Whether Keras compiles the layer with XLA by default; `jit_compile=True` always does."""
        by_default = is_called_by_function("_resolve_auto_jit_compile")
        return self._supports_jit and not (by_default and self.runs_natively)

    @supports_jit.setter
    def supports_jit(self, value: bool) -> None:
        self._supports_jit = value
