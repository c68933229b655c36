"""Counts and times of requests, as Prometheus reads them."""

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MEDIA_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The metrics of one server.

    Args:
        waiting: returns the number of requests that are being answered.
        calls: returns the number of calls of signatures.

    Attributes:
        requests: a counter by model, signature and status.
        seconds: a histogram of the time to answer, by model.
    """

    def __init__(self, waiting: Callable[[], int], calls: Callable[[], int]):
        self._registry = registry = CollectorRegistry()
        labels = ("model", "signature", "status")
        self.requests = Counter("rnnzoo_requests", "Requests to signatures", labels, registry=registry)
        self.seconds = Histogram("rnnzoo_request_seconds", "Time to answer a request", ("model",), registry=registry)
        Gauge("rnnzoo_requests_waiting", "Requests being answered", registry=registry).set_function(waiting)
        total = Gauge("rnnzoo_calls", "Calls of signatures, each for one or more requests", registry=registry)
        total.set_function(calls)

    def text(self) -> bytes:
        """Returns the metrics in the text format."""
        return generate_latest(self._registry)
