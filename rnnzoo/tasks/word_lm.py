"""Word-wise language modelling."""

import dataclasses

from rnnzoo.config import option
from rnnzoo.registry import TASKS
from rnnzoo.tasks.char_lm import TextOptions
from rnnzoo.tasks.language import LanguageModel
from rnnzoo.tasks.units import Counts, Words


@dataclasses.dataclass(frozen=True)
class WordLMOptions(TextOptions):
    """Options of word-wise language modelling."""

    seq_length: int = option(35, "units a step that the gradient goes back through", minimum=1, size="time")
    batch_size: int = option(32, "streams of text read side by side", minimum=1, size="batch")
    vocabulary_size: int = option(10_000, "words to know, the most frequent; others become <unk>", minimum=1)


@TASKS.register("word_lm")
class WordLM(LanguageModel):
    """Word-wise language modelling: guess the next word.

    Words are what spaces separate; a newline is a word of its own.
    """

    __doc__ += "\n" + (LanguageModel.__doc__ or "").partition("\n")[2]
    units, level = Words(), "word"
    metrics = ("perplexity", "accuracy")
    training_defaults = {"steps": 1000, "learning_rate": 4e-3}

    def __init__(self, options: WordLMOptions):
        super().__init__(options, *options.documents())

    def vocabulary(self, counts: Counts) -> list[str]:
        return sorted(counts, key=lambda w: (-counts[w], w))[: self.options.vocabulary_size]
