"""Runs the server until it is stopped."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn

from rnnzoo.errors import UserError
from rnnzoo.server.app import LOOPBACK, Server
from rnnzoo.server.limits import ServeOptions
from rnnzoo.server.served_model import ServedModel

MAX_CONNECTIONS = 1024
IDLE_SECONDS = 5  # after which a connection without requests is closed
BACKLOG = 512


def run(paths: list[str], options: ServeOptions) -> int:
    """Loads the models and serves them.

    Raises:
        UserError: a model cannot be loaded, two have the same name, or the port is taken.
    """
    models = [ServedModel(path, options.trust) for path in paths]
    names = [model.name for model in models]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two models have the name {twice[0]}: rename one of their folders")
    listener = _listen(options)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    if options.host not in LOOPBACK:
        print("warning: other machines can ask this server, which has no passwords", flush=True)
    for name in names:
        print(f"http://{shown}:{port}/v1/models/{name}", flush=True)
    config = uvicorn.Config(
        Server(models, options).app(),
        log_level="error",  # no line for each thing that strangers send
        access_log=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=IDLE_SECONDS,
        server_header=False,
    )
    _Server(config).run(sockets=[listener])
    return 0


class _Server(uvicorn.Server):
    """A server that ends normally after Ctrl-C and SIGTERM, when it has answered the requests that it had."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def _listen(options: ServeOptions) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        listener = socket.create_server((options.host, options.port), family=family, backlog=BACKLOG)
        # connections inherit it; asyncio sets it only on sockets of its own, and without it each answer takes 40 ms
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise UserError(f"cannot listen on {options.host}, port {options.port}: {error.strerror or error}") from None
