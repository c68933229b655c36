"""Limits of what a client may ask for."""

import dataclasses
from typing import Any

from rnnzoo.config import option
from rnnzoo.server.errors import RequestError

GENERATED, BEAMS = "length", "beam_size"  # inputs on which the time of a call depends


@dataclasses.dataclass(frozen=True)
class ServeOptions:
    """Options of the server."""

    port: int = option(8501, "port; 0: a free one", minimum=0, maximum=65535)
    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0: all, so that other machines can ask")
    max_body: int = option(4 * 2**20, "bytes of a request", minimum=100)
    max_batch: int = option(256, "rows of a request", minimum=1)
    max_length: int = option(20_000, "bytes of a text, and values along any other axis", minimum=1)
    max_values: int = option(1_000_000, "numbers or bytes of all inputs together", minimum=1)
    max_generated: int = option(2000, "symbols that a request may generate in a row", minimum=1)
    max_beam: int = option(32, "width of a beam search", minimum=1)
    max_steps: int = option(200, "time steps, or nodes of a tree, that the page shows", minimum=1, maximum=2000)
    max_waiting: int = option(256, "requests that are answered or wait at the same time; others are refused", minimum=1)
    timeout: float = option(30.0, "seconds until a request is answered or refused", minimum=0.1, maximum=3600)
    threads: int | None = option(None, "calls that run beside each other; default: one for each core", minimum=1)
    trust: bool = option(False, "load SavedModels of other packages too, which can run any operation")


def check_limits(arrays: dict[str, Any], options: ServeOptions) -> None:
    """Raises `RequestError` if inputs are larger than the options allow."""
    total = 0
    for name, array in arrays.items():
        is_text = array.dtype == object
        rows, lengths = (array.shape[0] if array.ndim else 1), array.shape[1:]
        sizes = [len(value) for value in array.ravel().tolist()] if is_text else []
        total += sum(sizes) + array.size
        if rows > options.max_batch:
            raise RequestError(400, f"input '{name}' has {rows:,} rows, and the limit is {options.max_batch:,}")
        longest = max([*lengths, *sizes], default=0)
        if longest > options.max_length:
            raise RequestError(
                400, f"input '{name}' has a length of {longest:,}, and the limit is {options.max_length:,}"
            )
        _check_number(name, array, GENERATED, options.max_generated)
        _check_number(name, array, BEAMS, options.max_beam)
    if total > options.max_values:
        raise RequestError(400, f"the inputs have {total:,} values, and the limit is {options.max_values:,}")


def _check_number(name: str, array: Any, limited: str, limit: int) -> None:
    if name == limited and array.dtype != object and array.size and array.max() > limit:
        raise RequestError(400, f"input '{name}' is {array.max():,}, and the limit is {limit:,}")
