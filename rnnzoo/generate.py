"""Text from an exported language model: `python -m rnnzoo.generate EXPORT --prompt=... --length=...`."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from absl import flags

from rnnzoo import config
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.loading import load


@dataclasses.dataclass(frozen=True)
class GenerateOptions:
    """How to write."""

    prompt: str = option("", "text to go on from")
    length: int = option(500, "characters (or words) to write", minimum=0, below=1_000_001)
    temperature: float = option(0.7, "0: always the likeliest; 1: as the model believes", minimum=0)
    top_k: int = option(0, "choose among so many of the likeliest; 0: all", minimum=0)
    seed: int = option(0, "the same seed writes the same text", minimum=0, below=2**31)


def generate(model: Any, **options: Any) -> str:
    """The prompt and what an exported language model (`rnnzoo.load(path)`) writes after it.

    Options are those of `GenerateOptions`. Raises `UserError` for a model that does not generate.
    """
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
    argv = list(sys.argv if argv is None else argv)
    values = flags.FlagValues()
    config.define_flags([GenerateOptions], values)
    try:
        paths = values(argv)[1:]
        if len(paths) != 1:
            raise UserError(
                "usage: python -m rnnzoo.generate EXPORT [--prompt=TEXT --length=N --temperature=T --top_k=K --seed=S]"
            )
        given = {name: values[name].value for name in values if values[name].present}
        text = generate(load(paths[0]), **given)
    except (UserError, flags.Error) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
