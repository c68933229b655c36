"""Errors of requests."""


class RequestError(Exception):
    """An error that a client is told: an HTTP status and a message."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
