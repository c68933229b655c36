"""Options of `python -m rnnzoo.predict`."""

import dataclasses

from rnnzoo.config import option


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """Input, output and decoding options."""

    input: str | None = option(None, "file of lines; default: standard input")
    output: str | None = option(None, "file for the answers, a line for each; default: standard output")
    encoding: str = option("utf-8", "encoding of the lines")
    batch_size: int = option(64, "lines at a time", minimum=1, maximum=100_000)
    beam: int = option(1, "beams of the search; 1: the likeliest symbol at each step", minimum=1, below=1001)
    nbest: int = option(1, "of what was found so many, best first: number of the line, score, text", minimum=1)
    length_penalty: float = option(0.0, "with beams, how much texts gain by their length", minimum=0, below=10)
    attention_plot: str | None = option(None, "picture of where it looks in the first line, greedily (.png)")
