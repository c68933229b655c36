"""ListOps: nested lists of digits under MIN, MAX, MED and SM, and what they come to (Nangia & Bowman 2018)."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import SPECIAL
from rnnzoo.tasks import table
from rnnzoo.tasks.base import SPLITS
from rnnzoo.tasks.classes import ClassTask, class_spec
from rnnzoo.tasks.files import check_file
from rnnzoo.tasks.stored import FileOptions, hold_out
from rnnzoo.tasks.trees import Tree, example, parse

DIGITS = tuple("0123456789")
OPERATORS: dict[str, Callable[[list[int]], int]] = {
    "[MAX": max,
    "[MIN": min,
    "[MED": lambda values: int(np.median(values)),
    "[SM": lambda values: sum(values) % 10,
}
END = "]"
SYMBOLS = (*SPECIAL, *DIGITS, *OPERATORS, END)
NESTED, ARGUMENTS, OPERATION = 0.25, (2, 5), 19  # chance of a list in a list, its length, how deep lists go
PATIENCE = 10_000  # expressions in a row that are known already, or too long, before there are no others


@dataclasses.dataclass(frozen=True)
class ListOpsOptions(FileOptions):
    """Options of ListOps."""

    data: str | None = option(None, "TSV of results and expressions in brackets; default: generated")
    batch_size: int = option(64, "expressions a step", minimum=1, size="batch")
    train_size: int = option(20_000, "expressions generated for training", minimum=1, size="examples")
    eval_size: int = option(
        2_000, "expressions generated for validation, and as many for the test", minimum=1, maximum=10_000_000
    )
    longest: int = option(200, "symbols of the longest expression generated for training", minimum=5, size="time")
    flat: bool = option(False, "read as a sequence, without brackets: for models of sequences")


@TASKS.register("listops")
class ListOps(ClassTask):
    """ListOps: what does `[MAX 2 9 [MIN 4 7 ] 0 ]` come to?

    Lists of two to five digits or lists, each a list with a chance of 1/4, up to 19 deep; MED is the median (rounded
    down), SM the sum modulo 10. As trees they lean to the left, two children a node, as in the published files:
    `( ( ( [MAX 2 ) 9 ) ] )`; with `--flat` they are sequences of symbols. Every expression is in one split
    only; what is in the validation or the test is dropped from the training.

    Nangia & Bowman (2018), ListOps: A diagnostic dataset for latent tree learning, NAACL student workshop.
    """

    kind = "expressions"
    training_defaults = {"steps": 3000, "learning_rate": 3e-3}

    def __init__(self, options: ListOpsOptions):
        found = _read_all(options)
        spec = class_spec(
            DIGITS,
            inputs="tokens" if options.flat else "tree",
            input_size=len(SYMBOLS),
            vocabulary=SYMBOLS,
            level="word",
            arity=0 if options.flat else 2,
        )
        examples = {
            s: [example(tree, SYMBOLS, np.int32(result), options.flat) for tree, result in found[s].values()]
            for s in SPLITS
        }
        super().__init__(options, examples, spec)
        self.origin = f"ListOps, {options.data or 'generated'}"

    def summary(self) -> str:
        return f"{super().summary()}; up to {self.longest:,} {'symbols' if self.options.flat else 'nodes'}"


Found = dict[str, tuple[Tree, int]]  # by their text


def _read_all(options: ListOpsOptions) -> dict[str, Found]:
    """The expressions of each split, none in two."""
    given = {"train": "data", "validation": "valid_data", "test": "test_data"}
    found = {
        s: _read(check_file(path, name), options.encoding)
        for s, name in given.items()
        if (path := getattr(options, name))
    }
    rng = np.random.default_rng(0)
    if "train" in found:
        listed = hold_out({s: list(part.items()) for s, part in found.items()}, options.held_out)
        found = {s: dict(part) for s, part in listed.items()}
    known: set[str] = set()
    for split in SPLITS[::-1]:  # the test first: what it holds is in no other
        size = options.train_size if split == "train" else options.eval_size
        part = found[split] if split in found else generate(rng, size, options.longest, known)
        found[split] = {text: value for text, value in part.items() if text not in known}
        known |= set(part)
    return found


def generate(rng: np.random.Generator, size: int, longest: int, known: set[str]) -> Found:
    """So many expressions that are not known, of at most `longest` symbols."""
    found: Found = {}
    failed = 0
    while len(found) < size:
        text = _draw(rng, longest)
        if text and text not in known and text not in found:
            tree = parse(text)
            found[text] = tree, value(tree)
            failed = 0
        elif (failed := failed + 1) > PATIENCE:
            raise UserError(
                f"--longest={longest} leaves too few expressions that differ: {len(found):,} of {size:,} were found; "
                "give a larger --longest, or a smaller --train_size and --eval_size"
            )
    return found


def _draw(rng: np.random.Generator, longest: int) -> str:
    """An expression in the brackets of the published files; empty if it grew too long."""
    operators = list(OPERATORS)
    lists: list[list[str]] = []  # open ones: the text so far, and how many are to come, apart
    left: list[int] = []
    symbols, begin = 0, True
    while True:
        if begin:
            lists.append([operators[rng.integers(len(operators))]])
            left.append(int(rng.integers(ARGUMENTS[0], ARGUMENTS[1] + 1)))
            symbols, begin = symbols + 2, False
        if symbols > longest:
            return ""
        if left[-1]:
            left[-1] -= 1
            begin = len(lists) < OPERATION and rng.random() < NESTED
            if not begin:
                lists[-1].append(DIGITS[rng.integers(10)])
                symbols += 1
            continue
        parts, _ = [*lists.pop(), END], left.pop()
        text = "( " * (len(parts) - 1) + parts[0] + "".join(f" {part} )" for part in parts[1:])
        if not lists:
            return text
        lists[-1].append(text)


def value(tree: Tree) -> int:
    """What an expression comes to. Raises `UserError` if it is none."""
    lists: list[list] = []
    last = None
    for token in filter(None, tree.tokens):
        if token in OPERATORS:
            lists.append([token])
            continue
        if token == END and lists and len(lists[-1]) > 1:
            operator, *values = lists.pop()
            token = str(OPERATORS[operator](values))
        if token not in DIGITS or (last is not None and not lists):
            raise UserError(f"'{token}' is not where ListOps has it: lists are [OPERATOR, digits or lists, ]")
        if lists:
            lists[-1].append(int(token))
        else:
            last = int(token)
    if last is None or lists:
        raise UserError("a list is not closed by ]")
    return last


def _read(path: Path, encoding: str) -> Found:
    """A TSV of results and expressions."""
    found: Found = {}
    for number, line in table.lines(path, encoding):
        if not line.strip():
            continue
        result, tab, text = line.partition("\t")
        if not tab or result.strip() not in DIGITS:
            raise UserError(f"{path}, line {number}: not a digit, a tab and an expression")
        try:
            tree = parse(text)
        except UserError as error:
            raise UserError(f"{path}, line {number}, {error}") from None
        unknown = next((t for t in tree.tokens if t and t not in SYMBOLS), None)
        if unknown or max(map(len, tree.children)) > 2:
            raise UserError(f"{path}, line {number}: {unknown or 'a node of more than two children'}: not of ListOps")
        found[" ".join(text.split())] = tree, int(result)
    if not found:
        raise UserError(f"{path} holds no expression")
    return found
