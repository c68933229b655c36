"""A small model of each kind of export."""

import dataclasses

import rnnzoo
from rnnzoo.spec import SPECIAL_TOKENS

SYMBOLS = (*SPECIAL_TOKENS, *"abcdef gh")
WORDS = (*SPECIAL_TOKENS, "\n", "the", "cat", "žluť")
N = len(SYMBOLS)
_text = rnnzoo.TaskSpec("tokens", "token", True, N, N, "cross_entropy", ("loss",), SYMBOLS)
_words = dataclasses.replace(
    _text, input_size=7, output_size=7, vocabulary=WORDS, level="word", metrics=("perplexity",)
)
_class = dataclasses.replace(_text, outputs="class", per_step=False, output_size=3, labels=("x", "y", "z"))
_spelled = dataclasses.replace(
    _class,
    per_step=True,
    input_size=5,
    vocabulary=(*SPECIAL_TOKENS, "the", "cat"),
    level="word",
    char_vocabulary=SYMBOLS,
)
_spelled = dataclasses.replace(_spelled, word_length=4)
_series = rnnzoo.TaskSpec("features", "class", False, 2, 3, "cross_entropy", labels=("a", "b", "c"))
_steps = dataclasses.replace(_series, per_step=True)
_scale = ((1.0, 2.0), (3.0, 4.0))
_forecast = rnnzoo.TaskSpec("features", "vector", False, 2, 6, "mse", ("mse",), input_scale=_scale)
_forecast = dataclasses.replace(_forecast, output_scale=((1.0, 2.0) * 3, (3.0, 4.0) * 3))
_pair = dataclasses.replace(_text, inputs="pair", source="tokens", source_vocabulary=SYMBOLS, output_length=12)
_vectors = dataclasses.replace(_pair, source="features", input_size=2, source_vocabulary=())
_label = dataclasses.replace(_pair, source_length=1, source_level="line")
_wave = rnnzoo.TaskSpec("pair", "vector", True, 2, 1, "mse", ("mse",), source="features", source_length=1)
_tree = rnnzoo.TaskSpec("tree", "class", False, N, 3, "cross_entropy", ("loss",), SYMBOLS, "token", ("x", "y", "z"))

KINDS = {
    "characters": ("lstm", _text, {}),
    "words": ("elman", _words, {}),
    "class of text": ("lstm", _class, {}),
    "tags of spelled words": ("bidirectional", _spelled, {"char_units": 3}),
    "class of a series": ("bidirectional", _series, {}),
    "class of steps": ("jordan", _steps, {}),
    "stacked class of steps": ("bidirectional", _steps, {"layers": 2}),
    "forecast": ("gru", _forecast, {}),
    "pairs with attention": ("seq2seq", _pair, {"attention": "additive", "bidirectional_encoder": True}),
    "pairs with input feeding": ("seq2seq", _pair, {"input_feeding": True}),
    "vectors to text": ("seq2seq", _vectors, {}),
    "label to text": ("decoder", _label, {}),
    "vector to vectors": ("decoder", dataclasses.replace(_wave, output_length=5), {}),
    "tree": ("recursive", dataclasses.replace(_tree, arity=2), {}),
    "nodes": ("recursive", dataclasses.replace(_tree, arity=2, per_step=True), {}),
}


def make(kind):
    """The model of a kind, of 6 units."""
    name, spec, options = KINDS[kind]
    embedding = {"embedding": 4} if name != "recursive" and spec.inputs != "features" else {}
    return rnnzoo.create_model(name, spec, units=6, **embedding, **options)
