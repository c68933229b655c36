"""The task `reverse`: reverse a random sequence of letters."""

import dataclasses

import numpy as np

from rnnzoo.config import option
from rnnzoo.registry import TASKS
from rnnzoo.spec import SPECIAL_TOKENS
from rnnzoo.tasks.base import SequencePair, SyntheticSeq2SeqTask, seq2seq_spec

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclasses.dataclass(frozen=True)
class ReverseOptions:
    """Options of the task `reverse`."""

    seq_length: int = option(20, "letters in the longest sequence", minimum=1, size="time")
    batch_size: int = option(64, "sequences in a batch", minimum=1, size="batch")
    eval_size: int = option(1000, "sequences in each held-out split", minimum=1, maximum=10_000_000)


@TASKS.register("reverse")
class Reverse(SyntheticSeq2SeqTask):
    """Reversing: output a random sequence of letters in reverse order.

    A sequence has from half of `seq_length` to `seq_length` letters. The letters are independent, so each one has to be
    remembered by its position alone.
    """

    training_defaults = {"steps": 1500, "learning_rate": 5e-3}

    def __init__(self, options: ReverseOptions):
        self.options = options
        self.source_length, self.target_length = options.seq_length, options.seq_length + 1
        vocabulary = (*SPECIAL_TOKENS, *LETTERS)
        self.spec = seq2seq_spec((vocabulary, vocabulary), ("char", "char"), options.seq_length)

    def sample_pair(self, rng: np.random.Generator) -> SequencePair:
        max_length = self.options.seq_length
        length = rng.integers(max(1, max_length // 2), max_length + 1)
        letters = [LETTERS[i] for i in rng.integers(0, len(LETTERS), length)]
        return SequencePair(letters, letters[::-1])

    def summary(self) -> str:
        return f"reversing up to {self.options.seq_length} letters, generated anew for every step"
