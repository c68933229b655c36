"""Calls in a thread of their own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def run_in_new_thread(function: Callable, *arguments: Any) -> Any:
    """Calls a function in a thread that has none of the graphs and tapes of this one, and returns its result."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()
