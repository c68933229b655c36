"""The meeting of the processes of a run, before TensorFlow connects them."""

import socket
import time
from collections.abc import Callable

from rnnzoo.errors import RunError, UserError, first_line

BACKLOG = 1024  # connections of other processes
INTERVAL = 0.2  # seconds between attempts to reach them


def wait_for_all(addresses: list[str], worker: int, timeout: int, stop: Callable[[], bool]) -> None:
    """Waits until all processes listen at their addresses. Raises `RunError` if some do not come.

    TensorFlow, which waits without end and cannot be interrupted, is called only then.
    """
    missing, deadline = {i: address for i, address in enumerate(addresses) if i != worker}, time.monotonic() + timeout
    with _listen(addresses[worker]):
        while missing:
            missing = {i: address for i, address in missing.items() if not answers(address)}
            if missing and time.monotonic() > deadline:
                who = " and ".join(f"worker {i} at {address}" for i, address in missing.items())
                raise RunError(f"waited {timeout} s (--worker_timeout) for {who}")
            if stop():
                raise KeyboardInterrupt
            time.sleep(INTERVAL if missing else 0)


def _listen(address: str) -> socket.socket:
    """Listens at the port of an address. Raises `UserError` if another program does."""
    port = address.rpartition(":")[2]
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
        return socket.create_server(("", int(port)), backlog=BACKLOG)
    except (OSError, ValueError) as error:
        raise UserError(f"this worker cannot listen at its address {address}: {first_line(error)}") from None


def answers(address: str) -> bool:
    """Returns whether a program listens at an address."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2):
            return True
    except (OSError, ValueError):
        return False
