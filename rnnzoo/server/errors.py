"""Errors of requests."""


class RequestError(Exception):
    """An error that a client is told: an HTTP status, a message and headers."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.headers = status, headers
