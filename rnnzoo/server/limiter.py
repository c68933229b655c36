"""Runs requests within the limits of the server, and counts them."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rnnzoo.server.errors import RequestError
from rnnzoo.server.limits import ServeOptions
from rnnzoo.server.metrics import Metrics

RETRY_AFTER = {"Retry-After": "1"}
Label = Callable[[str], None]  # names what is counted


class RequestLimiter:
    """The threads and the waiting room of a server.

    Args:
        options: the limits.
        calls: returns the number of calls of signatures.

    Attributes:
        metrics: counts and times of the requests.
    """

    def __init__(self, options: ServeOptions, calls: Callable[[], int]):
        self._options = options
        self._threads = anyio.CapacityLimiter(options.threads or os.cpu_count() or 1)
        self._waiting = 0
        self.metrics = Metrics(lambda: self._waiting, calls)

    async def run(self, name: str, answer: Callable[[Label], Awaitable[Response]]) -> Response:
        """Awaits an answer that takes time. Raises `RequestError` if too many are awaited, or it takes too long."""
        if self._waiting >= self._options.max_waiting:
            self.metrics.requests.labels(name, "", 503).inc()
            message = f"{self._waiting} requests are waiting, and the limit is {self._options.max_waiting}"
            raise RequestError(503, message, RETRY_AFTER)
        self._waiting += 1
        labels, status = [""], 200
        try:
            with self.metrics.seconds.labels(name).time(), anyio.fail_after(self._options.timeout):
                return await answer(labels.append)
        except TimeoutError:
            status = 504
            raise RequestError(504, f"the request took longer than {self._options.timeout:g} s") from None
        except RequestError as error:
            status = error.status
            raise
        except ClientDisconnect:
            status = 499
            return Response(status_code=400)
        finally:
            self._waiting -= 1
            self.metrics.requests.labels(name, labels[-1], status).inc()

    async def in_thread(self, function: Callable, *arguments: Any) -> Any:
        """Awaits the result of a function that runs in a thread."""
        return await anyio.to_thread.run_sync(function, *arguments, abandon_on_cancel=True, limiter=self._threads)

    async def read(self, request: Request) -> bytes:
        """Returns the body of a request. Raises `RequestError` if it is too large."""
        limit, parts, size = self._options.max_body, [], 0
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise RequestError(413, f"the request has more than {limit:,} bytes, which is the limit")
            parts.append(part)
        return b"".join(parts)
