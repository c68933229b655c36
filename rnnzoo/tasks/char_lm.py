"""Character-wise language modelling."""

import bz2
import dataclasses
import lzma
import math
import zlib
from typing import Any

from rnnzoo.config import option
from rnnzoo.registry import TASKS
from rnnzoo.tasks import corpus
from rnnzoo.tasks.language import LanguageModel
from rnnzoo.tasks.units import Characters, Counts


@dataclasses.dataclass(frozen=True)
class TextOptions:
    """Options of every task on running text."""

    data: str | None = option(None, "files, folders or globs, comma-separated; default: the Python standard library")
    encoding: str = option("utf-8", "encoding of --data")
    data_size: int = option(0, "most characters of the standard library to train on; 0: all", minimum=0)
    held_out: float = option(0.1, "fraction of --data held out for validation and test", minimum=0.001, below=1)
    seq_length: int = option(100, "units a step that the gradient goes back through", minimum=1, size="time")
    batch_size: int = option(64, "streams of text read side by side", minimum=1, size="batch")

    def documents(self) -> tuple[corpus.Splits, str]:
        """The text, and where it is from."""
        if self.data is None:
            return corpus.standard_library(self.data_size), "the Python standard library"
        return corpus.files(self.data, self.encoding, self.held_out), self.data


@dataclasses.dataclass(frozen=True)
class CharLMOptions(TextOptions):
    """Options of character-wise language modelling."""

    min_count: int = option(2, "characters seen less often in training become <unk>", minimum=1)


@TASKS.register("char_lm")
class CharLM(LanguageModel):
    """Character-wise language modelling: guess the next character."""

    __doc__ += "\n" + (LanguageModel.__doc__ or "").partition("\n")[2]
    units, level = Characters(), "char"
    metrics = ("bits_per_char", "perplexity", "accuracy")
    training_defaults = {"steps": 1000, "learning_rate": 1e-2}

    def __init__(self, options: CharLMOptions):
        super().__init__(options, *options.documents())

    def vocabulary(self, counts: Counts) -> list[str]:
        kept = (c for c, n in counts.items() if n >= self.options.min_count)
        return sorted(kept, key=lambda c: (-counts[c], c))

    def prompts(self) -> list[str]:
        return super().prompts() if self.options.data else ["def __init__(self, ", "    def ", "import os\n\n\ndef "]

    def baselines(self) -> dict[str, dict[str, float]]:
        found = super().baselines()
        made: dict[str, Any] = {"zlib": zlib.compressobj(9), "bz2": bz2.BZ2Compressor(), "xz": lzma.LZMACompressor()}
        sizes = dict.fromkeys(made, 0)
        for document in self.documents["test"]:
            for piece in document.pieces():
                for name, compressor in made.items():
                    sizes[name] += len(compressor.compress(piece.encode("utf-8", "surrogatepass")))
        characters = int(self.encoded["test"].counts.sum())
        for name, compressor in made.items():
            bits = 8 * (sizes[name] + len(compressor.flush())) / characters
            found[name] = self.known(bits * math.log(2))
        return found
