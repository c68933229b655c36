"""What crosses from a task to a model, and nothing else does."""

import dataclasses
from typing import Any, Literal

PAD, UNKNOWN, BOUNDARY = 0, 1, 2
SPECIAL = ("<pad>", "<unk>", "<s>")  # the first three symbols of every vocabulary


@dataclasses.dataclass(frozen=True)
class TaskSpec:
    """What goes in and what comes out.

    `inputs` are ids of a vocabulary `[batch, time]` ("tokens"), or numbers
    `[batch, time, input_size]` ("features"); `outputs` are the logits of the next token, those of
    a class, or a vector, `output_size` of them, for every step or (without `per_step`) once for a
    sequence. `loss` is "cross_entropy" (nats) or "mse"; `metrics` are reported, and the first of
    them, the smaller the better, chooses the best model. `vocabulary` holds the symbols by id,
    which are characters or words as `level` says.
    """

    inputs: Literal["tokens", "features", "tree", "pair"]
    outputs: Literal["token", "class", "vector"]
    per_step: bool
    input_size: int
    output_size: int
    loss: Literal["cross_entropy", "mse"]
    metrics: tuple[str, ...] = ("loss",)
    vocabulary: tuple[str, ...] = ()
    level: Literal["char", "word"] = "char"

    @property
    def language_model(self) -> bool:
        """Whether the output at each step is a guess of the next input."""
        return self.inputs == "tokens" and self.outputs == "token" and self.per_step

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold and `TaskSpec.from_json` reads."""
        return {**dataclasses.asdict(self), "metrics": list(self.metrics), "vocabulary": list(self.vocabulary)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TaskSpec":
        """The inverse of `to_json`."""
        lists = {name: tuple(values[name]) for name in ("metrics", "vocabulary")}
        return cls(**{**values, **lists})
