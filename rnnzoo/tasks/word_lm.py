"""The task `word_lm`: word-level language modelling."""

import dataclasses

from rnnzoo.config import option
from rnnzoo.data.encoded_corpus import TokenCounts
from rnnzoo.data.word_vectors import VECTORS_HELP, read_word_vectors
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import LanguageModelTask, TextOptions


@dataclasses.dataclass(frozen=True)
class WordLMOptions(TextOptions):
    """Options of the task `word_lm`."""

    seq_length: int = option(
        35, "tokens in a training step, the length of truncated back-propagation", minimum=1, size="time"
    )
    batch_size: int = option(32, "streams of text read in parallel", minimum=1, size="batch")
    vectors: str | None = option(None, VECTORS_HELP)
    vocabulary_size: int = option(10_000, "size of the vocabulary; other words become <unk>", minimum=1)


@TASKS.register("word_lm")
class WordLM(LanguageModelTask):
    """Word-level language modelling: predict the next word.

    Words are separated by spaces; a newline is a word of its own.
    """

    __doc__ += "\n" + (LanguageModelTask.__doc__ or "").partition("\n")[2]
    level = "word"
    metrics = ("perplexity", "accuracy")
    training_defaults = {"steps": 1000, "learning_rate": 4e-3}

    def __init__(self, options: WordLMOptions, spec: TaskSpec | None = None):
        super().__init__(options, spec)
        self.word_vectors = (
            read_word_vectors(options.vectors, self.spec.vocabulary) if options.vectors and not spec else None
        )

    def choose_vocabulary(self, counts: TokenCounts) -> list[str]:
        return sorted(counts, key=lambda w: (-counts[w], w))[: self.options.vocabulary_size]
