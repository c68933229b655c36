"""Generation with an exported model: `python -m rnnzoo.generate NAME|EXPORT --prompt=... --length=...`.

A language model continues the prompt. An encoder-decoder samples an output for the prompt, its source. A model of
music continues a chord.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnzoo import config
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.utils import command_line, startup

USAGE = """usage: python -m rnnzoo.generate NAME|EXPORT [--prompt=TEXT --length=N --temperature=T --top_k=K --seed=S]
       python -m rnnzoo.generate SEQ2SEQ --prompt=SOURCE [--samples=N ...]
       python -m rnnzoo.generate MUSIC --prompt=48,55,60,64 --out=chorale.mid [...]
"""
CHORD = "48,55,60,64"  # C major
DEFAULT_LENGTH = 500


@dataclasses.dataclass(frozen=True)
class GenerateOptions:
    """Options of the generation."""

    prompt: str = option("", "text to continue, source of an encoder-decoder, or MIDI numbers of the first chord")
    length: int | None = option(
        None, "characters, words or frames of music to generate; default: 500", minimum=0, below=1_000_001
    )
    temperature: float = option(
        0.7, "0: always the most probable token; 1: sample from the model's probabilities", minimum=0
    )
    top_k: int = option(0, "sample from this many most probable tokens; 0: all", minimum=0, below=2**31)
    seed: int = option(0, "random seed; the same seed generates the same text", minimum=0, below=2**31)
    samples: int = option(1, "number of samples, with seeds from --seed on", minimum=1, below=10_001)
    out: str | None = option(None, "MIDI file for music")


def generate(model: Any, **options: Any) -> str:
    """Generates text with an exported language model or encoder-decoder, or music.

    Args:
        model: the result of `rnnzoo.load(path)`.
        **options: the fields of `GenerateOptions`.

    Returns:
        The prompt and its continuation, or the output for the source; of several samples one on each line. For music,
        a line for each frame, with the MIDI numbers of its notes.

    Raises:
        UserError: the model does not generate, or an option does not apply to it.
    """
    chosen = config.create_options(GenerateOptions, options, "generate")
    signatures = getattr(model, "signatures", {})
    if {"generate", "sample"} & set(signatures):
        if chosen.out:
            raise UserError("--out is for music; write the text to a file with > FILE")
        return "\n".join(_generate_text(signatures, chosen))
    inputs = signatures["step"].structured_input_signature[1]["inputs"] if "step" in signatures else None
    results = signatures["serving_default"].structured_outputs if inputs is not None else {}
    if (
        inputs is None
        or inputs.shape.rank != 2
        or results["predictions"].shape.as_list() != [None, None, *inputs.shape[1:]]
    ):
        raise UserError(
            "this model does not generate text or music: only exports of language models, encoder-decoders and music do"
        )
    return _compose(signatures, chosen, inputs.shape[1])


def _generate_text(signatures: Any, chosen: GenerateOptions) -> list[str]:
    import tensorflow as tf

    rows = {
        "temperature": tf.constant([float(chosen.temperature)]),
        "top_k": tf.constant([chosen.top_k]),
        "seed": tf.constant([(chosen.seed + i) % 2**31 for i in range(chosen.samples)]),
    }
    source = tf.constant([chosen.prompt] * chosen.samples)
    if "generate" in signatures:
        outputs = signatures["generate"](prompt=source, length=tf.constant([_length(chosen)]), **rows)
    elif chosen.length is not None:
        raise UserError("--length does not apply to encoder-decoders, whose outputs end by themselves")
    else:
        outputs = signatures["sample"](text=source, **rows)
    return [text.decode("utf-8", "replace") for text in outputs["text"].numpy()]


def _length(chosen: GenerateOptions) -> int:
    return DEFAULT_LENGTH if chosen.length is None else chosen.length


def _compose(signatures: Any, chosen: GenerateOptions, notes: int) -> str:
    from rnnzoo.inference import music

    if chosen.samples > 1 or chosen.top_k:
        raise UserError("--samples and --top_k do not apply to music")
    if chosen.out:
        music.check_midi(Path(chosen.out))
    chord = music.parse_chord(chosen.prompt or CHORD, notes)
    roll = music.compose(signatures, chord, _length(chosen), chosen.temperature, chosen.seed)
    if chosen.out:
        music.write_midi(roll, Path(chosen.out))
        return f"{chosen.out}: {len(roll)} frames"
    return music.describe_roll(roll)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return command_line.run_tool(sys.argv if argv is None else argv, GenerateOptions, USAGE, _main)


def _main(options: GenerateOptions, paths: list[str]) -> None:
    if len(paths) > 1:
        raise UserError(USAGE.partition("\n")[0])
    with startup.suppress_import_messages():
        from rnnzoo.inference.loading import load

    text = generate(load(paths[0]), **dataclasses.asdict(options))
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")


if __name__ == "__main__":
    sys.exit(main())
