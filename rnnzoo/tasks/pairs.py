"""The task `pairs`: sequence-to-sequence learning on pairs of texts from files."""

import dataclasses
import functools
import importlib.util
from pathlib import Path
from typing import Any

from rnnzoo.config import option
from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.bpe import PieceSplitter, all_pieces, learn_merges
from rnnzoo.data.cache import encode_file
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.pair_files import SIDES, PairFormat, add_counts, count_pieces, read_tsv
from rnnzoo.data.splits import FileOptions, Part, read_parts
from rnnzoo.data.vocabulary import check_vocabulary, choose_vocabulary
from rnnzoo.data.word_vectors import VECTORS_HELP, read_word_vectors
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import Level, TaskSpec
from rnnzoo.tasks.base import Seq2SeqTask, seq2seq_spec
from rnnzoo.tasks.base.encoded_pairs import open_pairs
from rnnzoo.tasks.base.seq2seq import METRICS


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
        max_lengths = options.max_source_length, options.max_target_length
        form = PairFormat(levels, options.lowercase, max_lengths, options.bleu)
        parts, files = read_parts(options, functools.partial(_encode, options, form))
        self.dropped = sum(arrays.facts["dropped"] for arrays in files)
        given = spec is not None
        vocabularies, merges = (
            ([spec.source_vocabulary, spec.vocabulary], (spec.source_merges, spec.merges))
            if spec
            else _make_vocabularies(parts["train"], levels, options)
        )
        splitters = [PieceSplitter(merges[i]) if levels[i] == "bpe" else None for i in (0, 1)]
        pairs = open_pairs(parts, vocabularies, splitters)
        max_length = max(int(pairs.target_lengths[split].max()) for split in SPLITS)
        metrics = (*(("bleu", "chrf") if options.bleu else ()), *METRICS)
        spec = spec or seq2seq_spec(vocabularies, levels, max_length, metrics, options.lowercase, merges)
        self.word_vectors = (
            read_word_vectors(options.vectors, spec.source_vocabulary) if options.vectors and not given else None
        )
        super().__init__(options, pairs, spec)

    def summary(self) -> str:
        dropped = (
            f"; {self.dropped:,} longer than --max_source_length, --max_target_length dropped" if self.dropped else ""
        )
        return f"{self.options.data}: {super().summary()}{dropped}"


def _encode(options: PairsOptions, form: PairFormat, path: Path) -> ArrayFolder:
    def write(writer: ArrayWriter) -> dict[str, Any]:
        return form.write(read_tsv(path, options.encoding), path, writer)

    return encode_file(path, ["pairs", options.encoding, *form], write, options.cache_dir)


def _make_vocabularies(
    train: Part, levels: tuple[Level, Level], options: PairsOptions
) -> tuple[list[tuple[str, ...]], tuple]:
    """Builds the vocabularies of both sides and, of sides of the level "bpe", the merges."""
    symbols = train.arrays.strings("symbols")
    counts = [train.count(side, len(symbols)) for side in SIDES]
    both = options.shared_vocabulary and levels == ("bpe", "bpe")
    words = [counts[0] + counts[1]] if both else counts
    merges = [
        learn_merges(symbols, n.tolist(), options.bpe_size) if level == "bpe" else ()
        for n, level in zip(words, levels, strict=not both)
    ] * (2 if both else 1)
    tokens = [
        count_pieces(symbols, n, side_merges) if level == "bpe" else (n, symbols)
        for n, side_merges, level in zip(counts, merges, levels, strict=True)
    ]
    if options.shared_vocabulary:
        tokens = [add_counts(*tokens)] * 2
    vocabularies = []
    for (token_counts, side_tokens), side_merges in zip(tokens, merges, strict=True):
        vocabulary = choose_vocabulary(token_counts, side_tokens, options.vocabulary_size, options.min_count)
        check_vocabulary(vocabulary, options.min_count)
        known = set(vocabulary)
        vocabularies.append(vocabulary + tuple(piece for piece in all_pieces(side_merges) if piece not in known))
    return vocabularies, tuple(merges)
