"""The task `listops`: evaluate nested list operations (Nangia & Bowman 2018)."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.files import check_file
from rnnzoo.data.splits import FILE_OPTIONS, FileOptions, hold_out_splits
from rnnzoo.data.tables import read_lines
from rnnzoo.data.trees import Tree, parse_tree, tree_to_example
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import SPECIAL_TOKENS
from rnnzoo.tasks.base import ClassificationTask, classification_spec

DIGITS = tuple("0123456789")
OPERATORS: dict[str, Callable[[list[int]], int]] = {
    "[MAX": max,
    "[MIN": min,
    "[MED": lambda values: int(np.median(values)),
    "[SM": lambda values: sum(values) % 10,
}
END = "]"
SYMBOLS = (*SPECIAL_TOKENS, *DIGITS, *OPERATORS, END)
NESTING_PROBABILITY, NUM_ELEMENTS, MAX_DEPTH = 0.25, (2, 5), 19
MAX_REJECTED = 10_000  # samples in a row that are duplicates or too long


@dataclasses.dataclass(frozen=True)
class ListOpsOptions(FileOptions):
    """Options of the task `listops`."""

    data: str | None = option(None, "TSV file of results and expressions in parentheses; default: generated")
    batch_size: int = option(64, "expressions in a batch", minimum=1, size="batch")
    train_size: int = option(20_000, "expressions generated for training", minimum=1, size="examples")
    eval_size: int = option(2_000, "expressions generated for each held-out split", minimum=1, maximum=10_000_000)
    max_length: int = option(200, "symbols in the longest generated expression", minimum=5, size="time")
    flat: bool = option(False, "sequences of symbols instead of trees, for sequence models")


@TASKS.register("listops")
class ListOps(ClassificationTask):
    """ListOps: evaluate expressions such as `[MAX 2 9 [MIN 4 7 ] 0 ]`.

    A list has two to five elements, digits or (with probability 1/4) lists, up to 19 levels deep. MED is the median,
    rounded down, and SM the sum modulo 10. As trees they are binary and left-branching, as in the published files:
    `( ( ( [MAX 2 ) 9 ) ] )`; with `--flat` they are sequences of symbols. Every expression is in one split only.

    Nangia & Bowman (2018), ListOps: A diagnostic dataset for latent tree learning, NAACL student workshop.
    """

    example_name = "expressions"
    training_defaults = {"steps": 3000, "learning_rate": 3e-3}

    def __init__(self, options: ListOpsOptions):
        data = _read_all(options)
        spec = classification_spec(
            DIGITS,
            inputs="tokens" if options.flat else "tree",
            input_size=len(SYMBOLS),
            vocabulary=SYMBOLS,
            level="word",
            arity=0 if options.flat else 2,
        )
        examples = {
            s: [tree_to_example(tree, SYMBOLS, np.int32(result), options.flat) for tree, result in data[s].values()]
            for s in SPLITS
        }
        super().__init__(options, examples, spec)
        self.origin = f"ListOps, {options.data or 'generated'}"

    def summary(self) -> str:
        return f"{super().summary()}; up to {self.max_length:,} {'symbols' if self.options.flat else 'nodes'}"


Expressions = dict[str, tuple[Tree, int]]  # by their text: tree and value


def _read_all(options: ListOpsOptions) -> dict[str, Expressions]:
    """Reads or generates the expressions of each split; none is in two splits."""
    expressions = {
        s: _read(check_file(path, name), options.encoding)
        for s, name in FILE_OPTIONS.items()
        if (path := getattr(options, name))
    }
    rng = np.random.default_rng(0)
    if "train" in expressions:
        listed = {s: list(part.items()) for s, part in expressions.items()}
        listed = hold_out_splits(listed, options.validation_fraction, options.test_fraction)
        expressions = {s: dict(part) for s, part in listed.items()}
    known: set[str] = set()
    for split in SPLITS[::-1]:  # the test split first: its expressions are removed from the other splits
        size = options.train_size if split == "train" else options.eval_size
        part = (
            expressions[split] if split in expressions else generate_expressions(rng, size, options.max_length, known)
        )
        expressions[split] = {text: value for text, value in part.items() if text not in known}
        known |= set(part)
    return expressions


def generate_expressions(rng: np.random.Generator, size: int, max_length: int, known: set[str]) -> Expressions:
    """Generates expressions that are not in `known`, of at most `max_length` symbols.

    Raises:
        UserError: there are too few different expressions of that length.
    """
    expressions: Expressions = {}
    failed = 0
    while len(expressions) < size:
        text = _sample(rng, max_length)
        if text and text not in known and text not in expressions:
            tree = parse_tree(text)
            expressions[text] = tree, evaluate_expression(tree)
            failed = 0
        elif (failed := failed + 1) > MAX_REJECTED:
            raise UserError(
                f"--max_length={max_length} leaves too few different expressions: {len(expressions):,} of {size:,}; "
                "give a larger --max_length, or a smaller --train_size and --eval_size"
            )
    return expressions


def _sample(rng: np.random.Generator, max_length: int) -> str:
    """Samples an expression in the parentheses of the published files; empty if it is too long."""
    operators = list(OPERATORS)
    lists: list[list[str]] = []  # open lists: their text so far
    remaining: list[int] = []  # elements to come in each open list
    symbols, begin = 0, True
    while True:
        if begin:
            lists.append([operators[rng.integers(len(operators))]])
            remaining.append(int(rng.integers(NUM_ELEMENTS[0], NUM_ELEMENTS[1] + 1)))
            symbols, begin = symbols + 2, False
        if symbols > max_length:
            return ""
        if remaining[-1]:
            remaining[-1] -= 1
            begin = len(lists) < MAX_DEPTH and rng.random() < NESTING_PROBABILITY
            if not begin:
                lists[-1].append(DIGITS[rng.integers(10)])
                symbols += 1
            continue
        parts, _ = [*lists.pop(), END], remaining.pop()
        text = "( " * (len(parts) - 1) + parts[0] + "".join(f" {part} )" for part in parts[1:])
        if not lists:
            return text
        lists[-1].append(text)


def evaluate_expression(tree: Tree) -> int:
    """Evaluates an expression. Raises `UserError` if it is invalid."""
    lists: list[list] = []
    result = None
    for token in filter(None, tree.tokens):
        if token in OPERATORS:
            lists.append([token])
            continue
        if token == END and lists and len(lists[-1]) > 1:
            operator, *values = lists.pop()
            token = str(OPERATORS[operator](values))
        if token not in DIGITS or (result is not None and not lists):
            raise UserError(f"'{token}' is out of place: a list is [OPERATOR, then digits or lists, then ]")
        if lists:
            lists[-1].append(int(token))
        else:
            result = int(token)
    if result is None or lists:
        raise UserError("a list is not closed by ]")
    return result


def _read(path: Path, encoding: str) -> Expressions:
    """Reads a TSV file of results and expressions."""
    expressions: Expressions = {}
    for number, line in read_lines(path, encoding):
        if not line.strip():
            continue
        result, tab, text = line.partition("\t")
        if not tab or result.strip() not in DIGITS:
            raise UserError(f"{path}, line {number}: expected a digit, a tab and an expression")
        try:
            tree = parse_tree(text)
        except UserError as error:
            raise UserError(f"{path}, line {number}, {error}") from None
        unknown = next((t for t in tree.tokens if t and t not in SYMBOLS), None)
        if unknown or max(map(len, tree.children)) > 2:
            raise UserError(
                f"{path}, line {number}: {unknown or 'a node with more than two children'} is not allowed in ListOps"
            )
        expressions[" ".join(text.split())] = tree, int(result)
    if not expressions:
        raise UserError(f"{path} holds no expression")
    return expressions
