"""What crosses from a task to a model, and nothing else does."""

import dataclasses
import typing
from typing import Any, Literal

from rnnzoo.errors import UserError
from rnnzoo.serialization import apply_renames

PAD, UNKNOWN, BOUNDARY = 0, 1, 2
SPECIAL = ("<pad>", "<unk>", "<s>")  # the first three symbols of every vocabulary

Level = Literal["char", "word", "token", "line"]


@dataclasses.dataclass(frozen=True)
class TaskSpec:
    """What goes in and what comes out.

    `inputs` are ids of a vocabulary `[batch, time]` ("tokens"), or numbers
    `[batch, time, input_size]` ("features"); `outputs` are the logits of the next token, those of
    a class, or a vector, `output_size` of them, for every step or (without `per_step`) once for a
    sequence. `loss` is "cross_entropy" (nats), "binary_cross_entropy" (nats, each output a bit of
    its own, summed) or "mse"; `metrics` are reported, and the first of them, the smaller the better,
    chooses the best model. `vocabulary` holds the symbols by id, which are characters, words
    between spaces, tokens (words and signs), or whole lines, as `level` says; `labels` the names of classes.

    With `characters`, a vocabulary too, words come with their spelling: inputs are
    `[batch, time, 1 + word_length]`, the id of the word and those of its characters. `input_scale` and
    `output_scale`, pairs of means and of standard deviations by column, say how far what the model
    sees and gives is from what the user has. `next_input` says that the output at each step is a
    guess of the next input, which a model that reads ahead would have seen.

    In a "pair" the inputs are `(source, previous)`: ids `[batch, places]` of `source_vocabulary` or numbers
    `[batch, places, input_size]`, padded with PAD, as `source` says (`source_length` of them, if that is not
    0); and what was written before each step, ids `[batch, time]` from a BOUNDARY on, or for vectors, which
    are written without looking back, `[batch, time, 0]`. What is written is at most `output_length` long. With
    `lowercase` sources are read in lower case.

    A "tree" is `[batch, nodes, 4]`: of each node its token, an id of the vocabulary (PAD: it has none), its parent,
    place and level, as `rnnzoo.layers.Recursive` reads them; a node has at most `arity` children (0: any number),
    and tokens stand at the leaves or, `inside`, at every node. A tree is written in brackets, in brackets with a label
    behind each that opens, or it is that of `python` code, as `syntax` says. Outputs are those of the root or,
    `per_step`, of every node.
    """

    inputs: Literal["tokens", "features", "tree", "pair"]
    outputs: Literal["token", "class", "vector"]
    per_step: bool
    input_size: int
    output_size: int
    loss: Literal["cross_entropy", "binary_cross_entropy", "mse"]
    metrics: tuple[str, ...] = ("loss",)
    vocabulary: tuple[str, ...] = ()
    level: Level = "char"
    labels: tuple[str, ...] = ()
    characters: tuple[str, ...] = ()
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
    inside: bool = False
    syntax: Literal["brackets", "labelled", "python"] = "brackets"

    @property
    def language_model(self) -> bool:
        """Whether the output at each step is a guess of the next input."""
        return self.inputs == "tokens" and self.outputs == "token" and self.per_step

    @property
    def writes(self) -> bool:
        """Whether text is written for each source, so that it can be compared with what was to be written."""
        return self.inputs == "pair" and self.outputs == "token"

    @property
    def guesses_next(self) -> bool:
        """Whether a model must not read ahead."""
        return self.next_input or self.language_model

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold and `TaskSpec.from_json` reads."""
        return {name: _lists(value) for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TaskSpec":
        """The inverse of `to_json`. Raises `UserError` for fields that are missing, unknown or of another type."""
        if not isinstance(values, dict):
            raise UserError(f"a specification is a dictionary, not {repr(values)[:60]}")
        try:
            found = {name: _tuples(value) for name, value in apply_renames("spec", values).items()}
        except RecursionError:
            raise UserError("a specification is nested too deeply") from None
        types = typing.get_type_hints(cls)
        needed = {field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING}
        if missing := needed - found.keys():
            raise UserError(f"the specification lacks {', '.join(sorted(missing))}")
        for name, value in found.items():
            if name not in types or not _is_of(value, types[name]):
                raise UserError(f"the specification has {name} = {repr(value)[:60]}, which is none of its values")
        return cls(**found)


def _is_of(value: Any, wanted: Any) -> bool:
    """Whether a value is of the type of a field."""
    if typing.get_origin(wanted) is Literal:
        return value in typing.get_args(wanted)
    if typing.get_origin(wanted) is tuple:
        return isinstance(value, tuple) and all(_is_of(item, typing.get_args(wanted)[0]) for item in value)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, (int, float) if wanted is float else wanted)


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
