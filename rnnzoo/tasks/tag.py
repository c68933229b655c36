"""Tagging: a label for every word, or for every character."""

import collections
import dataclasses
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import PAD, SPECIAL, UNKNOWN, TaskSpec
from rnnzoo.tasks import corpus, python_source, table
from rnnzoo.tasks.base import SPLITS
from rnnzoo.tasks.stored import Example, FileOptions, StoredTask, from_files, need_data

Sentence = tuple[list[str], list[str]]  # units, and the label of each
OF_EACH_FILE = 10_000  # characters: many files in a small set


@dataclasses.dataclass(frozen=True)
class TagOptions(FileOptions):
    """Options of tagging."""

    data: str | None = option(None, "columns as CoNLL writes them; default: the Python standard library, by character")
    columns: str = option("0,-1", "of the word and of its tag; 0: the first, -1: the last")
    min_count: int = option(2, "words of --data seen less often in training become <unk>", minimum=1)
    characters: bool = option(False, "a network over its characters inside the embedding of each word")
    word_length: int = option(20, "characters of a word that it sees", minimum=1, size="time")
    seq_length: int = option(200, "characters in a piece of source code", minimum=1, size="time")
    data_size: int = option(400_000, "characters of source code to train on; 0: all", minimum=0)


@TASKS.register("tag")
class Tag(StoredTask):
    """Tagging: a label for every word of a sentence.

    Files have a word a line, its tag in a column (`--columns`), and an empty line after each
    sentence, as in the CoNLL shared tasks. `accuracy` is that of single tags; where they are B-, I-
    and O tags, `f1` is that of whole spans, as conlleval counts it. By default: which kind of token
    each character of Python source is part of, as the standard library's own tokenizer says.
    """

    training_defaults = {"steps": 1000, "learning_rate": 5e-3}

    def __init__(self, options: TagOptions):
        need_data(options, "columns", "min_count", "characters", "word_length")
        self.origin = options.data or "the Python standard library"
        if options.data is None:
            sentences = _source_code(options)
        else:
            sentences = from_files(options, lambda path: _conll(path, options), shuffle=False)
        counts = collections.Counter(unit for units, _ in sentences["train"] for unit in units)
        self.known = {u: c for u, c in counts.items() if c >= (options.min_count if options.data else 1)}
        if not self.known:
            raise UserError(f"--data: no word is seen {options.min_count} times in training; give --min_count=1")
        symbols = (*SPECIAL, *sorted(self.known, key=lambda u: (-self.known[u], u)))
        labels = tuple(sorted({label for split in SPLITS for _, found in sentences[split] for label in found}))
        spelled = (*SPECIAL, *sorted({c for unit in self.known for c in unit})) if options.characters else ()
        spans = any(label[:2] in ("B-", "I-", "S-", "E-") for label in labels)
        spec = TaskSpec(
            inputs="tokens",
            outputs="class",
            per_step=True,
            input_size=len(symbols),
            output_size=len(labels),
            loss="cross_entropy",
            metrics=("loss", "accuracy", *(["f1"] if spans else [])),
            vocabulary=symbols,
            level="char" if options.data is None else "word",
            labels=labels,
            characters=spelled,
            word_length=options.word_length if spelled else 0,
        )
        words, letters = ({s: i for i, s in enumerate(t) if i >= len(SPECIAL)} for t in (symbols, spelled))
        places = {label: i for i, label in enumerate(labels)}

        def example(sentence: Sentence) -> Example:
            units, found = sentence
            return Example(
                _ids(units, words, letters, spec.word_length), np.array([places[label] for label in found], "int32")
            )

        super().__init__(options, {s: [example(sentence) for sentence in sentences[s]] for s in SPLITS}, spec)

    def baselines(self) -> dict[str, dict[str, float]]:
        """The likeliest label of all, and that of each word by itself."""
        train, test = (
            (
                np.concatenate([_words(e) for e in self.examples[s]]),
                np.concatenate([e.targets for e in self.examples[s]]),
            )
            for s in ("train", "test")
        )
        counts = np.zeros((self.spec.input_size, self.spec.output_size))
        np.add.at(counts, train, 1)
        often = counts.sum(0).argmax()
        by_word = np.where(counts.sum(1) > 0, counts.argmax(1), often)
        guesses = {"commonest tag": np.full_like(test[1], often), "commonest tag of the word": by_word[test[0]]}
        return {name: {"accuracy": float(np.mean(guess == test[1]))} for name, guess in guesses.items()}

    def summary(self) -> str:
        sizes = ", ".join(f"{s} {self.lengths[s].sum():,}" for s in SPLITS)
        unit = "characters" if self.options.data is None else "words"
        return f"{self.origin}: {unit} {sizes}; {self.spec.input_size} symbols, {self.spec.output_size} tags"


def _words(example: Example) -> np.ndarray:
    return example.inputs if example.inputs.ndim == 1 else example.inputs[:, 0]


def _ids(units: list[str], words: dict[str, int], letters: dict[str, int], length: int) -> np.ndarray:
    """Ids of units `[time]`, or with those of their characters `[time, 1 + length]`."""
    ids = np.array([words.get(unit, UNKNOWN) for unit in units], "int32")
    if not length:
        return ids
    spelled = np.full((len(units), length), PAD, "int32")
    for row, unit in zip(spelled, units, strict=True):
        row[: len(unit)] = [letters.get(c, UNKNOWN) for c in unit[:length]]
    return np.concatenate([ids[:, None], spelled], 1)


def _conll(path: Path, options: TagOptions) -> list[Sentence]:
    try:
        word, tag = (int(part) for part in options.columns.split(","))
    except ValueError:
        raise UserError(f"--columns={options.columns} must be two numbers, of the word and of its tag: 0,-1") from None
    sentences: list[Sentence] = [([], [])]
    tabs = any("\t" in line for _, line in table.lines(path, options.encoding))
    for number, line in table.lines(path, options.encoding):
        cells = line.split("\t") if tabs else line.split()
        if not line.strip():
            sentences.append(([], []))
        elif tabs and len(cells) == 1 and line.startswith("#"):
            continue  # a comment, as in CoNLL-U
        elif cells[0] != "-DOCSTART-":
            if max(word, tag, -word - 1, -tag - 1) >= len(cells) or len(cells) < 2:
                raise UserError(
                    f"{path}, line {number}: {len(cells)} columns, but --columns={options.columns} needs more"
                )
            if not (cells[word].strip() and cells[tag].strip()):
                raise UserError(f"{path}, line {number}: the word or its tag is empty")
            sentences[-1][0].append(cells[word])
            sentences[-1][1].append(cells[tag])
    sentences = [s for s in sentences if s[0]]
    if not sentences:
        raise UserError(f"{path} holds no sentence")
    return sentences


def _source_code(options: TagOptions) -> dict[str, list[Sentence]]:
    """Pieces of source files, each character with the kind of its token; held-out splits have an eighth of the size."""
    documents = corpus.standard_library(0)
    found: dict[str, list[Sentence]] = {s: [] for s in SPLITS}
    for split in SPLITS:
        left = options.data_size or None
        left = max(1, left // 8) if left and split != "train" else left
        for document in documents[split]:
            found_kinds = python_source.kinds(document)
            if found_kinds is None:
                continue
            most = min(left or OF_EACH_FILE, OF_EACH_FILE)
            text, labels = found_kinds[0][:most], found_kinds[1][:most]
            for i in range(0, len(text), options.seq_length):
                piece = slice(i, i + options.seq_length)
                found[split].append((list(text[piece]), labels[piece]))
            left = None if left is None else left - len(text)
            if left == 0:
                break
    return found
