"""A REST server for exports: `python -m rnnzoo.serve EXPORT|NAME ...`."""

import importlib.util
import sys
from collections.abc import Sequence

from rnnzoo.errors import UserError
from rnnzoo.server.limits import ServeOptions
from rnnzoo.utils import command_line, startup

USAGE = """usage: python -m rnnzoo.serve EXPORT|NAME ... [--port=8501] [--host=127.0.0.1]

Answers requests to exports as TensorFlow Serving does:

  curl -d '{"instances": ["to be"]}' http://localhost:8501/v1/models/lstm-char_lm-shakespeare:predict

GET /v1/models/NAME, /v1/models/NAME/metadata, /healthz and /metrics describe the models and the server.
"""
PACKAGES = ("starlette", "uvicorn", "prometheus_client")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad input, 1 for a failure."""
    argv = list(sys.argv if argv is None else argv)
    return command_line.run_tool(argv, ServeOptions, USAGE, _serve)


def _serve(options: ServeOptions, paths: list[str]) -> int:
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise UserError(f"the server needs {missing[0].replace('_', '-')}: pip install 'rnnzoo[serve]'")
    with startup.suppress_import_messages():
        from rnnzoo.server.running import run
    return run(paths, options)


if __name__ == "__main__":
    sys.exit(main())
