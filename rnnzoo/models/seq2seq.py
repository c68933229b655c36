"""Models that write: `seq2seq` reads a sequence and writes another, `decoder` writes from a label or a vector."""

import dataclasses
from typing import Any

from rnnzoo.cells import Attention, AttentionCell
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.layers import RNN, Decoder
from rnnzoo.models.arranged import Fields, register_any_cell
from rnnzoo.models.encoder_decoder import EncoderDecoder
from rnnzoo.models.recurrent import cell_maker, make_core
from rnnzoo.spec import TaskSpec

NAMED = ("none", "dot", "general", "additive")
DECODER: Fields = [
    ("cell", str, option("lstm", "name of the cell")),
    (
        "tied_embeddings",
        str,
        option(
            "none",
            "what the embedding of what is written also serves for: nothing, the output, or the source too",
            choices=("none", "output", "all"),
        ),
    ),
    (
        "scheduled_sampling",
        float,
        option(0.0, "probability that training feeds what the model itself would have written", minimum=0, maximum=1),
    ),
    ("sampling_steps", int, option(0, "training steps over which that probability rises from 0", minimum=0)),
]
SEQ2SEQ: Fields = [
    *DECODER,
    ("both_ways", bool, option(False, "the encoder reads forward and backward")),
    ("reverse_source", bool, option(False, "the encoder reads from the end of the source (Sutskever et al. 2014)")),
    (
        "decoder_units",
        int | None,
        option(None, "units of each layer of the decoder; default: units", minimum=1, size="units"),
    ),
    (
        "decoder_layers",
        int | None,
        option(None, "recurrent layers of the decoder; default: layers", minimum=1, size="layers"),
    ),
    ("attention", str, option("general", "how the decoder compares itself with the source", choices=NAMED)),
    ("input_feeding", bool, option(False, "what attention has read enters the next step of the decoder")),
    ("feed_context", bool, option(False, "the context enters every step of the decoder, not only the first state")),
]


def _make_seq2seq(spec: TaskSpec, options: Any) -> EncoderDecoder:
    if options.input_feeding and options.attention == "none":
        raise UserError("--input_feeding feeds what attention has read: give --attention too")
    if options.both_ways and options.reverse_source:
        raise UserError("--reverse_source: an encoder that reads --both_ways reads from the end already")
    writing = dataclasses.replace(
        options, units=options.decoder_units or options.units, layers=options.decoder_layers or options.layers
    )
    try:
        merge = "concat" if options.both_ways else ""
        make_encoder = cell_maker("seq2seq", options.cell, options)
        encoder = make_core(make_encoder, options, merge, go_backwards=options.reverse_source, return_sequences=True)
        places = _memory_size(encoder, options)
        if options.attention == "dot" and places != writing.units:
            raise UserError(
                f"--attention=dot compares vectors of one size, but the decoder's have {writing.units} numbers and the "
                f"encoder's {places}: take --attention=general, which has a matrix between them"
            )
        decoder = _make_decoder(writing, places)
        size = writing.units if options.feed_context else 0
        return _network("seq2seq", encoder, decoder, spec, options, size)
    except ValueError as error:
        raise UserError(f"model 'seq2seq': {error}") from None


def _make_decoder(options: Any, memory_size: int) -> Decoder:
    make_cell = cell_maker("seq2seq", options.cell, options)
    attention = None if options.attention == "none" else Attention(options.units, options.attention, name="attention")
    if attention is None or not options.input_feeding:
        return Decoder(make_core(make_cell, options), attention, name="decoder")
    if options.input_depth > 1 or options.output_depth > 1:
        raise UserError("--input_feeding goes with no hidden layers before and behind: leave out the depths")
    cells = [make_cell() for _ in range(options.layers)]
    cell = AttentionCell(cells, attention, memory_size, residual=options.residual, dropout=options.layer_dropout)
    return Decoder(RNN(cell, truncate=options.truncate or None), name="decoder")


def _memory_size(encoder: Any, options: Any) -> int:
    """Features of what the encoder gives for each place."""
    return encoder.compute_output_shape((None, None, options.embedding))[-1]


def _make_decoder_alone(spec: TaskSpec, options: Any) -> EncoderDecoder:
    try:
        decoder = Decoder(make_core(cell_maker("decoder", options.cell, options), options), name="decoder")
        return _network("decoder", None, decoder, spec, options, options.units)
    except ValueError as error:
        raise UserError(f"model 'decoder': {error}") from None


def _network(name: str, encoder: Any, decoder: Decoder, spec: TaskSpec, options: Any, context: int) -> EncoderDecoder:
    return EncoderDecoder(
        encoder,
        decoder,
        spec,
        options.embedding,
        (name, dataclasses.asdict(options)),
        context_units=context,
        tied=options.tied_embeddings,
        sampling=options.scheduled_sampling,
        sampling_steps=options.sampling_steps,
        dropout=options.layer_dropout,
    )


register_any_cell(
    "seq2seq",
    "Encoder and decoder: reads a sequence, then writes another, looking back at what it read.\n\n"
    "Sutskever, Vinyals & Le (2014), arXiv 1409.3215; Cho et al. (2014), arXiv 1406.1078; Bahdanau, Cho & Bengio\n"
    "(2014), arXiv 1409.0473; Luong, Pham & Manning (2015), arXiv 1508.04025.",
    SEQ2SEQ,
    _make_seq2seq,
)
register_any_cell(
    "decoder",
    "One to many: writes a sequence from a label or a vector, which every step is fed.\n\n"
    "The decoder of Cho et al. (2014), arXiv 1406.1078.",
    DECODER,
    _make_decoder_alone,
)
