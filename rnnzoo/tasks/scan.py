"""SCAN: commands in simplified English, and the actions they stand for (Lake & Baroni 2018)."""

import dataclasses
import re
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.tasks import table
from rnnzoo.tasks.base import SPLITS
from rnnzoo.tasks.pairing import Pair, PairTask, pair_spec
from rnnzoo.tasks.stored import FileOptions, from_files, hold_out, need_data
from rnnzoo.tasks.vocabulary import vocabulary

ACTIONS = ("walk", "look", "run", "jump")
LONGEST = 22  # actions of a training pair in the split by length
VALIDATION = 0.05


@dataclasses.dataclass(frozen=True)
class ScanOptions(FileOptions):
    """Options of SCAN."""

    data: str | None = option(None, "file of `IN: ... OUT: ...` lines; default: all pairs, made from the grammar")
    split: str = option("simple", "what is held out", choices=("simple", "length", "add-jump", "turn-left"))
    batch_size: int = option(64, "commands a step", minimum=1, size="batch")


@TASKS.register("scan")
class Scan(PairTask):
    """SCAN: write the actions that a command stands for.

    All 20,910 commands of the grammar. Splits: `simple`, one in five at random; `length`, those of more than 22
    actions; `add-jump`, those that hold "jump" among other words; `turn-left`, likewise. The commands "jump" and
    "turn left" themselves, each by itself, make up a tenth of the training in these two. A twentieth of what
    is to train on is kept for validation.

    Lake & Baroni (2018), Generalization without systematicity, ICML, arXiv 1711.00350.
    """

    training_defaults = {"steps": 6000, "learning_rate": 2e-3}

    def __init__(self, options: ScanOptions):
        need_data(options)
        if options.data and options.split != "simple":
            raise UserError("--split is of the pairs made from the grammar; with --data give --test_data")
        pairs = from_files(options, lambda path: _read(path, options)) if options.data else split(options.split)
        symbols = [vocabulary(pair[side] for pair in pairs["train"]) for side in (0, 1)]
        longest = max(len(pair.target) for part in SPLITS for pair in pairs[part])
        super().__init__(options, pairs, pair_spec(symbols[0], symbols[1], ("word", "word"), longest))

    def summary(self) -> str:
        return f"SCAN, {self.options.data or 'split ' + self.options.split}: {super().summary()}"


def grammar() -> list[Pair]:
    """All commands and their actions."""
    verbs: dict[str, list[str]] = {verb: [f"I_{verb.upper()}"] for verb in ACTIONS}
    phrases = dict(verbs)
    for verb, does in [*verbs.items(), ("turn", [])]:
        for side in ("left", "right"):
            turn = [f"I_TURN_{side.upper()}"]
            phrases[f"{verb} {side}"] = turn + does
            phrases[f"{verb} opposite {side}"] = turn * 2 + does
            phrases[f"{verb} around {side}"] = (turn + does) * 4
    sentences = {
        f"{p}{often}": d * n for p, d in phrases.items() for often, n in (("", 1), (" twice", 2), (" thrice", 3))
    }
    found = dict(sentences)
    for first, does in sentences.items():
        for second, then in sentences.items():
            found[f"{first} and {second}"] = does + then
            found[f"{first} after {second}"] = then + does
    return [Pair(command.split(), actions) for command, actions in found.items()]


def split(name: str) -> dict[str, list[Pair]]:
    """Training, validation and test."""
    pairs = grammar()
    if name == "simple":
        order = np.random.default_rng(0).permutation(len(pairs))
        test = set(order[: len(pairs) // 5].tolist())
    elif name == "length":
        test = {i for i, pair in enumerate(pairs) if len(pair.target) > LONGEST}
    else:
        alone = ["jump"] if name == "add-jump" else ["turn", "left"]
        words = " ".join(alone)
        test = {i for i, p in enumerate(pairs) if words in " ".join(p.source) and p.source != alone}
    rest = [pair for i, pair in enumerate(pairs) if i not in test]
    by_itself = [pair for pair in rest if name in ("add-jump", "turn-left") and pair.source == alone]
    rest = [pair for pair in rest if pair not in by_itself]
    found = hold_out({"train": rest, "test": [pairs[i] for i in sorted(test)]}, 2 * VALIDATION)
    # the new word by itself is never held out, and is a tenth of what is trained on
    found["train"] = found["train"] + by_itself * (1 + (len(rest) + 1) // 9)
    return found


def _read(path: Path, options: ScanOptions) -> list[Pair]:
    found = []
    for number, line in table.lines(path, options.encoding):
        if not line.strip():
            continue
        match = re.fullmatch(r"IN: (.+) OUT: (.+)", line.strip())
        if not match:
            raise UserError(f"{path}, line {number}: not of the form 'IN: command OUT: actions'")
        found.append(Pair(match[1].split(), match[2].split()))
    if not found:
        raise UserError(f"{path} is empty")
    return found
