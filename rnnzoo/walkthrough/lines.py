"""Lines of input for any model: text, words with features, labels, numbers, chords and trees."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.trees import COLUMNS, Tree
from rnnzoo.errors import UserError
from rnnzoo.export.tokenizer import Tokenizer
from rnnzoo.inference.line_formats import FeatureFormat, SeriesFormat, TextFormat, TreeFormat
from rnnzoo.inference.music import LOWEST, parse_chord
from rnnzoo.inspect import InputSequences, TrainedModel, read_sequences
from rnnzoo.spec import PAD, TaskSpec

NUM_NOTES = 88


def kind_of_line(spec: TaskSpec) -> str:
    """Returns what a line of input is: "text", "label", "numbers", "chords" or "tree"."""
    if spec.inputs == "tree":
        return "tree"
    if is_music(spec):
        return "chords"
    if (spec.source if spec.inputs == "pair" else spec.inputs) == "features":
        return "numbers"
    return "label" if spec.inputs == "pair" and spec.source_level == "line" else "text"


def is_music(spec: TaskSpec) -> bool:
    """Returns whether a model reads and expects the notes of a piano."""
    return spec.next_input and spec.loss == "binary_cross_entropy" and spec.input_size == NUM_NOTES


def read_line(model: Any, line: str) -> InputSequences:
    """Returns a line as an input sequence of a model; for an encoder-decoder only its source. Raises `UserError`."""
    spec, kind = model.spec, kind_of_line(model.spec)
    if not line.strip():
        raise UserError("the line is empty")
    if kind == "numbers":
        return _read_numbers(spec, line)
    if kind == "chords":
        return _read_chords(line)
    if spec.inputs == "pair":
        return _read_source(spec, line)
    if spec.feature_vocabularies:
        return _read_words(spec, line)
    return read_sequences(TrainedModel("the model", model), [line])


def read_tree(spec: TaskSpec, line: str) -> tuple[Tree, np.ndarray]:
    """Returns a tree and the inputs of a model for it, `[1, nodes, 4]`. Raises `UserError`."""
    tree_format = TreeFormat(spec)
    if problem := tree_format.find_problem(line):
        raise UserError(problem)
    arrays = tree_format.convert([line])
    token = tf.constant(arrays["token"].astype(str))
    ids = Tokenizer(spec.vocabulary, spec.level, lowercase=spec.lowercase).ids(token)
    ids = np.where(arrays["token"] == "", PAD, ids)
    return tree_format.parse(line), np.stack([ids, *(arrays[name] for name in COLUMNS)], -1).astype("int32")


def _read_source(spec: TaskSpec, line: str) -> InputSequences:
    if problem := TextFormat(spec).find_problem(line):
        raise UserError(problem)
    tokenizer = Tokenizer(
        spec.source_vocabulary, spec.source_level, lowercase=spec.lowercase, merges=spec.source_merges
    )
    ids = tokenizer.encode_source(tf.constant([line])).numpy()
    return InputSequences((ids, None), tokens=(tuple(spec.source_vocabulary[i] for i in ids[0]),))


def _read_words(spec: TaskSpec, line: str) -> InputSequences:
    """Reads words, and after a tab the value of a feature for each word, after each further tab another feature."""
    if problem := FeatureFormat(spec).find_problem(line):
        raise UserError(problem)
    words, *features = (tf.constant([part]) for part in line.split("\t"))
    tokenizer = Tokenizer(spec.vocabulary, spec.level, spec.char_vocabulary, spec.word_length, spec.lowercase)
    ids = tokenizer.encode(words)[0].numpy()[:, 1:]  # without BOS
    ids = ids[..., None] if ids.ndim == 2 else ids
    vocabularies = zip(spec.feature_vocabularies, features, strict=True)
    columns = [Tokenizer(names, "word").encode(values)[0].numpy()[:, 1:, None] for names, values in vocabularies]
    tokens = tuple(spec.vocabulary[i] for i in ids[0, :, 0])
    return InputSequences(np.concatenate([ids[..., :1], *columns, ids[..., 1:]], -1), tokens=(tokens,))


def _read_numbers(spec: TaskSpec, line: str) -> InputSequences:
    values = SeriesFormat(spec, NumberFormat(".", "")).parse(line)[None]
    tokens = tuple(" ".join(f"{number:g}" for number in step) for step in values[0])
    if spec.inputs == "pair":
        if spec.source_length and values.shape[1] != spec.source_length:
            raise UserError(f"expected {spec.source_length} time steps, got {values.shape[1]}")
        return InputSequences((values, None), tokens=(tokens,))
    if spec.input_scale:
        mean, deviation = np.array(spec.input_scale, "float32")
        values = (values - mean) / deviation
    return InputSequences(values, tokens=(tokens,))


def _read_chords(line: str) -> InputSequences:
    chords = [parse_chord(part, NUM_NOTES) for part in line.split()]
    roll = np.zeros([1, len(chords), NUM_NOTES], "float32")
    for step, chord in enumerate(chords):
        roll[0, step, np.array(chord) - LOWEST] = 1
    return InputSequences(roll, tokens=(tuple(",".join(map(str, chord)) for chord in chords),))
