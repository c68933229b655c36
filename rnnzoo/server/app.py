"""The web application: requests to signatures of SavedModels, answered in threads beside each other."""

import json
import re
from collections.abc import Awaitable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rnnzoo.server.batcher import Batcher
from rnnzoo.server.errors import RequestError
from rnnzoo.server.explorer import HEADERS, Explorer
from rnnzoo.server.limiter import Label, RequestLimiter
from rnnzoo.server.limits import ServeOptions, check_limits
from rnnzoo.server.metrics import MEDIA_TYPE
from rnnzoo.server.served_model import DEFAULT, VERSION, ServedModel
from rnnzoo.server.tensors import Arrays, format_outputs, parse_inputs

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/([^/:]+))?(/metadata|:predict|:classify|:regress)?")


class Server:
    """Answers requests to models.

    Args:
        models: the models, of different names.
        options: the limits.
    """

    def __init__(self, models: Sequence[ServedModel], options: ServeOptions):
        self.models = {model.name: model for model in models}
        self.options = options
        self._batcher = Batcher()
        self._explorer = Explorer(models, options)
        self._limiter = RequestLimiter(options, lambda: sum(model.calls for model in self.models.values()))

    def app(self) -> Starlette:
        """Returns the web application."""
        routes = [
            Route("/healthz", self._health),
            Route("/metrics", self._serve_metrics),
            Route("/", self._page),
            Route("/page/models", self._models),
            Route("/page/models/{name}", self._describe),
            Route("/page/models/{name}/walk", self._walk, methods=["POST"]),
            Route("/page/{file:path}", self._page),
            Route("/{path:path}", self._rest, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
        ]
        # a page of another site must not ask a server of this machine by a name that it made point here
        is_local = self.options.host in LOOPBACK
        hosts = [*LOOPBACK, "[::1]"] if is_local else ["*"]
        return Starlette(
            routes=routes,
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
            exception_handlers={RequestError: _error_response},
        )

    async def _health(self, request: Request) -> Response:
        return _json({"status": "ok", "models": list(self.models)})

    async def _serve_metrics(self, request: Request) -> Response:
        return Response(self._limiter.metrics.text(), media_type=MEDIA_TYPE)

    async def _page(self, request: Request) -> Response:
        content, media_type = self._explorer.file(request.path_params.get("file", "index.html"))
        return Response(content, headers=HEADERS, media_type=media_type)

    async def _models(self, request: Request) -> Response:
        return _json({"models": self._explorer.names()})

    async def _describe(self, request: Request) -> Response:
        name = request.path_params["name"]

        async def answer(label: Label) -> Response:
            label("describe")
            return _json(await self._limiter.in_thread(self._explorer.describe, name))

        return await self._limiter.run(name if name in self.models else "", answer)

    async def _walk(self, request: Request) -> Response:
        name = request.path_params["name"]

        async def answer(label: Label) -> Response:
            label("walk")
            body = await self._limiter.read(request)
            values = await self._limiter.in_thread(self._explorer.walk, name, body)
            return Response(await self._limiter.in_thread(_to_bytes, values), media_type="application/json")

        return await self._limiter.run(name if name in self.models else "", answer)

    async def _rest(self, request: Request) -> Response:
        match = PATH.fullmatch(request.url.path)
        if match is None:
            raise RequestError(404, f"Malformed request: {request.method} {request.url.path[:200]}")
        name, version, action = match.groups()
        model = self._find(name, version)
        if request.method == "GET" and action in (None, "/metadata"):
            return _json(model.metadata() if action else model.status())
        if request.method != "POST" or action != ":predict":
            raise RequestError(400, f"Malformed request: {request.method} {request.url.path[:200]}")
        return await self._predict(model, request)

    def _find(self, name: str, version: str | None) -> ServedModel:
        if name not in self.models or version not in (None, VERSION):
            which = f"Specific({name[:100]}, {version[:20]})" if version else f"Latest({name[:100]})"
            raise RequestError(404, f"Servable not found for request: {which}")
        return self.models[name]

    async def _predict(self, model: ServedModel, request: Request) -> Response:
        async def answer(label: Label) -> Response:
            body = await self._limiter.read(request)
            signature, arrays, by_rows = await self._limiter.in_thread(self._parse, model, body)
            label(signature)
            outputs = await self._call(model, signature, arrays)
            return Response(await self._limiter.in_thread(_encode, outputs, by_rows), media_type="application/json")

        return await self._limiter.run(model.name, answer)

    def _parse(self, model: ServedModel, body: bytes) -> tuple[str, Arrays, bool]:
        try:
            values = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RequestError(400, f"JSON Parse error: {str(error)[:200]}") from None
        signature = (values.get("signature_name") if isinstance(values, dict) else None) or DEFAULT
        if not isinstance(signature, str):
            raise RequestError(400, "JSON Value: 'signature_name' must be a string")
        arrays, by_rows = parse_inputs(values, model.inputs(signature))
        check_limits(arrays, self.options)
        return signature, arrays, by_rows

    async def _call(self, model: ServedModel, signature: str, arrays: Arrays) -> Arrays:
        def call(joined: Arrays) -> Awaitable[Arrays]:
            return self._limiter.in_thread(model.predict, signature, joined)

        if not arrays or not model.can_join(signature) or len({len(array) for array in arrays.values()}) != 1:
            return await call(arrays)
        key = model.name, signature, tuple(array.shape[1:] for array in arrays.values())
        return await self._batcher.run(key, arrays, call)


def _encode(outputs: Arrays, by_rows: bool) -> bytes:
    return _to_bytes(format_outputs(outputs, by_rows))


def _to_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace")


async def _error_response(request: Request, error: Any) -> Response:
    return _json({"error": str(error)}, error.status, error.headers)


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(value, ensure_ascii=False, indent=1).encode(errors="backslashreplace")
    return Response(text, status, headers, media_type="application/json")
