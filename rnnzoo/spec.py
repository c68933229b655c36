"""Specification of a task's inputs and outputs: all that a model knows about the data."""

import dataclasses
import typing
from typing import Any, Literal

from rnnzoo.errors import UserError
from rnnzoo.renames import apply_renames

PAD, UNKNOWN, BOS = 0, 1, 2
EOS = BOS  # one id marks the beginning and the end of a sequence
SPECIAL_TOKENS = ("<pad>", "<unk>", "<s>")  # the first three tokens of every vocabulary

Level = Literal["char", "word", "token", "joiner", "bpe", "line"]
JOINED_LEVELS = ("joiner", "bpe")  # whose tokens are joined by joiner marks, see `rnnzoo.data.joiner`


@dataclasses.dataclass(frozen=True)
class TaskSpec:
    """Inputs, outputs, loss and metrics of a task.

    Attributes:
        inputs: kind of the inputs.
            "tokens": ids of `vocabulary`, `[batch, time]`; with `feature_vocabularies` or a `char_vocabulary`
            `[batch, time, 1 + features + word_length]`: the ids of a word, of its features and of its characters.
            "features": numbers, `[batch, time, input_size]`.
            "tree": `[batch, nodes, 4]`, the token id of each node (PAD: none), and its parent, child index and level
            as in `rnnzoo.layers.Recursive`.
            "pair": `(source, previous)` for an encoder and a decoder. The source has ids `[batch, source_time]` or
            features `[batch, source_time, input_size]`, as `source` says, and is padded with PAD. `previous` has the
            output tokens before each step, `[batch, time]` beginning with BOS; for vectors it is `[batch, time, 0]`.
        outputs: "token" (logits of the next token), "class" (logits) or "vector".
        per_step: whether there is an output for every step (or node), or one for a sequence (or root).
        input_size: size of the vocabulary or number of features.
        output_size: number of logits or size of the vector.
        loss: "cross_entropy" (nats), "binary_cross_entropy" (nats, summed over the outputs), "mse", or "pinball" (of
            quantiles).
        metrics: the reported metrics; the first one selects the best model.
        vocabulary: the tokens by id. For a "pair", those of the output.
        level: kind of tokens: "char", "word" (separated by spaces), "token" (words and punctuation), "joiner" (the same
            with joiner marks), "bpe" (pieces of words, by byte-pair encoding) or "line".
        merges: the merges of the byte-pair encoding, of the output of a "pair".
        labels: names of the classes.
        feature_vocabularies: the values of each feature of a word by id, for inputs of words with features.
        char_vocabulary: the characters by id, for inputs of words with their characters.
        word_length: number of characters read per word.
        feature_names: names of the input columns, or of the features of words.
        window: time steps that a forecasting model reads.
        input_scale: means and standard deviations of the input columns, by which the model's inputs are standardized.
        output_scale: the same for the outputs.
        next_input: whether the output at each step predicts the next input features.
        regression: whether the output is one value for a whole sequence.
        difference: the reference that a forecasting model adds its outputs to: "last", the last value of the window,
            or "season", the values of its last season.
        normalize: whether a forecasting model standardizes each window ("window"), or not ("train").
        seasonal_period: time steps of a season.
        quantiles: the quantiles that are forecast; empty: the mean.
        source: kind of the source of a "pair".
        source_length: number of source time steps if it is always the same, else 0.
        source_vocabulary: the source tokens by id.
        source_level: kind of the source tokens.
        source_merges: the merges of the byte-pair encoding of the source.
        lowercase: whether input text is converted to lower case.
        output_length: the most time steps that a decoder generates.
        arity: the most children of a tree's node; 0 for any number.
        inner_tokens: whether inner nodes of a tree have tokens, and not only leaves.
        syntax: text format of trees: "brackets", "labelled" brackets or "python" source code.
    """

    inputs: Literal["tokens", "features", "tree", "pair"]
    outputs: Literal["token", "class", "vector"]
    per_step: bool
    input_size: int
    output_size: int
    loss: Literal["cross_entropy", "binary_cross_entropy", "mse", "pinball"]
    metrics: tuple[str, ...] = ("loss",)
    vocabulary: tuple[str, ...] = ()
    level: Level = "char"
    labels: tuple[str, ...] = ()
    char_vocabulary: tuple[str, ...] = ()
    word_length: int = 0
    input_scale: tuple[tuple[float, ...], ...] = ()
    output_scale: tuple[tuple[float, ...], ...] = ()
    next_input: bool = False
    source: Literal["", "tokens", "features"] = ""
    source_length: int = 0
    source_vocabulary: tuple[str, ...] = ()
    source_level: Level = "char"
    lowercase: bool = False
    output_length: int = 0
    arity: int = 0
    inner_tokens: bool = False
    syntax: Literal["brackets", "labelled", "python"] = "brackets"
    merges: tuple[str, ...] = ()
    feature_vocabularies: tuple[tuple[str, ...], ...] = ()
    feature_names: tuple[str, ...] = ()
    window: int = 0
    regression: bool = False
    difference: Literal["none", "last", "season"] = "none"
    normalize: Literal["train", "window"] = "train"
    seasonal_period: int = 0
    quantiles: tuple[float, ...] = ()
    source_merges: tuple[str, ...] = ()

    @property
    def is_language_model(self) -> bool:
        """Whether the output at each step predicts the next input token."""
        return self.inputs == "tokens" and self.outputs == "token" and self.per_step

    @property
    def id_sizes(self) -> tuple[int, ...]:
        """The sizes of the vocabularies of all ids of a token: of the word, of its features and of its characters."""
        features = tuple(len(vocabulary) for vocabulary in self.feature_vocabularies)
        return (self.input_size, *features, *[len(self.char_vocabulary)] * self.word_length)

    @property
    def num_targets(self) -> int:
        """The number of columns that are forecast."""
        return len(self.labels) or self.input_size

    @property
    def is_forecast(self) -> bool:
        """Whether the outputs are the next values of the input columns that `labels` names, in the user's units."""
        return self.outputs == "vector" and bool(self.output_scale) and not self.regression

    @property
    def generates_text(self) -> bool:
        """Whether text is generated for each source, as in translation."""
        return self.inputs == "pair" and self.outputs == "token"

    @property
    def predicts_next(self) -> bool:
        """Whether the model must be causal, because it predicts its next input."""
        return self.next_input or self.is_language_model

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary that JSON can hold and `TaskSpec.from_json` reads."""
        return {name: _to_lists(value) for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TaskSpec":
        """Creates a specification from the result of `to_json`.

        Raises:
            UserError: fields are missing, unknown or of another type.
        """
        if not isinstance(values, dict):
            raise UserError(f"a specification must be a dictionary, got {repr(values)[:60]}")
        try:
            fields = {name: _to_tuples(value) for name, value in apply_renames("spec", values).items()}
        except RecursionError:
            raise UserError("a specification is nested too deeply") from None
        types = typing.get_type_hints(cls)
        required = {field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING}
        if missing := required - fields.keys():
            raise UserError(f"the specification lacks {', '.join(sorted(missing))}")
        for name, value in fields.items():
            if name not in types or not _is_of_type(value, types[name]):
                raise UserError(f"the specification has an invalid field: {name} = {repr(value)[:60]}")
        return cls(**fields)


def _is_of_type(value: Any, expected: Any) -> bool:
    """Whether a value has the type of a field."""
    if typing.get_origin(expected) is Literal:
        return value in typing.get_args(expected)
    if typing.get_origin(expected) is tuple:
        return isinstance(value, tuple) and all(_is_of_type(item, typing.get_args(expected)[0]) for item in value)
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, (int, float) if expected is float else expected)


def _to_lists(value: Any) -> Any:
    return [_to_lists(item) for item in value] if isinstance(value, tuple) else value


def _to_tuples(value: Any) -> Any:
    return tuple(_to_tuples(item) for item in value) if isinstance(value, list) else value
