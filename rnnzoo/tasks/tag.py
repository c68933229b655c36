"""The task `tag`: sequence tagging."""

import collections
import dataclasses
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.data import corpus, python_source
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.bucketing import Example
from rnnzoo.data.splits import FileOptions, check_data_given, read_splits
from rnnzoo.data.tables import read_lines
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import PAD, SPECIAL_TOKENS, UNKNOWN, TaskSpec
from rnnzoo.tasks.base import InMemoryTask

Sentence = tuple[list[str], list[str]]  # tokens and their labels
MAX_CHARS_PER_FILE = 10_000  # so that a small set has many files


@dataclasses.dataclass(frozen=True)
class TagOptions(FileOptions):
    """Options of the task `tag`."""

    data: str | None = option(None, "file in CoNLL format; default: the Python standard library, by character")
    columns: str = option("0,-1", "columns of the word and of its tag; 0: the first, -1: the last")
    min_count: int = option(2, "words of --data with fewer occurrences in training become <unk>", minimum=1)
    char_embedding: bool = option(False, "embed each word also by a bidirectional LSTM over its characters")
    word_length: int = option(20, "characters of a word that are read", minimum=1, size="time")
    seq_length: int = option(200, "characters in a sequence of source code", minimum=1, size="time")
    data_size: int = option(400_000, "characters of source code to train on; 0: all", minimum=0)


@TASKS.register("tag")
class Tag(InMemoryTask):
    """Tagging: a label for each word of a sentence.

    Files have the format of the CoNLL shared tasks: a word and its tag on each line, in the columns of `--columns`,
    and an empty line after each sentence. `accuracy` is that of single tags; for B-, I- and O tags, `f1` is that of
    whole spans, as in conlleval. The default data are Python source files, to be tagged by character with the kind
    of its token.
    """

    training_defaults = {"steps": 1000, "learning_rate": 5e-3}

    def __init__(self, options: TagOptions):
        check_data_given(options, "columns", "min_count", "char_embedding", "word_length")
        self.origin = options.data or "the Python standard library"
        if options.data is None:
            sentences = _read_source_code(options)
        else:
            sentences = read_splits(options, lambda path: _read_conll(path, options), shuffle=False)
        counts = collections.Counter(token for tokens, _ in sentences["train"] for token in tokens)
        min_count = options.min_count if options.data else 1
        self.known = {token: count for token, count in counts.items() if count >= min_count}
        if not self.known:
            raise UserError(
                f"--data: no word occurs {options.min_count} times in the training data; give --min_count=1"
            )
        spec = _make_spec(
            options, self.known, {tag for split in SPLITS for _, tags in sentences[split] for tag in tags}
        )
        vocabularies = (spec.vocabulary, spec.char_vocabulary)
        words, chars = ({s: i for i, s in enumerate(v) if i >= len(SPECIAL_TOKENS)} for v in vocabularies)
        label_ids = {label: i for i, label in enumerate(spec.labels)}

        def to_example(sentence: Sentence) -> Example:
            tokens, tags = sentence
            return Example(
                _encode(tokens, words, chars, spec.word_length), np.array([label_ids[tag] for tag in tags], "int32")
            )

        super().__init__(options, {s: [to_example(sentence) for sentence in sentences[s]] for s in SPLITS}, spec)

    def baselines(self) -> dict[str, dict[str, float]]:
        """Returns the accuracy of the most frequent tag, and of the most frequent tag of each word."""
        train, test = (
            (
                np.concatenate([_word_ids(e) for e in self.examples[s]]),
                np.concatenate([e.targets for e in self.examples[s]]),
            )
            for s in ("train", "test")
        )
        counts = np.zeros((self.spec.input_size, self.spec.output_size))
        np.add.at(counts, train, 1)
        most_frequent = counts.sum(0).argmax()
        by_word = np.where(counts.sum(1) > 0, counts.argmax(1), most_frequent)
        predictions = {
            "most frequent tag": np.full_like(test[1], most_frequent),
            "most frequent tag of the word": by_word[test[0]],
        }
        return {name: {"accuracy": float(np.mean(tags == test[1]))} for name, tags in predictions.items()}

    def summary(self) -> str:
        sizes = ", ".join(f"{s} {self.lengths[s].sum():,}" for s in SPLITS)
        token_name = "characters" if self.options.data is None else "words"
        return (
            f"{self.origin}: {token_name} {sizes}; vocabulary of {self.spec.input_size}, {self.spec.output_size} tags"
        )


def _make_spec(options: TagOptions, counts: dict[str, int], tags: set[str]) -> TaskSpec:
    """Creates the specification from the counts of the known tokens and the tags."""
    vocabulary = (*SPECIAL_TOKENS, *sorted(counts, key=lambda token: (-counts[token], token)))
    chars = sorted({c for token in counts for c in token}) if options.char_embedding else ()
    has_spans = any(tag[:2] in ("B-", "I-", "S-", "E-") for tag in tags)
    return TaskSpec(
        inputs="tokens",
        outputs="class",
        per_step=True,
        input_size=len(vocabulary),
        output_size=len(tags),
        loss="cross_entropy",
        metrics=("loss", "accuracy", *(["f1"] if has_spans else [])),
        vocabulary=vocabulary,
        level="char" if options.data is None else "word",
        labels=tuple(sorted(tags)),
        char_vocabulary=(*SPECIAL_TOKENS, *chars) if chars else (),
        word_length=options.word_length if chars else 0,
    )


def _word_ids(example: Example) -> np.ndarray:
    return example.inputs if example.inputs.ndim == 1 else example.inputs[:, 0]


def _encode(tokens: list[str], words: dict[str, int], chars: dict[str, int], length: int) -> np.ndarray:
    """Returns the ids of tokens `[time]`, or with the ids of their characters `[time, 1 + length]`."""
    ids = np.array([words.get(token, UNKNOWN) for token in tokens], "int32")
    if not length:
        return ids
    char_ids = np.full((len(tokens), length), PAD, "int32")
    for row, token in zip(char_ids, tokens, strict=True):
        row[: len(token)] = [chars.get(c, UNKNOWN) for c in token[:length]]
    return np.concatenate([ids[:, None], char_ids], 1)


def _read_conll(path: Path, options: TagOptions) -> list[Sentence]:
    try:
        word, tag = (int(part) for part in options.columns.split(","))
    except ValueError:
        raise UserError(
            f"--columns={options.columns} must be two numbers, the columns of the word and of its tag, such as 0,-1"
        ) from None
    sentences: list[Sentence] = [([], [])]
    tabs = any("\t" in line for _, line in read_lines(path, options.encoding))
    for number, line in read_lines(path, options.encoding):
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


def _read_source_code(options: TagOptions) -> dict[str, list[Sentence]]:
    """Returns pieces of source files, each character tagged with the kind of its token.

    Held-out splits have an eighth of the size.
    """
    documents = corpus.read_standard_library(0)
    sentences: dict[str, list[Sentence]] = {s: [] for s in SPLITS}
    for split in SPLITS:
        remaining = options.data_size or None
        remaining = max(1, remaining // 8) if remaining and split != "train" else remaining
        for document in documents[split]:
            labelled = python_source.label_characters(document)
            if labelled is None:
                continue
            limit = min(remaining or MAX_CHARS_PER_FILE, MAX_CHARS_PER_FILE)
            text, labels = labelled[0][:limit], labelled[1][:limit]
            for i in range(0, len(text), options.seq_length):
                piece = slice(i, i + options.seq_length)
                sentences[split].append((list(text[piece]), labels[piece]))
            remaining = None if remaining is None else remaining - len(text)
            if remaining == 0:
                break
    return sentences
