"""The page at `/`: its files, and what it asks for: the models, and walks through a line."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnzoo.errors import UserError
from rnnzoo.inference.trained_model import load_trained_model
from rnnzoo.server.errors import RequestError
from rnnzoo.server.limits import ServeOptions
from rnnzoo.server.served_model import ServedModel
from rnnzoo.walkthrough import describe_model, walk

FOLDER = Path(__file__).with_name("page")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
MAX_UNITS = 32  # asked for in one request
# nothing from elsewhere is loaded, run or asked, and no other page can frame this one
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Explorer:
    """The models as Keras models, rebuilt from their exports when they are first asked for.

    Args:
        models: the models that are served.
        options: the limits.
    """

    def __init__(self, models: Sequence[ServedModel], options: ServeOptions):
        self._folders = {model.name: model.folder for model in models}
        self._options = options
        self._locks = {name: threading.Lock() for name in self._folders}
        self._loaded: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._files = {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*") if path.suffix in TYPES}

    def file(self, name: str) -> tuple[bytes, str]:
        """Returns a file of the page and its type. Raises `RequestError` if there is none."""
        path = self._files.get(name)
        if path is None:
            raise RequestError(404, f"there is no page {name[:100]}")
        return path.read_bytes(), TYPES[path.suffix]

    def names(self) -> list[str]:
        """Returns the names of the models."""
        return list(self._folders)

    def describe(self, name: str) -> dict[str, Any]:
        """Describes a model; one of another package can only be asked over REST. Raises `RequestError`."""
        return describe_model(*self._load(name), self._options.max_steps)

    def walk(self, name: str, body: bytes) -> dict[str, Any]:
        """Answers `{"line": text, "units": [numbers], "beams": number}`. Raises `RequestError`."""
        line, units, beams = self._parse(body)
        model, _ = self._load(name)
        try:
            with self._locks[name]:
                return walk(model, line, units=units, beams=beams, max_steps=self._options.max_steps)
        except UserError as error:
            raise RequestError(400, str(error)) from None

    def _load(self, name: str) -> tuple[Any, dict[str, Any]]:
        if name not in self._folders:
            raise RequestError(404, f"there is no model {name[:100]}")
        with self._locks[name]:
            if name not in self._loaded:
                try:
                    self._loaded[name] = load_trained_model(self._folders[name])
                except UserError as error:
                    raise RequestError(400, f"this model can only be asked over REST: {error}") from None
            return self._loaded[name]

    def _parse(self, body: bytes) -> tuple[str, list[int], int]:
        try:
            values = json.loads(body)
            line, units, beams = values["line"], values.get("units", []), values.get("beams", 1)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            raise RequestError(400, "expected a JSON object with a 'line'") from None
        if not isinstance(line, str) or not isinstance(units, list) or len(units) > MAX_UNITS:
            raise RequestError(400, f"'line' must be a string, and 'units' a list of at most {MAX_UNITS} numbers")
        if not all(isinstance(number, int) and not isinstance(number, bool) for number in (*units, beams)):
            raise RequestError(400, "'units' and 'beams' must be whole numbers")
        if not 1 <= beams <= self._options.max_beam:
            raise RequestError(400, f"'beams' must be from 1 to {self._options.max_beam}")
        if len(line) > self._options.max_length:
            raise RequestError(400, f"the line has {len(line):,} characters; the limit is {self._options.max_length:,}")
        try:
            line.encode()
        except UnicodeEncodeError:
            raise RequestError(400, "the line has an unpaired surrogate") from None
        return line, units, beams
