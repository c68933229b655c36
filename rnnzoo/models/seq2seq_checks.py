"""Checks that a task fits an encoder-decoder."""

from rnnzoo.errors import UserError
from rnnzoo.spec import TaskSpec


def check_seq2seq_spec(
    spec: TaskSpec, name: str, has_encoder: bool, tied_embeddings: str, scheduled_sampling: float
) -> None:
    """Raises `UserError` unless a task and the options of the model `name` fit each other."""
    if spec.inputs != "pair":
        raise UserError(
            f"model '{name}' needs a seq2seq task (pairs, reverse, dates, scan, g2p or waveform); choose one of "
            "them, or another model"
        )
    if not has_encoder and spec.source_length != 1:
        raise UserError(
            f"model '{name}' generates from one label or vector, and the sources of this task are sequences: use "
            "--model=seq2seq; for a file of labels, give --source_level=line"
        )
    if spec.outputs != "token" and (scheduled_sampling or tied_embeddings != "none"):
        option = "scheduled_sampling" if scheduled_sampling else "tied_embeddings"
        raise UserError(f"--{option} needs a task of tokens; this task generates vectors")
    if tied_embeddings == "all" and spec.source_vocabulary != spec.vocabulary:
        raise UserError(
            "--tied_embeddings=all needs one vocabulary for sources and targets, which --task=pairs has with "
            "--shared_vocabulary"
        )
