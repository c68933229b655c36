"""The task `char_lm`: character-level language modelling."""

import bz2
import dataclasses
import lzma
import math
import zlib
from typing import Any

from rnnzoo.config import option
from rnnzoo.data.encoded_corpus import TokenCounts
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import LanguageModelTask, TextOptions


@dataclasses.dataclass(frozen=True)
class CharLMOptions(TextOptions):
    """Options of the task `char_lm`."""

    min_count: int = option(2, "characters with fewer occurrences in training become <unk>", minimum=1)


@TASKS.register("char_lm")
class CharLM(LanguageModelTask):
    """Character-level language modelling: predict the next character."""

    __doc__ += "\n" + (LanguageModelTask.__doc__ or "").partition("\n")[2]
    level = "char"
    metrics = ("bits_per_char", "perplexity", "accuracy")
    training_defaults = {"steps": 1000, "learning_rate": 1e-2}

    def __init__(self, options: CharLMOptions, spec: TaskSpec | None = None):
        super().__init__(options, spec)

    def choose_vocabulary(self, counts: TokenCounts) -> list[str]:
        kept = (c for c, n in counts.items() if n >= self.options.min_count)
        return sorted(kept, key=lambda c: (-counts[c], c))

    def prompts(self) -> list[str]:
        return super().prompts() if self.options.data else ["def __init__(self, ", "    def ", "import os\n\n\ndef "]

    def baselines(self) -> dict[str, dict[str, float]]:
        baselines = super().baselines()
        compressors: dict[str, Any] = {
            "zlib": zlib.compressobj(9),
            "bz2": bz2.BZ2Compressor(),
            "xz": lzma.LZMACompressor(),
        }
        sizes = dict.fromkeys(compressors, 0)
        for document in self.documents["test"]:
            for piece in document.pieces():
                for name, compressor in compressors.items():
                    sizes[name] += len(compressor.compress(piece.encode("utf-8", "surrogatepass")))
        characters = int(self.encoded["test"].counts.sum())
        for name, compressor in compressors.items():
            bits = 8 * (sizes[name] + len(compressor.flush())) / characters
            baselines[name] = self.metrics_from_loss(bits * math.log(2))
        return baselines
