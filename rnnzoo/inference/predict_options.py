"""Options of `python -m rnnzoo.predict`."""

import dataclasses

from rnnzoo.config import option


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """Options of `python -m rnnzoo.predict`."""

    input: str | None = option(
        None, "file of inputs, one on each line, or CSV file to forecast; default: standard input"
    )
    output: str | None = option(None, "file for the predictions, one on each line; default: standard output")
    encoding: str = option("utf-8", "encoding of the lines")
    batch_size: int = option(64, "lines in a batch", minimum=1, maximum=100_000)
    beam: int = option(1, "beam size; 1: greedy decoding", minimum=1, below=1001)
    nbest: int = option(1, "results for each line, best first: line number, score, text", minimum=1)
    length_penalty: float = option(
        0.0, "with --beam: exponent of the length by which scores are divided", minimum=0, below=10
    )
    decimal: str = option(".", "decimal mark of numbers", choices=(".", ","))
    thousands: str = option("", "mark between groups of three digits", choices=("", ",", ".", " ", "'"))
    time_column: str = option("", "for a forecast: column of dates or of an index; default: found by its cells")
    attention_plot: str | None = option(None, "file for a plot of the attention weights of the first line (.png)")
