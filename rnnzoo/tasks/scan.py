"""The task `scan`: SCAN, commands in simplified English and their actions (Lake & Baroni 2018)."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.cache import encode_file
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.pair_files import SIDES, PairFormat
from rnnzoo.data.splits import FileOptions, Part, check_data_given, hold_out_splits, read_parts, whole_parts
from rnnzoo.data.tables import read_blocks
from rnnzoo.data.vocabulary import choose_vocabulary
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import Seq2SeqTask, SequencePair, seq2seq_spec
from rnnzoo.tasks.base.encoded_pairs import open_pairs

ACTIONS = ("walk", "look", "run", "jump")
MAX_TRAIN_ACTIONS = 22  # in the split `length`
VALIDATION_FRACTION = 0.05
FORM = re.compile("IN: (.+) OUT: (.+)")


@dataclasses.dataclass(frozen=True)
class ScanOptions(FileOptions):
    """Options of the task `scan`."""

    data: str | None = option(None, "file of `IN: ... OUT: ...` lines; default: all pairs, generated")
    split: str = option("simple", "which commands are held out", choices=("simple", "length", "add-jump", "turn-left"))
    batch_size: int = option(64, "commands in a batch", minimum=1, size="batch")


@TASKS.register("scan")
class Scan(Seq2SeqTask):
    """SCAN: output the actions of a command.

    There are 20,910 commands. Splits: `simple`, a random fifth is the test; `length`, the test has the commands of more
    than 22 actions; `add-jump`, the test has the commands that combine "jump" with other words; `turn-left`,
    likewise. In the latter two the commands "jump" and "turn left" alone make up a tenth of the training data. A
    twentieth of the training data is held out for validation.

    Lake & Baroni (2018), Generalization without systematicity, ICML, arXiv 1711.00350.
    """

    training_defaults = {"steps": 6000, "learning_rate": 2e-3}

    def __init__(self, options: ScanOptions, spec: TaskSpec | None = None):
        check_data_given(options)
        if options.data and options.split != "simple":
            raise UserError("--split applies to the generated pairs; with --data give --test_data")
        parts = _read_parts(options)
        symbols = parts["train"].arrays.strings("symbols")
        vocabularies = [choose_vocabulary(parts["train"].count(side, len(symbols)), symbols) for side in SIDES]
        max_length = max(int(part.lengths("target").max()) for part in parts.values())
        spec = spec or seq2seq_spec(vocabularies, ("word", "word"), max_length)
        pairs = open_pairs(parts, [spec.source_vocabulary, spec.vocabulary])
        super().__init__(options, pairs, spec)

    def summary(self) -> str:
        return f"SCAN, {self.options.data or 'split ' + self.options.split}: {super().summary()}"


def generate_pairs() -> list[SequencePair]:
    """Generates all commands and their actions."""
    verbs: dict[str, list[str]] = {verb: [f"I_{verb.upper()}"] for verb in ACTIONS}
    phrases = dict(verbs)
    for verb, actions in [*verbs.items(), ("turn", [])]:
        for side in ("left", "right"):
            turn = [f"I_TURN_{side.upper()}"]
            phrases[f"{verb} {side}"] = turn + actions
            phrases[f"{verb} opposite {side}"] = turn * 2 + actions
            phrases[f"{verb} around {side}"] = (turn + actions) * 4
    sentences = {
        f"{phrase}{adverb}": actions * count
        for phrase, actions in phrases.items()
        for adverb, count in (("", 1), (" twice", 2), (" thrice", 3))
    }
    commands = dict(sentences)
    for first, first_actions in sentences.items():
        for second, second_actions in sentences.items():
            commands[f"{first} and {second}"] = first_actions + second_actions
            commands[f"{first} after {second}"] = second_actions + first_actions
    return [SequencePair(command.split(), actions) for command, actions in commands.items()]


def generate_splits(name: str) -> dict[str, list[SequencePair]]:
    """Generates the pairs of each split."""
    pairs = generate_pairs()
    if name == "simple":
        order = np.random.default_rng(0).permutation(len(pairs))
        test = set(order[: len(pairs) // 5].tolist())
    elif name == "length":
        test = {i for i, pair in enumerate(pairs) if len(pair.target) > MAX_TRAIN_ACTIONS}
    else:
        word = ["jump"] if name == "add-jump" else ["turn", "left"]
        phrase = " ".join(word)
        test = {i for i, p in enumerate(pairs) if phrase in " ".join(p.source) and p.source != word}
    rest = [pair for i, pair in enumerate(pairs) if i not in test]
    isolated = [pair for pair in rest if name in ("add-jump", "turn-left") and pair.source == word]
    rest = [pair for pair in rest if pair not in isolated]
    splits = hold_out_splits(
        {"train": rest, "test": [pairs[i] for i in sorted(test)]}, VALIDATION_FRACTION, VALIDATION_FRACTION
    )
    # the isolated word is never held out, and makes up a tenth of the training data
    splits["train"] = splits["train"] + isolated * (1 + (len(rest) + 1) // 9)
    return splits


def _read_parts(options: ScanOptions) -> dict[str, Part]:
    form = PairFormat(("word", "word"))
    if not options.data:
        pairs = generate_splits(options.split)
        texts = {s: ([" ".join(p.source) for p in pairs[s]], [" ".join(p.target) for p in pairs[s]]) for s in SPLITS}
        return whole_parts(lambda split, writer: form.write([texts[split]], "SCAN", writer))[0]

    def encode(path: Path) -> ArrayFolder:
        blocks = _read(path, options.encoding)
        return encode_file(path, ["scan", options.encoding], lambda w: form.write(blocks, path, w), options.cache_dir)

    return read_parts(options, encode)[0]


def _read(path: Path, encoding: str) -> Iterator[tuple[list[str], list[str]]]:
    for number, lines in read_blocks(path, encoding):
        matches = [FORM.fullmatch(line.strip()) for line in lines if not line.isspace()]
        if not all(matches):
            i = next(i for i, line in enumerate(lines, number) if line.strip() and not FORM.fullmatch(line.strip()))
            raise UserError(f"{path}, line {i}: expected the form 'IN: command OUT: actions'")
        pairs = [(" ".join(match[1].split()), " ".join(match[2].split())) for match in matches if match]
        yield [source for source, _ in pairs], [target for _, target in pairs]
