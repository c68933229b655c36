"""The task `pairs`: sequence-to-sequence learning on pairs of texts from files."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

from rnnzoo.config import option
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.bpe import PieceSplitter, all_pieces, learn_merges
from rnnzoo.data.splits import FileOptions, read_splits
from rnnzoo.data.tables import read_lines
from rnnzoo.data.vocabulary import build_vocabulary, check_vocabulary
from rnnzoo.data.word_vectors import VECTORS_HELP, read_word_vectors
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import Level, TaskSpec
from rnnzoo.tasks.base import Seq2SeqTask, SequencePair, seq2seq_spec
from rnnzoo.tasks.base.seq2seq import METRICS, SPLITTERS


@dataclasses.dataclass(frozen=True)
class PairsOptions(FileOptions):
    """Options of the task `pairs`."""

    data: str | None = option(None, "TSV file to train on: source, tab, target")
    level: str = option(
        "word",
        "kind of tokens: char, word (separated by spaces), token (words and punctuation), bpe (pieces of words)",
        choices=("char", "word", "token", "bpe"),
    )
    source_level: str | None = option(
        None,
        "kind of source tokens, if different; line: the source is one label",
        choices=("char", "word", "token", "bpe", "line"),
    )
    bpe_size: int = option(8000, "pieces of a byte-pair encoding, single characters included", minimum=2)
    vectors: str | None = option(None, f"{VECTORS_HELP}, of the source")
    min_count: int = option(1, "tokens with fewer occurrences in training become <unk>", minimum=1)
    vocabulary_size: int = option(20_000, "size of each vocabulary; other tokens become <unk>", minimum=1)
    shared_vocabulary: bool = option(False, "one vocabulary for sources and targets")
    max_source_length: int = option(100, "pairs with more source tokens are dropped", minimum=1)
    max_target_length: int = option(100, "pairs with more target tokens are dropped", minimum=1)
    lowercase: bool = option(False, "convert all text to lower case")
    bleu: bool = option(False, "also report bleu and chrf (needs sacrebleu)")
    batch_size: int = option(64, "pairs in a batch", minimum=1, size="batch")


@TASKS.register("pairs")
class Pairs(Seq2SeqTask):
    """Text pairs: translate, transcribe or rewrite a source text, as in the pairs of `--data`.

    A file has one pair on each line, source and target separated by a tab, and no header. `error_rate`, which
    selects the best model, is the edit distance between greedy output and target, per target token.
    """

    training_defaults = {"steps": 3000, "learning_rate": 2e-3}

    def __init__(self, options: PairsOptions, spec: TaskSpec | None = None):
        if options.data is None:
            raise UserError("--task=pairs needs --data, a TSV file of sources and targets")
        if options.bleu and importlib.util.find_spec("sacrebleu") is None:
            raise UserError("--bleu needs sacrebleu: pip install 'rnnzoo[bleu]'")
        names: dict[str, Any] = {"token": "joiner"}
        source_level = options.source_level or options.level
        levels = names.get(source_level, source_level), names.get(options.level, options.level)
        self.dropped = 0
        pairs = read_splits(options, lambda path: self._read(path, options, levels))
        pairs, merges = _divide_words(pairs, levels, options, spec)
        sides = [[pair.source for pair in pairs["train"]], [pair.target for pair in pairs["train"]]]
        if options.shared_vocabulary:
            sides = [sides[0] + sides[1]] * 2
        vocabularies = [build_vocabulary(side, options.vocabulary_size, options.min_count) for side in sides]
        for i, vocabulary in enumerate(vocabularies if spec is None else ()):
            check_vocabulary(vocabulary, options.min_count)
            vocabularies[i] += tuple(piece for piece in all_pieces(merges[i]) if piece not in set(vocabulary))
        max_length = max(len(pair.target) for split in SPLITS for pair in pairs[split])
        metrics = (*(("bleu", "chrf") if options.bleu else ()), *METRICS)
        given = spec is not None
        spec = spec or seq2seq_spec(vocabularies, levels, max_length, metrics, options.lowercase, merges)
        self.word_vectors = (
            read_word_vectors(options.vectors, spec.source_vocabulary) if options.vectors and not given else None
        )
        super().__init__(options, pairs, spec)

    def _read(self, path: Path, options: PairsOptions, levels: tuple[Level, Level]) -> list[SequencePair]:
        pairs, dropped = [], 0
        for number, line in read_lines(path, options.encoding):
            cells = line.rstrip("\r").split("\t")
            if not line.strip():
                continue
            if len(cells) < 2 or not cells[0].strip() or not cells[1].strip():
                raise UserError(f"{path}, line {number}: expected a source, a tab and a target")
            texts = [cell.lower() if options.lowercase else cell for cell in cells[:2]]
            source, target = (SPLITTERS[level](text.strip()) for level, text in zip(levels, texts, strict=True))
            pair = SequencePair(source, target, text=texts[1].strip())
            if len(pair.source) > options.max_source_length or len(pair.target) > options.max_target_length:
                dropped += 1
            else:
                pairs.append(pair)
        if not pairs:
            reason = (
                f"all {dropped} are longer than --max_source_length, --max_target_length" if dropped else "it is empty"
            )
            raise UserError(f"{path} holds no pair to train on: {reason}")
        self.dropped += dropped
        return pairs

    def summary(self) -> str:
        dropped = (
            f"; {self.dropped:,} longer than --max_source_length, --max_target_length dropped" if self.dropped else ""
        )
        return f"{self.options.data}: {super().summary()}{dropped}"


def _divide_words(
    pairs: dict[str, list[SequencePair]], levels: tuple[Level, Level], options: PairsOptions, spec: TaskSpec | None
) -> tuple:
    """Divides the words of sides of the level "bpe" into pieces: the pairs, and the merges of both sides."""
    merges: list[tuple[str, ...]] = [(), ()]
    sides = [side for side in (0, 1) if levels[side] == "bpe"]
    texts = [[pair.source for pair in pairs["train"]], [pair.target for pair in pairs["train"]]]
    if spec is not None:
        merges = [spec.source_merges, spec.merges]
    elif options.shared_vocabulary and len(sides) == 2:
        merges = [learn_merges(texts[0] + texts[1], options.bpe_size)] * 2
    else:
        for side in sides:
            merges[side] = learn_merges(texts[side], options.bpe_size)

    def keep(tokens: list[str]) -> list[str]:
        return tokens

    split_source, split_target = (PieceSplitter(merges[i]).split if i in sides else keep for i in (0, 1))
    divided = {
        split: [pair._replace(source=split_source(pair.source), target=split_target(pair.target)) for pair in part]
        for split, part in pairs.items()
    }
    return divided, (merges[0], merges[1])
