"""Pairs of texts from a file: a source, and what is to be written for it."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import Level
from rnnzoo.tasks import table
from rnnzoo.tasks.base import SPLITS
from rnnzoo.tasks.pairing import LEVELS, METRICS, Pair, PairTask, pair_spec
from rnnzoo.tasks.stored import FileOptions, from_files
from rnnzoo.tasks.vocabulary import check_known, vocabulary


@dataclasses.dataclass(frozen=True)
class PairsOptions(FileOptions):
    """Options of pairs of texts."""

    data: str | None = option(None, "TSV to train on: a source, a tab, what is to be written")
    level: str = option("word", "units of both sides: char, or word (what spaces separate)", choices=("char", "word"))
    source_level: str | None = option(
        None, "those of sources, if they are others; line: a whole line is one label", choices=("char", "word", "line")
    )
    min_count: int = option(1, "units seen less often in training become <unk>", minimum=1)
    vocabulary_size: int = option(20_000, "most units to know on each side; the rest become <unk>", minimum=1)
    shared_vocabulary: bool = option(False, "one vocabulary for both sides")
    source_max: int = option(100, "pairs whose source has more units are dropped", minimum=1)
    target_max: int = option(100, "pairs that are longer to write are dropped", minimum=1)
    lowercase: bool = option(False, "all text in lower case")
    bleu: bool = option(False, "report bleu and chrf too (needs sacrebleu)")
    batch_size: int = option(64, "pairs a step", minimum=1, size="batch")


@TASKS.register("pairs")
class Pairs(PairTask):
    """Pairs of texts: translate, transcribe, rewrite what `--data` pairs up.

    A file has a pair a line, a tab between its sides, and no header. `error_rate`, which chooses the best model,
    is the edit distance of what greedy decoding writes over the number of units that were to be written.
    """

    training_defaults = {"steps": 3000, "learning_rate": 2e-3}

    def __init__(self, options: PairsOptions):
        if options.data is None:
            raise UserError("--task=pairs needs --data, a TSV file: a source, a tab, what is to be written")
        if options.bleu and importlib.util.find_spec("sacrebleu") is None:
            raise UserError("--bleu needs sacrebleu: pip install 'rnnzoo[bleu]'")
        levels: tuple[Any, Any] = (options.source_level or options.level, options.level)
        self.dropped = 0
        pairs = from_files(options, lambda path: self._read(path, options, levels))
        sides = [[pair.source for pair in pairs["train"]], [pair.target for pair in pairs["train"]]]
        if options.shared_vocabulary:
            sides = [sides[0] + sides[1]] * 2
        known = [vocabulary(side, options.vocabulary_size, options.min_count) for side in sides]
        for symbols in known:
            check_known(symbols, options.min_count)
        longest = max(len(pair.target) for split in SPLITS for pair in pairs[split])
        metrics = (*METRICS, *(("bleu", "chrf") if options.bleu else ()))
        spec = pair_spec(known[0], known[1], levels, longest, metrics, options.lowercase)
        super().__init__(options, pairs, spec)

    def _read(self, path: Path, options: PairsOptions, levels: tuple[Level, Level]) -> list[Pair]:
        found, dropped = [], 0
        for number, line in table.lines(path, options.encoding):
            cells = line.rstrip("\r").split("\t")
            if not line.strip():
                continue
            if len(cells) < 2 or not cells[0].strip() or not cells[1].strip():
                raise UserError(f"{path}, line {number}: a source, a tab and what is to be written are needed")
            texts = [cell.lower() if options.lowercase else cell for cell in cells[:2]]
            source, target = (LEVELS[level](text.strip()) for level, text in zip(levels, texts, strict=True))
            pair = Pair(source, target)
            if len(pair.source) > options.source_max or len(pair.target) > options.target_max:
                dropped += 1
            else:
                found.append(pair)
        if not found:
            reason = f"all {dropped} are longer than --source_max, --target_max" if dropped else "it is empty"
            raise UserError(f"{path} holds no pair to learn from: {reason}")
        self.dropped += dropped
        return found

    def summary(self) -> str:
        dropped = f"; {self.dropped:,} longer than --source_max, --target_max dropped" if self.dropped else ""
        return f"{self.options.data}: {super().summary()}{dropped}"
