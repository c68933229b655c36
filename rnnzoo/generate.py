"""Text generation with an exported language model: `python -m rnnzoo.generate EXPORT --prompt=... --length=...`."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from rnnzoo import config
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.utils import command_line, startup

USAGE = "usage: python -m rnnzoo.generate EXPORT [--prompt=TEXT --length=N --temperature=T --top_k=K --seed=S]"


@dataclasses.dataclass(frozen=True)
class GenerateOptions:
    """Options of the generation."""

    prompt: str = option("", "text to continue")
    length: int = option(500, "characters (or words) to generate", minimum=0, below=1_000_001)
    temperature: float = option(
        0.7, "0: always the most probable token; 1: sample from the model's probabilities", minimum=0
    )
    top_k: int = option(0, "sample from this many most probable tokens; 0: all", minimum=0, below=2**31)
    seed: int = option(0, "random seed; the same seed generates the same text", minimum=0, below=2**31)


def generate(model: Any, **options: Any) -> str:
    """Generates text with an exported language model.

    Args:
        model: the result of `rnnzoo.load(path)`.
        **options: the fields of `GenerateOptions`.

    Returns:
        The prompt and its continuation.

    Raises:
        UserError: the model is not a language model.
    """
    import tensorflow as tf

    chosen = config.create_options(GenerateOptions, options, "generate")
    signatures = getattr(model, "signatures", {})
    if "generate" not in signatures:
        raise UserError("this model does not generate text: only exports of language models do")
    values = {
        "length": chosen.length,
        "temperature": float(chosen.temperature),
        "top_k": chosen.top_k,
        "seed": chosen.seed,
    }
    constants = {name: tf.constant([value]) for name, value in values.items()}
    text = signatures["generate"](prompt=tf.constant([chosen.prompt]), **constants)["text"]
    return text.numpy()[0].decode("utf-8", "replace")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return command_line.run_tool(sys.argv if argv is None else argv, GenerateOptions, USAGE, _main)


def _main(options: GenerateOptions, paths: list[str]) -> None:
    if len(paths) > 1:
        raise UserError(USAGE)
    with startup.suppress_import_messages():
        from rnnzoo.inference.loading import load

    text = generate(load(paths[0]), **dataclasses.asdict(options))
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")


if __name__ == "__main__":
    sys.exit(main())
