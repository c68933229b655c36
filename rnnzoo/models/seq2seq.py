"""The models `seq2seq`, from sequence to sequence, and `decoder`, from a label or vector to a sequence."""

import dataclasses
from typing import Any

from rnnzoo.cells import Attention, AttentionCell
from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.layers import RNN, Decoder
from rnnzoo.models.any_cell import Fields, register_any_cell
from rnnzoo.models.encoder_decoder import EncoderDecoder
from rnnzoo.models.recurrent import build_core, make_cell_factory, name_model_in_errors
from rnnzoo.spec import TaskSpec

SCORES = ("none", "dot", "general", "additive")
DECODER: Fields = [
    ("cell", str, option("lstm", "name of the cell")),
    (
        "tied_embeddings",
        str,
        option(
            "none",
            "share the target embedding with the output layer, or with the source embedding too",
            choices=("none", "output", "all"),
        ),
    ),
    (
        "scheduled_sampling",
        float,
        option(0.0, "probability that a decoder input is sampled from the model in training", minimum=0, maximum=1),
    ),
    ("scheduled_sampling_steps", int, option(0, "training steps over which it rises from 0", minimum=0)),
]
SEQ2SEQ: Fields = [
    *DECODER,
    ("bidirectional_encoder", bool, option(False, "a bidirectional encoder")),
    ("reverse_source", bool, option(False, "the encoder reads the source from its end (Sutskever et al. 2014)")),
    (
        "decoder_units",
        int | None,
        option(None, "units of each decoder layer; default: units", minimum=1, size="units"),
    ),
    (
        "decoder_layers",
        int | None,
        option(None, "number of decoder layers; default: layers", minimum=1, size="layers"),
    ),
    ("attention", str, option("general", "score of the attention over the source", choices=SCORES)),
    ("input_feeding", bool, option(False, "the attention output is an input of the next decoder step")),
    (
        "feed_context",
        bool,
        option(False, "the context is an input of every decoder step, and not only the initial state"),
    ),
]


def _build_seq2seq(spec: TaskSpec, options: Any) -> EncoderDecoder:
    if options.input_feeding and options.attention == "none":
        raise UserError("--input_feeding needs attention: give --attention too")
    if options.bidirectional_encoder and options.reverse_source:
        raise UserError("--reverse_source: a --bidirectional_encoder reads the source from its end already")
    decoder_options = dataclasses.replace(
        options, units=options.decoder_units or options.units, layers=options.decoder_layers or options.layers
    )
    with name_model_in_errors("seq2seq"):
        merge = "concat" if options.bidirectional_encoder else ""
        make_encoder = make_cell_factory(options.cell, options)
        encoder = build_core(make_encoder, options, merge, go_backwards=options.reverse_source, return_sequences=True)
        memory_size = _memory_size(encoder, options)
        if options.attention == "dot" and memory_size != decoder_options.units:
            raise UserError(
                f"--attention=dot needs decoder and encoder outputs of the same size, got {decoder_options.units} and "
                f"{memory_size}: use --attention=general, which has a matrix between them"
            )
        decoder = _make_decoder(decoder_options, memory_size)
        size = decoder_options.units if options.feed_context else 0
        return _build_model("seq2seq", encoder, decoder, spec, options, size)


def _make_decoder(options: Any, memory_size: int) -> Decoder:
    make_cell = make_cell_factory(options.cell, options)
    attention = None if options.attention == "none" else Attention(options.units, options.attention, name="attention")
    if attention is None or not options.input_feeding:
        return Decoder(build_core(make_cell, options), attention, name="decoder")
    if options.input_depth > 1 or options.output_depth > 1:
        raise UserError("--input_feeding does not support --input_depth and --output_depth")
    cells = [make_cell() for _ in range(options.layers)]
    cell = AttentionCell(cells, attention, memory_size, residual=options.residual, dropout=options.output_dropout)
    return Decoder(RNN(cell, truncate=options.truncate or None), name="decoder")


def _memory_size(encoder: Any, options: Any) -> int:
    """Returns the number of features of the encoder outputs."""
    return encoder.compute_output_shape((None, None, options.embedding))[-1]


def _build_decoder(spec: TaskSpec, options: Any) -> EncoderDecoder:
    with name_model_in_errors("decoder"):
        decoder = Decoder(build_core(make_cell_factory(options.cell, options), options), name="decoder")
        return _build_model("decoder", None, decoder, spec, options, options.units)


def _build_model(
    name: str, encoder: Any, decoder: Decoder, spec: TaskSpec, options: Any, context: int
) -> EncoderDecoder:
    if options.crf:
        raise UserError(f"--crf does not apply to model '{name}'")
    return EncoderDecoder(
        encoder,
        decoder,
        spec,
        options.embedding,
        (name, dataclasses.asdict(options)),
        context_units=context,
        tied_embeddings=options.tied_embeddings,
        scheduled_sampling=options.scheduled_sampling,
        scheduled_sampling_steps=options.scheduled_sampling_steps,
        dropout=options.output_dropout,
    )


register_any_cell(
    "seq2seq",
    "Encoder-decoder: generates an output sequence for a source sequence, with attention.\n\n"
    "Sutskever, Vinyals & Le (2014), arXiv 1409.3215; Cho et al. (2014), arXiv 1406.1078; Bahdanau, Cho & Bengio\n"
    "(2014), arXiv 1409.0473; Luong, Pham & Manning (2015), arXiv 1508.04025.",
    SEQ2SEQ,
    _build_seq2seq,
)
register_any_cell(
    "decoder",
    "Decoder: generates an output sequence from a label or a vector (one to many).\n\n"
    "The decoder of Cho et al. (2014), arXiv 1406.1078.",
    DECODER,
    _build_decoder,
)
