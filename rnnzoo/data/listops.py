"""Expressions of ListOps (Nangia & Bowman 2018): generated, evaluated, read, and encoded."""

import array
import hashlib
from collections.abc import Callable, Iterable, Iterator, Set
from pathlib import Path
from typing import Any

import numpy as np

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.tables import read_lines
from rnnzoo.data.tree_files import TreeWriter
from rnnzoo.data.trees import Tree, parse_tree
from rnnzoo.errors import UserError
from rnnzoo.spec import SPECIAL_TOKENS

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


def write_expressions(rows: Iterable[tuple[str, Tree, int]], writer: ArrayWriter) -> dict[str, Any]:
    """Writes trees with their `results`, numbers of symbols (`lengths`) and digests; `kept` are all but repetitions."""
    results, lengths, digests = array.array("i"), array.array("i"), array.array("q")

    def trees() -> Iterator[Tree]:
        for text, tree, result in rows:
            results.append(result)
            lengths.append(sum(map(bool, tree.tokens)))
            digests.append(digest(text))
            yield tree

    facts = TreeWriter(writer).write(trees())
    kept = np.sort(np.unique(np.array(digests, "int64"), return_index=True)[1]).astype("int32")
    for name, values in {"results": results, "lengths": lengths, "digests": digests, "kept": kept}.items():
        writer.extend(name, np.array(values))
    return facts | {"count": len(kept)}


def digest(text: str) -> int:
    """Returns a number of 64 bits that stands for a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


Expressions = dict[str, tuple[Tree, int]]  # by their text: tree and value


def generate_expressions(rng: np.random.Generator, size: int, max_length: int, known: Set[int]) -> Expressions:
    """Generates expressions whose digests are not in `known`, of at most `max_length` symbols.

    Raises:
        UserError: there are too few different expressions of that length.
    """
    expressions: Expressions = {}
    failed = 0
    while len(expressions) < size:
        text = _sample(rng, max_length)
        if text and text not in expressions and digest(text) not in known:
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


def read_expressions(path: Path, encoding: str) -> Iterator[tuple[str, Tree, int]]:
    """Yields the expressions of a TSV file of results and expressions, with their trees and results."""
    found = False
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
        found = True
        yield " ".join(text.split()), tree, int(result)
    if not found:
        raise UserError(f"{path} holds no expression")
