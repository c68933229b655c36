"""Text from an exported language model: `python -m rnnzoo.generate EXPORT --prompt=... --length=...`."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from rnnzoo import commands, config, startup
from rnnzoo.config import option
from rnnzoo.errors import UserError

USAGE = "usage: python -m rnnzoo.generate EXPORT [--prompt=TEXT --length=N --temperature=T --top_k=K --seed=S]"


@dataclasses.dataclass(frozen=True)
class GenerateOptions:
    """How to write."""

    prompt: str = option("", "text to go on from")
    length: int = option(500, "characters (or words) to write", minimum=0, below=1_000_001)
    temperature: float = option(0.7, "0: always the likeliest; 1: as the model believes", minimum=0)
    top_k: int = option(0, "choose among so many of the likeliest; 0: all", minimum=0, below=2**31)
    seed: int = option(0, "the same seed writes the same text", minimum=0, below=2**31)


def generate(model: Any, **options: Any) -> str:
    """The prompt and what an exported language model (`rnnzoo.load(path)`) writes after it.

    Options are those of `GenerateOptions`. Raises `UserError` for a model that does not generate.
    """
    import tensorflow as tf

    chosen = config.make(GenerateOptions, options, "generate")
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
    """The command line; returns the exit status."""
    return commands.run_tool(sys.argv if argv is None else argv, GenerateOptions, USAGE, _main)


def _main(options: GenerateOptions, paths: list[str]) -> None:
    if len(paths) > 1:
        raise UserError(USAGE)
    with startup.suppress_notices():
        from rnnzoo.loading import load

    text = generate(load(paths[0]), **dataclasses.asdict(options))
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")


if __name__ == "__main__":
    sys.exit(main())
